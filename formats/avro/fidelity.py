"""What a rewrite changed beyond its mapping, found from both files' own headers and block heads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from instar.formats.avro.container import SCHEMA, Container
from instar.formats.avro.physical import AROUND, FIELD, NAME, NULL, TYPE, null_at
from instar.formats.avro.rewrite import SUBJECT, VERSION, header_schema, stamp_of
from instar.formats.fingerprint import differences
from instar.formats.format import Stamp, Unlike, kept_rows
from instar.formats.logical import TAGS
from instar.formats.path import EACH_ITEM, EACH_VALUE, Branch, Path, path_text
from instar.formats.schema import Field, List, Map, Record, Reference, Schema, Union

CODES = {
    "avro.schema": "the header's schema is not the target schema",
    "avro.codec": "the blocks are compressed by another codec",
    "avro.sync": "the sync marker changed",
    "avro.metadata": "a key of the header is missing, new, changed or elsewhere",
    "avro.stamp": "the file's stamp is not the one asked for",
    "avro.blocks": "the blocks begin elsewhere",
    "avro.doc": "a field's doc changed",
    "avro.name": "a named type has another name",
    "avro.union-order": "null stands elsewhere in a union",
    "avro.properties": "an alias, an order or a property of one's own changed",
}
"""Every way in which a rewritten file may be unlike its source. The codes are what `fidelity.allow` takes."""

_MODELLED = {
    "type",
    "name",
    "namespace",
    "fields",
    "items",
    "values",
    "symbols",
    "size",
    "doc",
    "default",
    "precision",
    "scale",
    TAGS,
}


def unlike(
    old: Container,
    new: Container,
    *,
    target: Schema,
    carried: Mapping[Path, Path],
    stamp: Stamp | None,
    left_out: Sequence[int] = (),
) -> Iterator[Unlike]:
    """Codec, sync marker, metadata, rows of each block, and of each carried place its name, doc, aliases and own properties."""
    yield from _header(old, new, stamp)
    yield from _blocks(old, new, left_out)
    before, after = header_schema(old), header_schema(new)
    for difference in differences(after, target, nullability=True):
        yield Unlike("avro.schema", f"the new file's schema is not the target: {difference}")
    for place, origin in carried.items():
        was, now, wanted = field_at(before, origin), field_at(after, place), field_at(target, place)
        if was is not None and now is not None:
            yield from _field(was, now, wanted or was, path_text(place) or "the record")


def _header(old: Container, new: Container, stamp: Stamp | None) -> Iterator[Unlike]:
    if old.header.codec.name != new.header.codec.name:
        yield Unlike("avro.codec", f"the codec was {old.header.codec.name} and is {new.header.codec.name}")
    if old.header.sync != new.header.sync:
        yield Unlike("avro.sync", "the sync marker is another one")
    was, now = ({k: v for k, v in c.header.metadata.items() if k not in (SCHEMA, SUBJECT, VERSION)} for c in (old, new))
    for key in {**was, **now}:
        if was.get(key) != now.get(key):
            yield Unlike("avro.metadata", f"the header's {key} was {_shown(was.get(key))} and is {_shown(now.get(key))}")
    if list(was) != list(now):
        yield Unlike("avro.metadata", "the header's keys are in another order")
    if stamp_of(new.header.metadata) != stamp:
        yield Unlike("avro.stamp", f"the stamp is {stamp_of(new.header.metadata)}, not {stamp}")


def _blocks(old: Container, new: Container, left_out: Sequence[int]) -> Iterator[Unlike]:
    before = [block.rows for block in old.blocks()]
    kept = [rows for was, rows in zip(before, kept_rows(before, left_out), strict=True) if rows or not was]
    for number, rows in enumerate(zip_longest(kept, (block.rows for block in new.blocks()))):
        if rows[0] != rows[1]:
            yield Unlike("avro.blocks", f"block {number} had {_rows(rows[0])} and has {_rows(rows[1])}")
            return


def _rows(rows: int | None) -> str:
    return "no place" if rows is None else f"{rows} records"


def _field(was: Field, now: Field, wanted: Field, place: str) -> Iterator[Unlike]:
    if now.doc not in (was.doc, wanted.doc):
        yield Unlike("avro.doc", f"the doc of {place} was {was.doc!r} and is {now.doc!r}")
    if _name(now) not in (_name(was), _name(wanted)):
        yield Unlike("avro.name", f"the type of {place} was called {_name(was)} and is called {_name(now)}")
    if null_at(now) not in (null_at(was), null_at(wanted)):
        yield Unlike("avro.union-order", f"null stands elsewhere in the union of {place}")
    if now.tags not in (was.tags, wanted.tags):
        yield Unlike("avro.properties", f"the tags of {place} were {_words(was.tags)} and are {_words(now.tags)}")
    before, after, declared = _properties(was), _properties(now), _properties(wanted)
    for key in {**before, **after}:
        if after.get(key) not in (before.get(key), declared.get(key)):
            yield Unlike("avro.properties", f"{key[1]!r} of {place} was {before.get(key)!r} and is {after.get(key)!r}")


def _words(tags: Sequence[str]) -> str:
    return ", ".join(tags) or "none"


def _name(field: Field) -> str:
    return field.extra.get(NAME) or getattr(field.type, "name", "")


def _properties(field: Field) -> dict[tuple[str, str], Any]:
    """Aliases, order, unknown logical types and whatever else stands on the field, its type, or null."""
    nodes = [(FIELD, field.extra.get(FIELD, {})), (TYPE, field.extra.get(TYPE, {}))]
    nodes += [(f"{AROUND}{i}", node) for i, node in enumerate(field.extra.get(AROUND, ()))]
    null = field.extra.get(NULL, {}).get("node")
    nodes += [(NULL, null)] if isinstance(null, dict) else []
    return {(part, key): value for part, node in nodes for key, value in node.items() if key not in _MODELLED}


def field_at(schema: Schema, path: Path) -> Field | None:
    """The field at a path, through named types; None where there is none."""
    field = schema.root
    for step in path:
        if isinstance(field.type, Reference):
            field = schema.definitions[field.type.name]
        match field.type, step:
            case Record() as record, str() if step in record:
                field = record[step]
            case (List(inner), _) if step == EACH_ITEM:
                field = inner
            case (Map(inner), _) if step == EACH_VALUE:
                field = inner
            case Union(branches), Branch(name) if any(b.name == name for b in branches):
                field = next(b for b in branches if b.name == name)
            case _:
                return None
    return field


def _shown(value: bytes | None) -> str:
    return "missing" if value is None else repr(value[:60])
