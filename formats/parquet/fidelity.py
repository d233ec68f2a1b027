"""What a rewrite did not keep of a Parquet file, found by holding both footers side by side; and what one could not keep.

Nothing here comes from the writer: both files are opened afresh, and paired by the mapping's `carried` places alone.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path as FilePath

import pyarrow as pa

from instar.formats.errors import FileError, SchemaError, UnreadableError
from instar.formats.fingerprint import differences
from instar.formats.format import Stamp, Unlike, kept_rows
from instar.formats.path import Path, path_text
from instar.formats.schema import Field, Schema, type_text
from instar.formats.splice import Splice

from .footer import PHYSICAL, REPEATED, Element, Footer, get, items
from .keyvalues import SCHEMA_KEYS
from .output import fields_of, planned
from .places import Place, places
from .settings import WRITABLE_CODECS, codecs, has_bloom_filter, has_page_index, uses_dictionary
from .sort_order import in_order
from .source import ARROW_SCHEMA, SUBJECT, VERSION, Source, open_source
from .splice import obstacle

CODES = {
    "parquet.schema": "the columns are not those of the target schema",
    "parquet.nullability": "a field may be null where the target requires a value, or the reverse",
    "parquet.physical-type": "values are stored under another physical type (BYTE_ARRAY decimals and the like)",
    "parquet.logical-type": "a column is annotated otherwise (a geometry, a time's UTC flag)",
    "parquet.field-id": "a field id changed",
    "parquet.nested-names": "the groups inside a list or map have other names",
    "parquet.legacy-list": "a list in a two-level form becomes one of three levels",
    "parquet.arrow-schema": "the Arrow schema that the file remembers changed (large, dictionary, fixed-size list, metadata)",
    "parquet.codec": "a column is compressed by another codec, or by several (LZO and Hadoop's LZ4 cannot be written)",
    "parquet.row-groups": "the row groups begin elsewhere",
    "parquet.sorting-columns": "the sort order that the file declares changed",
    "parquet.key-values": "a key-value is missing, new or changed",
    "parquet.stamp": "the file's stamp is not the one asked for",
    "parquet.dictionary": "a column gained or lost its dictionary",
    "parquet.page-index": "the page index was lost or added",
    "parquet.bloom-filter": "a bloom filter was lost or added",
    "parquet.column-key-values": "a column chunk's own key-values changed",
}
"""Every way in which a rewritten file may be unlike its source. The codes are what `fidelity.allow` takes."""


def unlike(
    old: FilePath,
    new: FilePath,
    *,
    target: Schema,
    carried: Mapping[Path, Path],
    stamp: Stamp | None,
    left_out: Sequence[int] = (),
) -> tuple[Unlike, ...]:
    """Every difference that the mapping did not declare; see `Format.fidelity`."""
    before, after = open_source(old), open_source(new)
    pair = _Pair(before, after, carried)
    return tuple(
        found
        for part in (
            _schema(after, target), pair.elements(), pair.arrow(), pair.leaves(),
            _row_groups(kept_rows(before.footer.rows, left_out), _rows_read(after)),
            pair.sorting(), _key_values(before, after, target, carried), _stamp(after, stamp),
            _remembered(after.footer),
        )
        for found in part
    )  # fmt: skip


def _rows_read(file: Source) -> list[int]:
    """The rows of each row group as pyarrow finds them, which is to take the footer, too."""
    return [file.metadata.row_group(group).num_rows for group in range(file.metadata.num_row_groups)]


def unkeepable(path: FilePath, target: Schema, carried: Mapping[Path, Path], splice: Splice | None = None) -> tuple[Unlike, ...]:
    """What a rewrite would lose at the carried places; see `Format.unkeepable`."""
    source = open_source(path)
    twice = tuple(_contradicted(source.footer))
    if splice is not None and not obstacle(source, target, carried, splice):
        if splice.part is None:
            return twice
        target, carried = splice.part.target_schema, splice.part.carried  # all else is copied
    carried = {place: origin for place, origin in carried.items() if origin in source.places}
    try:
        output = planned(source, target, carried, None)
    except UnreadableError:
        raise
    except (SchemaError, FileError) as error:
        return (Unlike("parquet.schema", error.message),)
    drafted = places(output.drafted, target.record)
    lost = list(_old_lists(source, carried, places(output.root, target.record)))
    for place, origin in carried.items():
        if place in drafted and drafted[place].shape == source.places[origin].shape:
            lost += _storage(origin, source.places[origin], drafted[place])
    for leaf in sorted({leaf for leaf in output.origins if leaf is not None}):
        used = codecs(source.footer, leaf)
        if len(used) > 1 or not used <= set(WRITABLE_CODECS):
            lost.append(Unlike("parquet.codec", f"{_leaf_name(source, leaf)} is compressed by {' and '.join(sorted(used))}"))
    return (*lost, *twice)


def _old_lists(source: Source, carried: Mapping[Path, Path], declared: Mapping[Path, Place]) -> Iterator[Unlike]:
    """The lists of two levels that cannot be declared so again, as their items may be null or are records of one field."""
    for place, path in carried.items():
        if source.places[path].shape == "legacy list" and place in declared and declared[place].shape != "legacy list":
            yield Unlike("parquet.legacy-list", f"{path_text(path)} is a list in a form of two levels, and would get three")


def _leaf_name(source: Source, leaf: int) -> str:
    found = [path for path, place in source.places.items() if place.element.leaf == leaf]
    return path_text(found[0]) if found else f"leaf {leaf}"


# ---- schema
def _schema(after: Source, target: Schema) -> Iterator[Unlike]:
    structural = differences(after.logical, target)
    for found in structural:
        yield Unlike("parquet.schema", str(found))
    if not structural:
        for found in differences(after.logical, target, nullability=True):
            yield Unlike("parquet.nullability", str(found))
        if after.logical.record.names != target.record.names:
            yield Unlike("parquet.schema", f"the columns' order is {', '.join(after.logical.record.names)}")


def _storage(path: Path, old: Place, new: Place) -> Iterator[Unlike]:
    """The physical type of a leaf, or of a map's keys; both are of one logical type. INT96 is declared again afterwards."""
    keys = zip(old.key.walk(), new.key.walk(), strict=False) if old.key and new.key else ()
    for of, (theirs, ours) in (("", (old.element, new.element)), *(("the keys of ", pair) for pair in keys)):
        a, b = _physical(theirs), _physical(ours)
        if a != b and not (a == "INT96" and b == "FIXED_LEN_BYTE_ARRAY(12)"):
            message = f"{of}{path_text(path)} would be stored as {b}, not as {a}; its values and its type stay the same"
            yield Unlike("parquet.physical-type", message)


