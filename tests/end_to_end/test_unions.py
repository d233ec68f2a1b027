"""Edits inside the branches of unions in real files: upgraded, proved, brought back; judged by fastavro and Python's own parser."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import fastavro
import pytest
from authoring import Author
from support import data_tree

LINE = {"type": "record", "name": "Line", "fields": [{"name": "sku", "type": "string"}, {"name": "n", "type": ["null", "int"]}]}
CREATED = {
    "type": "record",
    "name": "Created",
    "fields": [
        {"name": "id", "type": "long"},
        {"name": "lines", "type": {"type": "array", "items": LINE}},
        {"name": "by", "type": ["null", "string"]},
    ],
}
DELETED = {
    "type": "record",
    "name": "Deleted",
    "fields": [
        {"name": "id", "type": "long"},
        {"name": "line", "type": ["null", "Line"]},
        {"name": "why", "type": ["int", "string"]},
    ],
}
EVENT = {
    "type": "record",
    "name": "Event",
    "namespace": "com.shop",
    "fields": [
        {"name": "at", "type": "long"},
        {"name": "payload", "type": ["null", CREATED, "string", DELETED, "double"]},
        {"name": "history", "type": {"type": "array", "items": ["Created", "null", "long"]}},
    ],
}


def line(i: int) -> dict[str, Any]:
    return {"sku": f"s{i}", "n": None if i % 2 else i}


def created(i: int) -> tuple[str, dict[str, Any]]:
    return "com.shop.Created", {"id": i, "lines": [line(i + j) for j in range(i % 3)], "by": None if i % 2 else "me"}


def deleted(i: int) -> tuple[str, dict[str, Any]]:
    return "com.shop.Deleted", {"id": i, "line": line(i) if i % 2 else None, "why": i if i % 3 else f"{i}"}


PAYLOADS: list[Any] = [created(0), None, "12", deleted(1), 2.5, created(1), deleted(2), "7", created(2), deleted(3), 4.0, None]
ROWS = [{"at": i, "payload": p, "history": [created(i), None, i][: i % 4]} for i, p in enumerate(PAYLOADS)]
UPGRADE = """
    op.rename("payload<Deleted>.id", to="number"), op.cast("payload<Deleted>.number", "string"),
    op.cast("payload<double>", "float"), op.cast("payload<string>", "int64"),
    op.cast("payload<Deleted>.why<int>", "int64"), op.add("payload<Deleted>.gone", "bool", default=True),
    op.derive("<Created>.many", "int64", sql="len(lines) * 10 + id"), op.drop("<Created>.by"),
    op.rename("<Line>.n", to="count"), op.move("payload<Deleted>.number", to="payload<Deleted>.key.number"),
    op.derive("payload<Deleted>.told", "string", sql="'no ' || key.number || coalesce(line.sku, '')"),
