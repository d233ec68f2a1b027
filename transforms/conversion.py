"""What a schema becomes in another format: the casts on the way, the schema that is written, and what the format cannot hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from instar.formats.avro.names import legal, legalised
from instar.formats.errors import Collected, InstarError, SchemaError, Where
from instar.formats.logical import OPTIONAL, null_is_missing
from instar.formats.path import EACH_ITEM, EACH_VALUE, Branch, Path, path_text
from instar.formats.schema import (
    MISSING,
    Decimal,
    Enum,
    Field,
    Float,
    Int,
    Integer,
    Json,
    List,
    Map,
    Number,
    Other,
    Record,
    Reference,
    Schema,
    String,
    Time,
    Timestamp,
    Type,
    Union,
    type_text,
)
from instar.transforms.mapping import Mapping as SchemaMapping
from instar.transforms.mapping import chain
from instar.transforms.operations._cast import Cast
from instar.transforms.shared_types import places

FORMATS = {"parquet": "parquet", "avro": "avro", "ndjson": "json", "json": "json"}
"""What can be converted to, and the format that it is. `json` is one array, `ndjson` one record a line."""


@dataclass(frozen=True)
class Conversion:
    """From a schema to what is written: `mapping` leads to columns that are shown as those of `target` are.

    `casts`: (path, type, type it becomes).
    """

    mapping: SchemaMapping
    target: Schema
    casts: tuple[tuple[str, str, str], ...]


def conversion(schema: Schema, format: str, *, missing: frozenset[Path] = frozenset(), name: str = "Record") -> Conversion:
    """The conversion of a schema's records to a format. `missing`: the fields that may be missing or null, of which only missing
    ones occur. `name`: of the records, in Avro.

    Raises:
        SchemaError: the format cannot hold a type or a name; Collected where there are several, all of them named.
    """
    refuse_unheld(schema, format)
    casts = tuple(_casts(schema)) if format != "json" else ()
    mapping = chain(schema, [Cast(path_text(path), to) for path, _, to in casts])
    target = Restated(format, mapping.target.definitions, missing, name).schema(mapping.target.root)
    return Conversion(mapping, target, tuple((path_text(p), type_text(a), type_text(b)) for p, a, b in casts))


def _casts(schema: Schema) -> Iterator[tuple[Path, Type, Type]]:
    """JSON's unbounded numbers, wherever they are, become the numbers that other formats compute with."""
    named = [((Branch(name),), f) for name, f in schema.definitions.items()]
    for at, start in [((), schema.root), *named]:
        for path, f in places(start, at):
            if isinstance(f.type, Integer | Number):
                yield path, f.type, Int(64) if isinstance(f.type, Integer) else Float(64)


# ---- what a format cannot hold
def refuse_unheld(schema: Schema, format: str) -> None:
    """
    Raises:
        SchemaError: the format cannot hold a type or a name; Collected where there are several.
    """
    errors: list[InstarError] = [
        SchemaError(problem, hint=hint, where=Where(path=path_text(path), found=found))
        for path, found, problem, hint in _Refusals(format, schema.definitions).of(schema)
    ]
    if len(errors) == 1:
        raise errors[0]
    if errors:
        hint = "Settle each in a migration of the source, then convert again."
        raise Collected(f"{format} cannot hold {len(errors)} things in these records", hint=hint, errors=errors)


Refusal = tuple[Path, str, str, str]


