"""Real migrations of one file each, whose staged form is there to be corrupted: three or four of each format.

All have nested records, lists and maps, dates, times and timestamps with zones and without, decimals, doubles with both zeros, text
with accents, and nulls. They differ in what is copied, what is computed, and in how their writer stored it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from instar import op
from instar.formats.schema import Bool, Enum, Field, Float, Int, Integer, List, Map, Record, Schema, String
from instar.formats.schema import Number as AnyNumber
from instar.transforms.run.unit import Receipt, Unit
from tests.mutations import avro_container, json_text
from tests.mutations.arrow_values import array_of, values_of
from tests.mutations.neutral import Number, Pairs
from tests.transforms.proof.conftest import staged_at

ROWS, TOGETHER = 60, 25
WORDS = ["Zürich", "São Paulo", "e\u0301te\u0301", "naïve", "plain", "", "l'été", "日本", "Ærø", "x y"]
ZEROS = [0.0, -0.0, 1.5, -2.25, 1e300, 5e-324, 0.1, float("inf"), 3.0]


@dataclass(frozen=True)
class Scene:
    """A file that was migrated, and how records are read from such a file and written to one, not by the migration's means."""

    name: str
    unit: Unit
    receipt: Receipt
    read: Callable[[Path], list[Any]]
    write: Callable[[Path, Sequence[Any]], None]

    @property
    def staged(self) -> Path:
        return Path(self.unit.staged)

    @property
    def root(self) -> Field:
        """The target's record."""
        return self.unit.mapping.target.root

    @cached_property
    def records(self) -> list[Any]:
        """Those of the staged file."""
        return self.read(self.staged)


def scenes(format: str, folder: Path) -> list[Scene]:
    make = {"parquet": _parquet, "avro": _avro, "json": _json}[format]
    for number in range(3):
        (folder / str(number) / "stage").mkdir(parents=True)
    return [make(folder / str(number), number) for number in range(3)]


# ---- what is done to each of them
RENAMES = [op.rename("code", to="kind_of"), op.rename("user.login", to="handle")]
SOME = [*RENAMES, op.add("currency", "string", default="EUR"), op.cast("count", "string"), op.drop("gone")]
DEEP = [
    *SOME,
    op.cast("items[].n", "string"),
    op.cast("user.age", "string"),
    op.cast("counts{}", "string"),
    op.rename("user.home.zip", to="code"),
]


def operations(number: int) -> list[Any]:
    return [RENAMES, SOME, DEEP][number]


# ---- Parquet
_HOME = pa.struct([("zip", pa.string()), ("no", pa.int32())])
_ITEM = pa.struct([("n", pa.int64()), ("t", pa.string()), ("price", pa.float64())])
COLUMNS: dict[str, pa.DataType] = {
    "id": pa.int64(), "count": pa.int32(), "other": pa.int32(), "code": pa.int64(), "gone": pa.string(), "ratio": pa.float64(),
    "weight": pa.float32(), "amount": pa.decimal128(18, 4), "big": pa.decimal128(38, 10), "name": pa.string(),
    "note": pa.string(), "raw": pa.binary(), "flag": pa.bool_(), "day": pa.date32(), "clock": pa.time64("us"),
    "at": pa.timestamp("us", "UTC"), "paris": pa.timestamp("ms", "Europe/Paris"), "local": pa.timestamp("ms"),
    "nanos": pa.timestamp("ns"), "took": pa.duration("us"), "small": pa.uint8(), "wide": pa.uint64(),
    "tags": pa.list_(pa.string()), "scores": pa.list_(pa.float64()), "items": pa.list_(_ITEM),
    "counts": pa.map_(pa.string(), pa.int64()), "labels": pa.map_(pa.string(), pa.string()),
    "user": pa.struct([("login", pa.string()), ("age", pa.int32()), ("home", _HOME), ("seen", pa.timestamp("us", "UTC"))]),
}  # fmt: skip


