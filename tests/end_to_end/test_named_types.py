"""Edits of named types in real files: every use changes at once, and back; Avro judged by fastavro, JSON by Python's own parser."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fastavro
import pytest
from authoring import Author
from support import data_tree

GEO = {"type": "record", "name": "Geo", "fields": [{"name": "lat", "type": "double"}, {"name": "name", "type": ["null", "string"]}]}
ADDRESS = {
    "type": "record",
    "name": "Address",
    "fields": [{"name": "zip", "type": "string"}, {"name": "geo", "type": GEO}, {"name": "floor", "type": ["null", "int"]}],
}
ORDER = {
    "type": "record",
    "name": "Order",
    "namespace": "com.shop",
    "fields": [
        {"name": "id", "type": "long"},
        {"name": "billing", "type": ADDRESS},
        {"name": "shipping", "type": ["null", "Address"]},
        {"name": "history", "type": {"type": "array", "items": "Address"}},
        {"name": "named", "type": {"type": "map", "values": ["null", "Address"]}},
        {"name": "origin", "type": "Geo"},
    ],
}


def geo(i: int) -> dict[str, Any]:
    return {"lat": i / 2, "name": None if i % 3 else f"place {i}"}


def address(i: int) -> dict[str, Any]:
    return {"zip": f"{10000 + i}", "geo": geo(i), "floor": None if i % 2 else i}


ROWS = [
    {
        "id": i,
        "billing": address(i),
        "shipping": None if i % 4 == 0 else address(i + 1),
        "history": [address(i + j) for j in range(i % 3)],
        "named": {"home": address(i), "none": None} if i % 2 else {},
        "origin": geo(i),
    }
    for i in range(9)
]
ADDRESSES = 'op.rename("<Address>.zip", to="code"), op.cast("<Address>.code", "int64"), op.drop("<Address>.floor"), '
GEOS = 'op.add("<Geo>.kind", "string", default="point"), op.derive("<Geo>.twice", "double", sql="lat * 2"), '
SQL = 'op.derive("places", "int64", sql="len(history) + coalesce(shipping.code, billing.code)"), '
REST = 'op.require("<com.shop.Geo>.name", fill="?"), op.move("<Address>.code", to="<Address>.post.code")'
UPGRADE = ADDRESSES + GEOS + SQL + REST


def new_geo(old: dict[str, Any]) -> dict[str, Any]:
    return {"lat": old["lat"], "name": old["name"] or "?", "kind": "point", "twice": old["lat"] * 2}


def new_address(old: dict[str, Any] | None) -> dict[str, Any] | None:
    return old and {"geo": new_geo(old["geo"]), "post": {"code": int(old["zip"])}}


def upgraded(row: dict[str, Any]) -> dict[str, Any]:
    code = int((row["shipping"] or row["billing"])["zip"])
    return {
        "id": row["id"],
        "billing": new_address(row["billing"]),
        "shipping": new_address(row["shipping"]),
        "history": [new_address(a) for a in row["history"]],
        "named": {k: new_address(a) for k, a in row["named"].items()},
        "origin": new_geo(row["origin"]),
        "places": len(row["history"]) + code,
    }


def downgraded(row: dict[str, Any]) -> dict[str, Any]:
    """What comes back: floors are restored by the script as 7, names that were null are "?" unless told."""

    def place(old: dict[str, Any]) -> dict[str, Any]:
        return {"lat": old["lat"], "name": old["name"] or "?"}

    def back(old: dict[str, Any] | None) -> dict[str, Any] | None:
        return old and {"zip": old["zip"], "geo": place(old["geo"]), "floor": 7}

    return {
        "id": row["id"],
        "billing": back(row["billing"]),
        "shipping": back(row["shipping"]),
        "history": [back(a) for a in row["history"]],
        "named": {k: back(a) for k, a in row["named"].items()},
        "origin": place(row["origin"]),
    }


def write_avro(path: Path) -> None:
    with path.open("wb") as file:
        fastavro.writer(file, fastavro.parse_schema(copy.deepcopy(ORDER)), ROWS, codec="deflate")


def read_avro(path: Path) -> list[Any]:
    with path.open("rb") as file:
        return list(fastavro.reader(file))


JSON_SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {
        "id": {"type": "integer", "format": "int64"},
        "billing": {"$ref": "#/$defs/Address"},
        "shipping": {"anyOf": [{"$ref": "#/$defs/Address"}, {"type": "null"}]},
        "history": {"type": "array", "items": {"$ref": "#/$defs/Address"}},
        "named": {
            "type": "object",
            "additionalProperties": {"anyOf": [{"$ref": "#/$defs/Address"}, {"type": "null"}]},
        },
        "origin": {"$ref": "#/$defs/com.shop.Geo"},
    },
    "required": ["id", "billing", "shipping", "history", "named", "origin"],
    "$defs": {
        "Address": {
            "type": "object",
            "properties": {
                "zip": {"type": "string"},
                "geo": {"$ref": "#/$defs/com.shop.Geo"},
                "floor": {"type": ["integer", "null"]},
            },
            "required": ["zip", "geo", "floor"],
        },
        "com.shop.Geo": {
            "type": "object",
            "properties": {"lat": {"type": "number", "format": "double"}, "name": {"type": ["string", "null"]}},
            "required": ["lat", "name"],
        },
    },
}


def write_json(path: Path) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))


def read_json(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]


FORMATS: dict[str, tuple[str, Callable[[Path], None], Callable[[Path], list[Any]]]] = {
    "avro": ("orders.avro", write_avro, read_avro),
    "json": ("orders.ndjson", write_json, read_json),
}


@pytest.mark.parametrize("level", ["auto", "full"])
@pytest.mark.parametrize("format", sorted(FORMATS))
def test_every_use_is_upgraded_proved_and_brought_back(format: str, level: str, author: Author) -> None:
    name, write, read = FORMATS[format]
    file = author.data("orders") / name
    write(file)
    before = data_tree(author.folder / "data")
    if format == "json":
        (author.folder / "orders.schema.json").write_text(json.dumps(JSON_SCHEMA))
        author.do("init")
        author.do("register", "orders", "orders.schema.json")
    author.adopt("orders")
    author.step("orders", UPGRADE, '{"<Address>.floor": "7"}')
    answer = author.do("upgrade", "orders", "--proof", level)
    assert answer["proof"]["verdict"] == "proved", answer["proof"]
    assert read(file) == [upgraded(row) for row in ROWS]
    author.do("downgrade", "orders", "1")
    assert read(file) == [downgraded(row) for row in ROWS]
    author.do("rollback", "orders")
    author.do("rollback", "orders")
    assert data_tree(author.folder / "data") == before


PLACE = {"type": "record", "name": "Place", "fields": [{"name": "lat", "type": "int"}]}
WAY = {
    "type": "record",
    "name": "Way",
    "fields": [{"name": "start", "type": PLACE}, {"name": "k", "type": "int"}, {"name": "end", "type": "Place"}],
}


@pytest.mark.parametrize(
    "change",
    [
        'op.reorder(["end"], at="<Way>")',
        'op.drop("<Way>.start")',
        'op.move("<Way>.start", to="<Way>.from.place")',
        'op.cast("<Place>.lat", "int64"), op.reorder(["back"]), op.reorder(["k"], at="<Way>")',
    ],
)
def test_another_use_of_a_type_inside_a_type_may_come_to_define_it(change: str, author: Author) -> None:
    fields = [{"name": "out", "type": copy.deepcopy(WAY)}, {"name": "back", "type": "Way"}]
    way = {"start": {"lat": 1}, "k": 2, "end": {"lat": 3}}
    file = author.data("trips") / "trips.avro"
    with file.open("wb") as out:
        fastavro.writer(
            out, fastavro.parse_schema({"type": "record", "name": "Trip", "fields": fields}), [{"out": way, "back": way}]
        )
    author.adopt("trips")
    author.step("trips", change)
    assert author.do("upgrade", "trips", "--proof", "full")["proof"]["verdict"] == "proved"
    with file.open("rb") as made:
        records: list[Any] = list(fastavro.reader(made))
    (record,) = records
    assert record["out"] == record["back"]
    assert (record["out"]["k"], record["out"]["end"]) == (2, {"lat": 3})