def _physical(element: Element) -> str | None:
    kind = element.physical
    if kind is None:
        return None
    return f"{PHYSICAL[kind]}({get(element.struct, 2)})" if PHYSICAL[kind] == "FIXED_LEN_BYTE_ARRAY" else PHYSICAL[kind]


class _Pair:
    """Two files and what of the one is carried from the other."""

    def __init__(self, old: Source, new: Source, carried: Mapping[Path, Path]) -> None:
        self.old, self.new = old, new
        self.carried = {p: q for p, q in carried.items() if q in old.places}

    def elements(self) -> Iterator[Unlike]:
        """Schema elements: physical and logical type, id, names."""
        for path, origin in self.carried.items():
            ours, theirs = self.new.places.get(path), self.old.places[origin]
            if ours is None:
                yield Unlike("parquet.schema", f"{path_text(path)} is missing")
                continue
            if ours.shape != theirs.shape:
                yield Unlike("parquet.legacy-list", f"{path_text(path)} was a {theirs.shape}, and is a {ours.shape}")
            elif theirs.shape == "legacy list" and theirs.element.repetition == ours.element.repetition == REPEATED:
                continue  # the element is the item's, which is a place of its own
            elif theirs.element.leaf is not None or ours.shape != "odd":
                yield from _element(path, theirs.element, ours.element, named=self._named_by_writer(path, origin))
            if ours.wrapper and theirs.wrapper:
                yield from _element(path, theirs.wrapper, ours.wrapper, named=True)
            if ours.key and theirs.key:
                for a, b in zip(theirs.key.walk(), ours.key.walk(), strict=False):
                    yield from _element(path, a, b, named=True)

    def _named_by_writer(self, path: Path, origin: Path) -> bool:
        """Is this an item or a map's value, whose element's name is the file's affair (and comparable)?

        In a list of two levels the repeated element may be called after the list, or be the list.
        """
        if isinstance(path[-1], str):
            return False
        ours, theirs = self.new.places.get(path[:-1]), self.old.places.get(origin[:-1])
        if ours is None or theirs is None or ours.shape != theirs.shape:
            return False
        own = theirs.element.repetition == REPEATED or self.old.places[origin].element.name == f"{theirs.element.name}_tuple"
        return ours.shape != "legacy list" or not own

    def arrow(self) -> Iterator[Unlike]:
        """What the file remembers of its Arrow schema beyond the logical one, or would be understood to."""
        if ARROW_SCHEMA in self.old.footer.key_values and ARROW_SCHEMA not in self.new.footer.key_values:
            yield Unlike("parquet.arrow-schema", "ARROW:schema is missing")
        before, after = fields_of(self.old.logical), fields_of(self.new.logical)
        for path, origin in self.carried.items():
            if path not in after or origin not in before or _was_extended(before[origin], after[path]):
                continue
            if _memory(before[origin]) != _memory(after[path]):
                yield Unlike(
                    "parquet.arrow-schema", f"{path_text(path)} was {_memory(before[origin])}, and is {_memory(after[path])}"
                )

    def leaves(self) -> Iterator[Unlike]:
        """Codec, dictionary use, page index, bloom filters and key-values of the columns."""
        old, new = self.old.footer, self.new.footer
        if old.groups and new.groups and has_page_index(old) != has_page_index(new):
            yield Unlike("parquet.page-index", "the page index was " + ("lost" if has_page_index(old) else "added"))
        for path, theirs, ours in self._leaf_pairs():
            if old.metas(theirs) == new.metas(ours):
                continue  # all that is looked at here
            name = path_text(path)
            if codecs(old, theirs) != codecs(new, ours) and codecs(old, theirs) and codecs(new, ours):
                was, now = (" and ".join(sorted(c)) for c in (codecs(old, theirs), codecs(new, ours)))
                yield Unlike("parquet.codec", f"{name} was compressed by {was}, and is by {now}")
            used = uses_dictionary(old, theirs), uses_dictionary(new, ours)
            if None not in used and used[0] != used[1]:
                yield Unlike("parquet.dictionary", f"{name} {'lost its' if used[0] else 'gained a'} dictionary")
            if has_bloom_filter(old, theirs) != has_bloom_filter(new, ours) and old.groups:
                yield Unlike(
                    "parquet.bloom-filter", f"{name} {'lost' if has_bloom_filter(old, theirs) else 'gained'} its bloom filter"
                )
            if _own_pairs(old, theirs) != _own_pairs(new, ours):
                yield Unlike("parquet.column-key-values", f"the key-values of {name} changed")

    def _leaf_pairs(self) -> Iterator[tuple[Path, int, int]]:
        for path, origin in self.carried.items():
            ours, theirs = self.new.places.get(path), self.old.places[origin]
            if ours and ours.element.leaf is not None and theirs.element.leaf is not None:
                yield path, theirs.element.leaf, ours.element.leaf

    def sorting(self) -> Iterator[Unlike]:
        """The declared order: as much of it, from the first column on, as is carried and was not changed by filling nulls."""
        origins: list[int | None] = [None] * len(self.new.footer.leaves)
        for _, theirs, ours in self._leaf_pairs():
            origins[ours] = theirs
        kept = in_order(self.old.footer, self.new.footer.root, origins)
        moved = {theirs: ours for ours, theirs in reversed(list(enumerate(kept))) if theirs is not None}
        for group in self.old.footer.groups[:1]:
            expected = []
            for column in items(group, 4):
                if get(column, 1) not in moved:
                    break
                expected.append((moved[get(column, 1)], get(column, 2), get(column, 3)))
            for number, other in enumerate(self.new.footer.groups):
                found = [(get(column, 1), get(column, 2), get(column, 3)) for column in items(other, 4)]
                if found != expected:
                    yield Unlike(
                        "parquet.sorting-columns", f"row group {number} is declared sorted by leaves {found}, not {expected}"
                    )