"""


def new_line(old: dict[str, Any] | None) -> dict[str, Any] | None:
    return old and {"sku": old["sku"], "count": old["n"]}


def new_created(old: dict[str, Any]) -> dict[str, Any]:
    return {"id": old["id"], "lines": [new_line(x) for x in old["lines"]], "many": len(old["lines"]) * 10 + old["id"]}


def upgraded(value: Any) -> Any:
    match value:
        case "com.shop.Created", old:
            return "com.shop.Created", new_created(old)
        case "com.shop.Deleted", old:
            told = f"no {old['id']}" + (old["line"]["sku"] if old["line"] else "")
            new = {"line": new_line(old["line"]), "why": old["why"], "gone": True, "key": {"number": str(old["id"])}, "told": told}
            return "com.shop.Deleted", new
        case str():
            return int(value)
    return value


def downgraded(value: Any) -> Any:
    match value:
        case "com.shop.Created", old:
            return "com.shop.Created", {**old, "by": f"{old['id']}"}
    return value


def past(values: list[Any]) -> list[Any]:
    """As fastavro reads a union with one record among its branches: its name is left out."""
    return [value[1] if isinstance(value, tuple) else value for value in values]


def read(path: Path) -> list[Any]:
    with path.open("rb") as file:
        return list(fastavro.reader(file, return_record_name=True, return_record_name_override=True))


@pytest.mark.parametrize("level", ["auto", "full"])
def test_branches_are_upgraded_proved_and_brought_back(level: str, author: Author) -> None:
    file = author.data("events") / "events.avro"
    with file.open("wb") as out:
        fastavro.writer(out, fastavro.parse_schema(copy.deepcopy(EVENT)), ROWS, codec="deflate")
    before = data_tree(author.folder / "data")
    author.adopt("events")
    author.step("events", UPGRADE, '{"<Created>.by": "CAST(id AS VARCHAR)"}')
    answer = author.do("upgrade", "events", "--proof", level)
    assert answer["proof"]["verdict"] == "proved", answer["proof"]
    changed = [
        {"at": r["at"], "payload": upgraded(r["payload"]), "history": past([upgraded(x) for x in r["history"]])} for r in ROWS
    ]
    assert read(file) == changed
    author.do("downgrade", "events", "1")
    back = [
        {"at": r["at"], "payload": downgraded(r["payload"]), "history": past([downgraded(x) for x in r["history"]])} for r in ROWS
    ]
    assert read(file) == back
    author.do("rollback", "events")
    author.do("rollback", "events")
    assert data_tree(author.folder / "data") == before


JSON_SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {
        "at": {"type": "integer"},
        "payload": {
            "anyOf": [
                {"$ref": "#/$defs/Created"},
                {"type": "string"},
                {"$ref": "#/$defs/Deleted"},
                {"type": "null"},
                {"type": "number"},
            ]
        },
        "history": {"type": "array", "items": {"oneOf": [{"$ref": "#/$defs/Created"}, {"type": "boolean"}]}},
    },
    "required": ["at", "payload", "history"],
    "$defs": {
        "Created": {
            "type": "object",
            "properties": {
                "kind": {"const": "created"},
                "id": {"type": "integer"},
                "lines": {"type": "array", "items": {"type": "string"}},
            },
            "required": ["kind", "id", "lines"],
        },
        "Deleted": {
            "type": "object",
            "properties": {"kind": {"enum": ["deleted", "purged"]}, "id": {"type": "integer"}, "why": {"type": ["string", "null"]}},
            "required": ["kind", "id"],
        },
    },
}
JSON_ROWS = [
    {"at": 1, "payload": {"kind": "created", "id": 1, "lines": ["a"], "extra": 1.50}, "history": [True]},
    {"at": 2, "payload": {"kind": "purged", "id": 2, "why": None}, "history": []},
    {"at": 3, "payload": "12", "history": [{"kind": "created", "id": 7, "lines": []}, False]},
    {"at": 4, "payload": None, "history": []},
    {"at": 5, "payload": 1.25, "history": []},
    {"at": 6, "payload": {"kind": "deleted", "id": 3}, "history": []},
]
JSON_UPGRADE = """
    op.rename("payload<Deleted>.id", to="number"), op.cast("payload<Deleted>.number", "string"),
    op.derive("<Created>.many", "int64", sql="len(lines) + id"), op.add("payload<Deleted>.gone", "bool", default=True),
    op.cast("history[]<boolean>", "string"),
"""


def json_created(old: dict[str, Any]) -> dict[str, Any]:
    return {**old, "many": len(old["lines"]) + old["id"]}


def json_upgraded(row: dict[str, Any]) -> dict[str, Any]:
    payload = row["payload"]
    if isinstance(payload, dict) and payload["kind"] == "created":
        payload = json_created(payload)
    elif isinstance(payload, dict):
        payload = {("number" if k == "id" else k): (str(v) if k == "id" else v) for k, v in payload.items()} | {"gone": True}
    history = [json_created(x) if isinstance(x, dict) else str(x).lower() for x in row["history"]]
    return {**row, "payload": payload, "history": history}


@pytest.mark.parametrize("level", ["auto", "full"])
def test_json_branches_are_told_apart_by_their_values(level: str, author: Author) -> None:
    file = author.data("events") / "events.ndjson"
    file.write_text("".join(json.dumps(row) + "\n" for row in JSON_ROWS))
    before = data_tree(author.folder / "data")
    (author.folder / "events.schema.json").write_text(json.dumps(JSON_SCHEMA))
    author.do("init")
    author.do("register", "events", "events.schema.json")
    author.adopt("events")
    author.step("events", JSON_UPGRADE)
    answer = author.do("upgrade", "events", "--proof", level)
    assert answer["proof"]["verdict"] == "proved", answer["proof"]
    assert [json.loads(line) for line in file.read_text().splitlines()] == [json_upgraded(row) for row in JSON_ROWS]
    assert '"extra": 1.5' in file.read_text().splitlines()[0]
    author.do("downgrade", "events", "1")
    assert [json.loads(line) for line in file.read_text().splitlines()] == JSON_ROWS
    author.do("rollback", "events")
    author.do("rollback", "events")
    assert data_tree(author.folder / "data") == before


def test_json_branches_that_could_no_longer_be_told_apart_are_refused(author: Author) -> None:
    file = author.data("events") / "events.ndjson"
    file.write_text("".join(json.dumps(row) + "\n" for row in JSON_ROWS))
    (author.folder / "events.schema.json").write_text(json.dumps(JSON_SCHEMA))
    author.do("init")
    author.do("register", "events", "events.schema.json")
    author.adopt("events")
    script = Path(author.do("revision", "events", "-m", "mixed")["path"])
    script.write_text('"""Mixed."""\nfrom instar import op\nupgrade = [op.drop("payload<Deleted>.kind")]\n')
    error = author.refused("register", "events", code=2)
    assert "of <Created> or of <Deleted> could no longer be told" in error["message"]