def _parquet(folder: Path, number: int) -> Scene:
    chance = random.Random(f"parquet {number}")
    schema = pa.schema([pa.field(name, type, nullable=name not in ("id", "other")) for name, type in COLUMNS.items()])
    columns = [array_of([_value(f.type, chance, f.nullable) for _ in range(ROWS)], f.type) for f in schema]
    options: dict[str, Any] = [
        {"compression": "zstd"},
        {"compression": "none", "use_dictionary": False, "write_page_checksum": True, "data_page_version": "2.0"},
        {"compression": "snappy", "write_page_index": True},
    ][number]
    source = folder / "data.parquet"
    pq.write_table(pa.table(columns, schema=schema), source, row_group_size=TOGETHER, **options)
    unit, receipt = staged_at(folder / "stage" / source.name, source, "parquet", operations(number))
    staged = pq.ParquetFile(unit.staged).schema_arrow

    def read(path: Path) -> list[Any]:
        table = pq.ParquetFile(path, page_checksum_verification=True).read()
        columns = [values_of(column.combine_chunks()) for column in table.columns]
        return [dict(zip(table.column_names, row, strict=True)) for row in zip(*columns, strict=True)]

    def write(path: Path, records: Sequence[Any]) -> None:
        arrays = [array_of([record[f.name] for record in records], f.type) for f in staged]
        pq.write_table(pa.table(arrays, schema=staged), path, row_group_size=TOGETHER, **options)

    return Scene(f"parquet {number}", unit, receipt, read, write)


def _value(type: pa.DataType, chance: random.Random, nullable: bool = True) -> Any:
    """A value of an Arrow type, null now and then."""
    if nullable and chance.random() < 0.15:
        return None
    if pa.types.is_struct(type):
        return {type.field(i).name: _value(type.field(i).type, chance) for i in range(type.num_fields)}
    if pa.types.is_map(type):
        keys = chance.sample(["a", "b", "é", "long key", ""], chance.randint(0, 4))
        return Pairs((key, _value(type.item_type, chance)) for key in keys)
    if pa.types.is_list(type):
        return [_value(type.value_type, chance) for _ in range(chance.randint(0, 4))]
    return _scalar(type, chance)


def _scalar(type: pa.DataType, chance: random.Random) -> Any:
    if pa.types.is_floating(type):
        value = chance.choice([*ZEROS, chance.gauss(0, 100)])
        return pa.scalar(min(value, 1e38) if type == pa.float32() else value, type).as_py()
    if pa.types.is_decimal(type):
        return Decimal(chance.randint(-(10**16), 10**16)).scaleb(-type.scale)
    if pa.types.is_string(type):
        return chance.choice(WORDS) + chance.choice(["", str(chance.randint(0, 9))])
    if pa.types.is_binary(type):
        return chance.randbytes(chance.randint(0, 6))
    if pa.types.is_boolean(type):
        return chance.random() < 0.5
    if pa.types.is_time(type):
        return chance.randint(0, 86_399_999_999)
    if pa.types.is_timestamp(type):
        return chance.randint(1_500_000_000, 1_800_000_000) * {"ms": 10**3, "us": 10**6, "ns": 10**9}[type.unit] + chance.randint(
            0, 999
        )
    if pa.types.is_duration(type):
        return chance.randint(-(10**9), 10**9)
    if pa.types.is_date(type):
        return chance.randint(10_000, 20_000)
    return chance.randint(0, 200) if pa.types.is_unsigned_integer(type) else chance.randint(-1000, 1000)


# ---- Avro
def _optional(type: Any) -> Any:
    return ["null", type]


def _logical(base: str, logical: str, **more: Any) -> dict[str, Any]:
    return {"type": base, "logicalType": logical, **more}


