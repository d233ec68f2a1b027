"""What a rewritten file will be, before a row of it is written: its schema, how each leaf is stored, its footer's parts."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path as FilePath
from types import MappingProxyType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from instar.formats.arrow import arrow_schema
from instar.formats.errors import FileError, SchemaError, Where
from instar.formats.fingerprint import differences
from instar.formats.format import Stamp
from instar.formats.path import EACH_ITEM, EACH_VALUE, Path, path_text
from instar.formats.schema import Field, Fixed, List, Map, Record, Schema, Timestamp, Type

from . import thrift
from .decimals import otherwise_stored
from .declare import declared, is_decimal, order
from .footer import FIXED, Element, Footer, get, parse_footer, tree_of, with_elements, with_key_values
from .keyvalues import carried_key_values
from .places import Place, places
from .settings import dotted, is_whole_decimal, writer_options
from .source import ARROW_SCHEMA, Source, understood
from .thrift import Struct

_NEW = FilePath("the new file")


@dataclass(frozen=True)
class Output:
    """The new file. `converted` is what a conversion's columns must fit (INT96 as twelve bytes), `written` what pyarrow's writer is
    given of them: the same but for decimals that are to be stored otherwise than it would.

    `origins` has for each leaf the source leaf it is carried from; `elements` are the schema elements for the footer, `drafted`
    the tree as pyarrow makes it; `int96` the target places that hold INT96; `counted` the columns, by leaf, for which
    statistics are to be counted, as pyarrow would compare their values by another order.
    """

    converted: pa.Schema
    written: pa.Schema
    options: dict[str, Any]
    origins: tuple[int | None, ...]
    elements: list[Struct]
    drafted: Element
    int96: dict[Path, Path]
    counted: dict[int, str]
    key_values: dict[bytes, bytes | None]
    notes: tuple[str, ...]

    @property
    def root(self) -> Element:
        """The tree as the footer will have it."""
        return tree_of(self.elements)


def planned(
    source: Source,
    target: Schema,
    carried: Mapping[Path, Path],
    stamp: Stamp | None,
    follows: Mapping[Path, Path] = MappingProxyType({}),
) -> Output:
    """The output of a rewrite of `source` to `target`. What is computed is stored (codec, dictionary, filters) as the source
    leaf that it `follows`.

    Raises:
        SchemaError: Parquet cannot hold a type of the target; names the field.
        FileError: an INT96 timestamp inside a record or list that is taken apart; a damaged page header.
    """
    logical = kept_storage(source.logical, target, carried)
    raw = int96_places(source, logical, carried)
    bare: dict[Path, Type] = dict.fromkeys(raw, Fixed(12))
    converted = arrow_schema(as_bare(logical, bare))
    drafted = _draft(source, converted, logical, carried)
    bare |= otherwise_stored(places(drafted.root, logical.record), source.places, carried)
    written = arrow_schema(as_bare(logical, bare))
    drafted = _draft(source, written, logical, carried)
    new = places(drafted.root, logical.record)
    origins = leaf_origins(drafted, new, source, carried)
    elements = declared(drafted.root, new, source.places, carried)
    key_values, notes = key_values_of(source, target, carried, stamp, logical, with_elements(drafted.struct, elements))
    options = writer_options(source, drafted, leaf_origins(drafted, new, source, {**follows, **carried}))
    ordered, counted = _statistics(drafted, elements, options["write_statistics"])
    options |= {"write_statistics": ordered, "store_decimal_as_integer": _whole(source, origins)}
    return Output(converted, written, options, origins, elements, drafted.root, raw, counted, key_values, notes)


def key_values_of(
    source: Source, target: Schema, carried: Mapping[Path, Path], stamp: Stamp | None, logical: Schema, bare: Struct
) -> tuple[dict[bytes, bytes | None], tuple[str, ...]]:
    """The new file's key-values, and notes about those that were left out. `logical` is the target with the source's storage,
    `bare` a footer of the new file's schema elements without any.

    Raises:
        SchemaError: the schema cannot be read back from the footer, whatever its key-values.
    """
    arrow = arrow_schema(logical)
    renames = whole_columns(source.logical, target, carried)
    hinted = _needs_hints(source, bare, arrow, logical)
    changed = bool(differences(source.logical, target)) or any(new != old for new, old in carried.items())  # two may swap names
    pairs, notes = carried_key_values(source.footer.key_values, renames, changed=changed, stamp=stamp, hinted=hinted)
    return with_hints(pairs, arrow), notes


def _statistics(drafted: Footer, elements: list[Struct], wanted: list[str]) -> tuple[list[str], dict[int, str]]:
    """For which of the leaves `wanted` pyarrow finds the right statistics, and for which columns they are to be counted.

    pyarrow compares by what it was told a leaf is. If that is not the order of what the leaf is declared to be, its minimum and
    maximum would be wrong, in the footer, the column index and the pages' headers.
    """
    pairs = list(zip(drafted.leaves, (s for s in elements if 1 in s and not get(s, 5, 0)), strict=True))
    named = set(wanted)
    found = [(e, struct, order(e.struct) == order(struct)) for e, struct in pairs if dotted(e) in named]
    numbers = [e for e, struct, right in found if not right and is_decimal(struct) and e.physical == FIXED and len(e.path) == 1]
    return [dotted(e) for e, _, right in found if right], {e.leaf: e.name for e in numbers if e.leaf is not None}


# ---- schema
def kept_storage(source: Schema, target: Schema, carried: Mapping[Path, Path]) -> Schema:
    """The target with the source's storage, ids and metadata at every carried place; docs and tags are the target's own, so that
    those which it has not any more are gone."""
    known = fields_of(source)
    return Schema(_kept(target.root.with_(extra={}), (), known, carried), target.definitions)


def fields_of(schema: Schema) -> dict[Path, Field]:
    """Every place of a schema and its field, the root's under the empty path."""
    return dict(_fields(schema.root, ()))