def _element(path: Path, old: Element, new: Element, *, named: bool) -> Iterator[Unlike]:
    name = path_text(path)
    if _physical(old) != _physical(new):
        yield Unlike("parquet.physical-type", f"{name} was stored as {_physical(old)}, and is as {_physical(new)}")
    if get(old.struct, 9) != get(new.struct, 9):
        yield Unlike("parquet.field-id", f"{name} had field id {get(old.struct, 9)}, and has {get(new.struct, 9)}")
    annotation = [{n: v for n, v in e.struct.items() if n not in (1, 2, 3, 4, 5, 9)} for e in (old, new)]
    if annotation[0] != annotation[1]:
        yield Unlike("parquet.logical-type", f"{name} was annotated {annotation[0]}, and is {annotation[1]}")
    if named and old.name != new.name:
        yield Unlike("parquet.nested-names", f"inside {name}, {old.name!r} became {new.name!r}")


def _was_extended(old: Field, new: Field) -> bool:
    """Was it an extension of a list or record whose inside the migration changed (a tensor of texts is none)?"""
    return "arrow.extended" in old.extra and type_text(old.type) != type_text(new.type)


def _memory(field: Field) -> dict[str, object]:
    """What is remembered of a field beyond its logical type; a list's item has its name in the schema elements."""
    kept: dict[str, object] = {
        key: value for key, value in field.extra.items() if key not in ("arrow.name", "metadata", "arrow.map")
    }
    pairs = [pair for pair in field.extra.get("metadata", ()) if not pair[0].startswith("instar.")]
    return kept | ({"metadata": pairs} if pairs else {})