_AVRO_HOME = {
    "type": "record",
    "name": "Home",
    "fields": [{"name": "zip", "type": "string"}, {"name": "no", "type": _optional("int")}],
}
_AVRO_USER = {
    "type": "record", "name": "User", "fields": [
        {"name": "login", "type": "string"}, {"name": "age", "type": _optional("int")},
        {"name": "home", "type": _optional(_AVRO_HOME)},
        {"name": "seen", "type": _logical("long", "timestamp-micros")},
    ],
}  # fmt: skip
_AVRO_ITEM = {
    "type": "record", "name": "Item",
    "fields": [{"name": "n", "type": "long"}, {"name": "t", "type": _optional("string")}, {"name": "price", "type": "double"}],
}  # fmt: skip
AVRO: dict[str, Any] = {
    "id": "long", "count": _optional("int"), "other": _optional("int"), "code": "long", "gone": "string",
    "ratio": _optional("double"),
    "weight": "float", "amount": _logical("bytes", "decimal", precision=18, scale=4),
    "exact": {"type": "fixed", "name": "Exact", "size": 8, "logicalType": "decimal", "precision": 18, "scale": 2},
    "name": "string", "note": ["string", "null"], "raw": "bytes", "flag": "boolean", "day": _optional(_logical("int", "date")),
    "clock": _logical("long", "time-micros"), "at": _logical("long", "timestamp-micros"),
    "later": _logical("long", "timestamp-micros"),
    "local": _optional(_logical("long", "local-timestamp-millis")), "uid": _logical("string", "uuid"),
    "sort": {"type": "enum", "name": "Sort", "symbols": ["A", "B", "C"]}, "hash": {"type": "fixed", "name": "Hash", "size": 4},
    "tags": {"type": "array", "items": "string"}, "scores": {"type": "array", "items": _optional("double")},
    "items": _optional({"type": "array", "items": _AVRO_ITEM}), "counts": {"type": "map", "values": "long"},
    "labels": {"type": "map", "values": _optional("string")}, "user": _optional(_AVRO_USER),
    "payload": ["null", "int", "long", "string", _AVRO_HOME | {"name": "Place"}],
}  # fmt: skip


def _avro(folder: Path, number: int) -> Scene:
    from instar.formats.format import format_named

    chance = random.Random(f"avro {number}")
    document = {"type": "record", "name": "Event", "fields": [{"name": name, "type": type} for name, type in AVRO.items()]}
    source, codec = folder / "data.avro", ["null", "deflate", "null"][number]
    avro_container.created(source, document, _NOTHING, [], codec, TOGETHER)
    schema = format_named("avro").inspect(source).schema
    assert schema is not None
    records = [{name: _stored(type, chance) for name, type in AVRO.items()} for _ in range(ROWS)]
    avro_container.created(source, document, schema.root, records, codec, TOGETHER)
    unit, receipt = staged_at(folder / "stage" / source.name, source, "avro", operations(number))
    target, staged = unit.mapping.target.root, Path(unit.staged)
    return Scene(
        f"avro {number}", unit, receipt, lambda path: avro_container.read(path, target),
        lambda path, records: avro_container.write(path, staged, target, records, TOGETHER),
    )  # fmt: skip


_NOTHING = Field("", Record(()))


def _stored(type: Any, chance: random.Random) -> Any:
    """A value as Avro stores it."""
    if isinstance(type, list):
        real = [branch for branch in type if branch != "null"]
        if chance.random() < 0.15:
            return None
        number = chance.randrange(len(real))
        return _stored(real[0], chance) if len(real) == 1 else {f"b{number}": _stored(real[number], chance)}
    if isinstance(type, str):
        return _plain_stored(type, chance)
    match type:
        case {"type": "record"}:
            return {f["name"]: _stored(f["type"], chance) for f in type["fields"]}
        case {"type": "array"}:
            return [_stored(type["items"], chance) for _ in range(chance.randint(0, 4))]
        case {"type": "map"}:
            keys = chance.sample(["a", "b", "é", "long key", ""], chance.randint(0, 4))
            return Pairs((key, _stored(type["values"], chance)) for key in keys)
        case {"type": "enum"}:
            return chance.choice(type["symbols"])
        case {"logicalType": "decimal"}:
            size = type.get("size", 8)
            return chance.randint(-(10**16), 10**16).to_bytes(size, "big", signed=True)
        case {"type": "fixed"}:
            return chance.randbytes(type["size"])
        case {"logicalType": "uuid"}:
            return f"{chance.getrandbits(32):08x}-0000-4000-8000-{chance.getrandbits(48):012x}"
        case {"logicalType": "date"}:
            return chance.randint(10_000, 20_000)
        case {"logicalType": "time-micros"}:
            return chance.randint(0, 86_399_999_999)
        case {"logicalType": logical}:
            return chance.randint(1_500_000_000, 1_800_000_000) * (10**6 if logical.endswith("micros") else 10**3) + chance.randint(
                0, 999
            )
    raise TypeError(type)