def _fields(field: Field, at: Path) -> list[tuple[Path, Field]]:
    below = [pair for step, inner in steps(field.type) for pair in _fields(inner, (*at, step))]
    return [(at, field), *below]


def steps(type: Type) -> list[tuple[Any, Field]]:
    """The fields one level down by path step."""
    match type:
        case Record(fields):
            return [(f.name, f) for f in fields]
        case List(item):
            return [(EACH_ITEM, item)]
        case Map(value):
            return [(EACH_VALUE, value)]
        case _:
            return []


def _kept(field: Field, at: Path, known: Mapping[Path, Field], carried: Mapping[Path, Path]) -> Field:
    origin = known.get(carried[at]) if at in carried else None
    extra = field.extra if origin is None else origin.extra
    below = {step: _kept(inner, (*at, step), known, carried) for step, inner in steps(field.type)}
    return field.with_(type=_rebuilt(field.type, below), extra=extra)


def _rebuilt(type: Type, below: Mapping[Any, Field]) -> Type:
    match type:
        case Record():
            return Record(tuple(below.values()), type.name)
        case List():
            return List(below[EACH_ITEM])
        case Map():
            return Map(below[EACH_VALUE], type.key)
        case _:
            return type


def as_bare(schema: Schema, bare: Mapping[Path, Type]) -> Schema:
    """The schema with other types at some places: INT96 as twelve bytes, decimals as bytes or integers. A key goes by its map."""

    def made(field: Field, at: Path) -> Field:
        below = {step: made(inner, (*at, step)) for step, inner in steps(field.type)}
        rebuilt = _rebuilt(field.type, below)
        if at not in bare:
            return field.with_(type=rebuilt)
        return field.with_(type=Map(rebuilt.value, bare[at]) if isinstance(rebuilt, Map) else bare[at], extra={})

    return Schema(made(schema.root, ())) if bare else schema


def int96_places(source: Source, target: Schema, carried: Mapping[Path, Path]) -> dict[Path, Path]:
    """The target places that stay INT96, with their source places.

    Raises:
        FileError: one is inside a record, list or map that changes: its raw bytes cannot be told from new ones there.
    """
    stay = {path: field for path, field in _fields(target.root, ()) if isinstance(field.type, Timestamp)}
    found = {p: q for p, q in carried.items() if q in source.int96 and p in stay and stay[p].extra.get("parquet") == "int96"}
    for path, origin in found.items():
        if len(path) > 1 and not _whole_column(source.logical, target, carried, path[0], origin[0]):
            raise FileError(
                f"{path_text(path)} is an INT96 timestamp inside {path_text(path[:1])}, which this migration changes",
                hint="Cast it to another type in the same migration, or leave that column as it is.",
                where=Where(file=str(source.path), path=path_text(path)),
            )
        if len(path) == 1 and len(origin) > 1:
            raise FileError(
                f"{path_text(origin)} is an INT96 timestamp that this migration moves out of {path_text(origin[:1])}",
                hint="Cast it to another type in the same migration, or leave it where it is.",
                where=Where(file=str(source.path), path=path_text(origin)),
            )
    return found