@dataclass
class _Refusals:
    """Path, type, what is wrong and what to do, for everything that the format cannot hold."""

    format: str
    definitions: Mapping[str, Field]

    def of(self, schema: Schema) -> Iterator[Refusal]:
        if not schema.record.fields and self.format == "parquet":
            yield (), "record{}", "Parquet holds no records without fields", "Add a field first (op.add)."
        for f in schema.record.fields:
            yield from self.field(f, (f.name,), ())

    def field(self, f: Field, path: Path, within: tuple[str, ...]) -> Iterator[Refusal]:
        """`within`: the named types around the field."""
        text = type_text(f.type)
        if isinstance(path[-1], str) and self.format == "avro" and not legal(path[-1]):
            hint = f"op.rename({path_text(path)!r}, to={legalised(path[-1])!r})"
            yield path, text, f"{path[-1]!r} is not a legal name in Avro, which has letters, digits and _", f"Rename it: {hint}"
        match f.type:
            case Reference(name) if name in within:
                yield path, text, f"the type {name!r} holds itself, to any depth", f"Drop it: op.drop({path_text(path)!r})."
            case Reference(name) if name in self.definitions:
                yield from self.field(self.definitions[name].with_(name=f.name), path, (*within, name))
            case Record(fields, name):
                for inner in fields:
                    yield from self.field(inner, (*path, inner.name), (*within, name) if name else within)
            case List(item):
                yield from self.field(item, (*path, EACH_ITEM), within)
            case Map(value, key):
                if key != String() and self.format != "parquet":
                    hint = "Derive a list of records with a key and a value from it, and drop it."
                    yield path, text, f"keys are {type_text(key)}, and {self.format} has string keys only", hint
                yield from self.field(value, (*path, EACH_VALUE), within)
            case _:
                yield from self.scalar(f.type, path)

    def scalar(self, type: Type, path: Path) -> Iterator[Refusal]:
        text, place = type_text(type), path_text(path)
        match type:
            case Union(branches):
                hint = f"Leave it out (op.drop({place!r})): no operation takes a value out of a branch of {len(branches)}."
                why = "unions are not written anew" if self.format == "avro" else f"{self.format} has no unions"
                yield path, text, why, hint
            case Other():
                yield path, text, f"{self.format} has no {text}", f"Drop it: op.drop({place!r})."
            case Enum(symbols) if self.format == "avro" and (odd := [s for s in symbols if not legal(s)]):
                hint = f'op.cast({place!r}, "string"), or op.map_values to symbols of letters, digits and _.'
                yield path, text, f"{odd[0]!r} is no legal symbol of an Avro enum", hint
            case Decimal(precision, scale) if self.format == "avro" and not 0 <= scale <= precision:
                yield path, text, "Avro's scale is between 0 and the precision", f'op.cast({place!r}, "decimal({precision},0)").'
            case Decimal(precision, scale) if self.format == "parquet" and (precision > 76 or not 0 <= scale <= precision):
                yield path, text, "Parquet's decimals have up to 76 digits, the scale among them", f'op.cast({place!r}, "string").'


# ---- the schema that is written
@dataclass(frozen=True)
class Restated:
    """A schema in another format's words: named types written out, docs and tags kept, storage left behind."""

    format: str
    definitions: Mapping[str, Field]
    missing: frozenset[Path] = frozenset()
    name: str = "Record"

    def schema(self, root: Field) -> Schema:
        made = self.field(root, ())
        assert isinstance(made.type, Record)
        named = made.with_(type=Record(made.type.fields, made.type.name or legalised(self.name)))
        return Schema(named, {}, self.format == "json")

    def field(self, f: Field, path: Path) -> Field:
        type = self.type(f.type, path)
        left_out = null_is_missing(f) or (f.optional and (not f.nullable or path in self.missing))
        default = f.default if type == f.type or isinstance(type, Json) is isinstance(f.type, Json) else MISSING
        if self.format == "json":
            nullable = f.nullable and not left_out
            return Field(f.name, type, nullable, f.optional or left_out, default, f.doc, f.tags)
        extra = self.extra(f.name, type, left_out)
        return Field(f.name, type, f.nullable or f.optional, False, default, f.doc, f.tags, extra)

    def extra(self, name: str, type: Type, left_out: bool) -> dict[str, object]:
        """What the format's documents say of it besides."""
        if self.format == "avro":
            return {"avro.field": {"name": name, "type": None, OPTIONAL: True}} if left_out else {}
        pairs = [[OPTIONAL, "true"]] if left_out else []
        if isinstance(type, Time | Timestamp) and type.unit == "s":
            pairs.append(["instar.type", type_text(type)])  # Parquet has no seconds
        return {"metadata": pairs} if pairs else {}

    def type(self, type: Type, path: Path) -> Type:
        match type:
            case Reference(name) if name in self.definitions:
                return self.type(self.definitions[name].type, path)
            case Record(()) if path and self.format != "json":
                return Json()
            case Record(fields, name):
                return Record(tuple(self.field(f, (*path, f.name)) for f in fields), name if self.format == "avro" else "")
            case List(item):
                return List(self.field(item, (*path, EACH_ITEM)))
            case Map(value, key):
                return Map(self.field(value, (*path, EACH_VALUE)), key)
            case Union(branches):
                return Union(tuple(self.field(b, (*path, Branch(b.name))) for b in branches))
            case _:
                return type