def _plain_stored(type: str, chance: random.Random) -> Any:
    arrow = {"long": pa.int64(), "int": pa.int32(), "double": pa.float64(), "float": pa.float32(), "string": pa.string(),
             "bytes": pa.binary(), "boolean": pa.bool_()}  # fmt: skip
    return _scalar(arrow[type], chance)


# ---- JSON
def _field(name: str, type: Any, *, nullable: bool = True, optional: bool = True) -> Field:
    return Field(name, type, nullable=nullable, optional=optional)


def _record(**fields: Any) -> Record:
    return Record(tuple(_field(name, type) for name, type in fields.items()))


JSON = Record((
    Field("id", Integer()),
    *_record(
        count=Int(64), other=Int(64), code=Integer(), gone=String(), ratio=AnyNumber(), weight=Float(64), amount=AnyNumber(),
        name=String(), note=String(), flag=Bool(), sort=Enum(("A", "B", "C")), at=String(),
        tags=List(_field("item", String(), optional=False)), scores=List(_field("item", AnyNumber(), optional=False)),
        items=List(_field("item", _record(n=Int(64), t=String(), price=AnyNumber()), optional=False)),
        counts=Map(_field("value", Int(64), optional=False)), labels=Map(_field("value", String(), optional=False)),
        user=_record(login=String(), age=Int(64), home=_record(zip=String(), no=Integer())),
    ).fields,
))  # fmt: skip
TEXTS = ["1.0", "1", "1e2", "100", "-0.0", "0", "1.10", "0.1", "12345678901234567890123", "2.5E-3", "-7", "3.14159"]


def _json(folder: Path, number: int) -> Scene:
    chance = random.Random(f"json {number}")
    records = [_spelled(Field("", JSON), chance, row) for row in range(ROWS)]
    source = folder / "data.ndjson"
    json_text.write(source, records)
    if number == 2:
        source.write_text("[\n" + ",\n".join(map(json_text.text, records)) + "\n]\n")
    schema = Schema(Field("", JSON), open=True)
    unit, receipt = staged_at(folder / "stage" / source.name, source, "json", operations(number), schema)
    target = unit.mapping.target.root
    array = number == 2
    return Scene(
        f"json {number}", unit, receipt, lambda path: json_text.read(path, target, array=array),
        lambda path, records: json_text.write(path, records, array=array),
    )  # fmt: skip


def _spelled(field: Field, chance: random.Random, row: int) -> Any:
    """A value of JSON, null or not there now and then, with keys that no schema names."""
    if field.nullable and chance.random() < 0.1:
        return None
    match field.type:
        case Record(fields):
            found = {f.name: _spelled(f, chance, row) for f in fields if not f.optional or chance.random() < 0.9}
            if chance.random() < 0.3:
                found["unknown"] = {"deep": [Number("1.50"), "é", None]}
            names = list(found)
            chance.shuffle(names)
            return {name: found[name] for name in names}
        case List(item):
            return [_spelled(item, chance, row) for _ in range(chance.randint(0, 4))]
        case Map(inner):
            return Pairs(
                (key, _spelled(inner, chance, row)) for key in chance.sample(["a", "b", "é", "long key", ""], chance.randint(0, 4))
            )
        case Int():
            return Number(chance.randint(-1000, 1000))
        case Integer():
            return Number(chance.choice([row, 10**22 + row]))
        case AnyNumber() | Float():
            return Number(chance.choice([text for text in TEXTS if len(text) < 20 or isinstance(field.type, AnyNumber)]))
        case Bool():
            return chance.random() < 0.5
        case Enum(symbols):
            return chance.choice(symbols)
        case _:
            return chance.choice(WORDS) + chance.choice(["", str(chance.randint(0, 9))])