def _whole_column(source: Schema, target: Schema, carried: Mapping[Path, Path], new: Any, old: Any) -> bool:
    """Is the top-level column `new` the source's `old` with the same places below, each carried to its own?"""
    if new not in target.record or old not in source.record:
        return False
    here = [path for path, _ in _fields(target.record[new], ())]
    there = [path for path, _ in _fields(source.record[old], ())]
    return here == there and all(carried.get((new, *path)) == (old, *path) for path in here)


def whole_columns(source: Schema, target: Schema, carried: Mapping[Path, Path]) -> dict[str, str]:
    """Old → new name of the top-level columns that are carried whole."""
    pairs = [(q[0], p[0]) for p, q in carried.items() if len(p) == len(q) == 1]
    return {str(old): str(new) for old, new in pairs if _whole_column(source, target, carried, new, old)}


# ---- layout
def _draft(source: Source, written: pa.Schema, logical: Schema, carried: Mapping[Path, Path]) -> Footer:
    """How pyarrow lays the file out. Whether decimals become integers depends on where they come from, which needs a layout."""
    plain = _empty(written.serialize().to_pybytes(), False)
    origins = leaf_origins(plain, places(plain.root, logical.record), source, carried)
    return _empty(written.serialize().to_pybytes(), True) if _whole(source, origins) else plain


def _whole(source: Source, origins: tuple[int | None, ...]) -> bool:
    return any(leaf is not None and is_whole_decimal(source.footer, leaf) for leaf in origins)


@lru_cache(maxsize=32)
def _empty(message: bytes, whole_decimals: bool) -> Footer:
    """The footer of a file without rows that pyarrow writes of an Arrow schema."""
    schema = pa.ipc.read_schema(pa.py_buffer(message))
    sink = pa.BufferOutputStream()
    try:
        pq.ParquetWriter(sink, schema, store_schema=False, store_decimal_as_integer=whole_decimals).close()
    except (pa.ArrowException, OSError) as error:
        raise SchemaError(f"Parquet cannot hold the schema: {error}", hint="Choose types that Parquet has.") from None
    data = sink.getvalue().to_pybytes()
    length = int.from_bytes(data[-8:-4], "little")
    return parse_footer(data[-8 - length : -8], _NEW)


def leaf_origins(
    drafted: Footer, new: Mapping[Path, Place], source: Source, carried: Mapping[Path, Path]
) -> tuple[int | None, ...]:
    """For each leaf of a new file, whose places are `new`, the source leaf that it is carried from."""
    found: dict[int, int] = {}
    for path, origin in carried.items():
        ours, theirs = new.get(path), source.places.get(origin)
        if ours is None or theirs is None:
            continue
        if ours.element.leaf is not None and theirs.element.leaf is not None:
            found[ours.element.leaf] = theirs.element.leaf
        if ours.key and theirs.key:
            pairs = zip(ours.key.leaves(), theirs.key.leaves(), strict=False)
            found |= {mine.leaf: source.leaf for mine, source in pairs if mine.leaf is not None and source.leaf is not None}
    return tuple(found.get(i) for i in range(len(drafted.leaves)))


def _needs_hints(source: Source, bare: Struct, arrow: pa.Schema, logical: Schema) -> bool:
    """Is an ARROW:schema to be written? Where the source had one, or where the schema cannot be read back without.

    Raises:
        SchemaError: it cannot be read back with it, either.
    """
    if ARROW_SCHEMA not in source.footer.key_values and not differences(read_back(bare), logical):
        return False
    if found := differences(read_back(with_key_values(bare, with_hints({ARROW_SCHEMA: None}, arrow))), logical):
        raise SchemaError(
            f"Parquet cannot hold {path_text(found[0].path)} as {found[0].expected}: it would be read back as {found[0].found}",
            hint=f"Take {found[0].found}, or another type that Parquet has.",
            where=Where(path=path_text(found[0].path)),
        )
    return True


def with_hints(pairs: dict[bytes, bytes | None], arrow: pa.Schema) -> dict[bytes, bytes | None]:
    """The key-values with the value of ARROW:schema, where there is that key.

    Arrow's readers take the schema's metadata from there, not from the key-values beside it, so these are repeated in it.
    """
    if ARROW_SCHEMA not in pairs:
        return pairs
    metadata = {key: value for key, value in pairs.items() if key != ARROW_SCHEMA and value is not None}
    message = arrow.with_metadata(metadata or None).serialize().to_pybytes()
    return {**pairs, ARROW_SCHEMA: base64.b64encode(message)}


def read_back(struct: Struct) -> Schema:
    """The schema that a reader finds in a footer."""
    return _read_back_of(thrift.encode(struct))


@lru_cache(maxsize=32)
def _read_back_of(data: bytes) -> Schema:
    return understood(parse_footer(data, _NEW), _NEW).logical