def _own_pairs(footer: Footer, leaf: int) -> list[object]:
    """A leaf's key-values, chunk by chunk, without repetition: a row group may have been split."""
    out: list[object] = []
    for meta in footer.metas(leaf):
        if not out or out[-1] != items(meta, 8):
            out.append(items(meta, 8))
    return out


# ---- the file as a whole
def _row_groups(old: Sequence[int], new: Sequence[int]) -> Iterator[Unlike]:
    """Row groups begin where they did; one that was split (which `Rewritten.notes` tells) may begin in between, too.

    `old`: the rows of each group that were to be kept.
    """
    if not _starts(old) <= _starts(new) or sum(old) != sum(new) or len(new) < len(old):
        yield Unlike("parquet.row-groups", f"the row groups had {tuple(old)} rows, and have {tuple(new)}")


def _starts(rows: Sequence[int]) -> set[int]:
    return {sum(rows[:i]) for i in range(len(rows))}


def _key_values(before: Source, after: Source, target: Schema, carried: Mapping[Path, Path]) -> Iterator[Unlike]:
    old, new = before.footer.key_values, after.footer.key_values
    changed = bool(differences(before.logical, target)) or any(p != q for p, q in carried.items())
    ours = {SUBJECT, VERSION, ARROW_SCHEMA}
    copies = SCHEMA_KEYS | {b"pandas", b"geo"}
    for key in sorted(set(old) - ours):
        if key in copies and changed:
            if key in new and (stale := _stale(key, new[key], target)):
                yield Unlike("parquet.key-values", f"{_shown(key)} still names {stale!r}, which is no column")
        elif key not in new:
            yield Unlike("parquet.key-values", f"{_shown(key)} is missing")
        elif new[key] != old[key]:
            yield Unlike("parquet.key-values", f"{_shown(key)} changed")
    for key in sorted(set(new) - set(old) - ours):
        yield Unlike("parquet.key-values", f"{_shown(key)} is new")
    yield from _contradicted(before.footer)


def _contradicted(old: Footer) -> Iterator[Unlike]:
    """Every key is written once."""
    for key in old.contradicted_keys:
        if key not in (SUBJECT, VERSION, ARROW_SCHEMA):
            yield Unlike("parquet.key-values", f"{_shown(key)} is there more than once, with several values: the last one is kept")


def _remembered(footer: Footer) -> Iterator[Unlike]:
    """Arrow's readers take a file's metadata from inside ARROW:schema: what it repeats must be what the file says."""
    value = footer.key_values.get(ARROW_SCHEMA)
    if value is None:
        return
    held = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(value))).metadata or {}
    for key in sorted(held):
        if held[key] != footer.key_values.get(key):
            yield Unlike("parquet.arrow-schema", f"{_shown(key)} is another inside ARROW:schema")


def _shown(key: bytes) -> str:
    return f"the key-value {key.decode('utf-8', 'replace')}"


def _stale(key: bytes, value: bytes | None, target: Schema) -> str | None:
    """A column named by pandas' or GeoParquet's description that the file does not have."""
    if key in SCHEMA_KEYS:
        return None
    document = json.loads(value or b"{}")
    names = [c.get("field_name", c["name"]) for c in document["columns"]] if key == b"pandas" else list(document["columns"])
    return next((name for name in names if name not in target.record), None)


def _stamp(after: Source, stamp: Stamp | None) -> Iterator[Unlike]:
    held = after.footer.key_values
    wanted = {} if stamp is None else {SUBJECT: stamp.subject.encode(), VERSION: str(stamp.version).encode()}
    found = {key: held[key] for key in (SUBJECT, VERSION) if key in held}
    if found != wanted:
        yield Unlike("parquet.stamp", f"the stamp is {found or 'missing'}, not {wanted or 'none'}")
