"""op.add where records of an NDJSON file have a key of the new field's name: refused as a whole, or replaced when told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from authoring import Author
from support import data_tree

RECORDS: list[dict[str, Any]] = [
    {"id": 1, "r": {"a": 1}, "items": [{"p": 1}, {"p": 2}]},
    {"id": 2, "r": {"a": 2, "k": {"deep": [None]}}, "items": [{"p": 3, "k": "old"}], "k": "old", "note": "stays"},
    {"id": 3, "r": {"a": 3}, "items": [], "k": None},
]


def adopted(author: Author) -> Path:
    """Files of version 1, of which some records have keys that its schema does not name."""
    file = author.data("events") / "events.ndjson"
    file.write_text('{"id": 1, "r": {"a": 1}, "items": [{"p": 1}]}\n', encoding="utf-8")
    author.adopt("events")
    file.write_text("".join(json.dumps(record) + "\n" for record in RECORDS), encoding="utf-8")
    author.do("stamp", "events", "1")
    return file


def records(file: Path) -> list[Any]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def new(record: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    match path:
        case "r.k":
            return {**record, "r": {**record["r"], "k": value}}
        case "items[].k":
            return {**record, "items": [{**item, "k": value} for item in record["items"]]}
    return {**record, "k": value}


def without(record: dict[str, Any], path: str) -> dict[str, Any]:
    def less(of: dict[str, Any]) -> dict[str, Any]:
        return {key: v for key, v in of.items() if key != "k"}

    match path:
        case "r.k":
            return {**record, "r": less(record["r"])}
        case "items[].k":
            return {**record, "items": [less(item) for item in record["items"]]}
    return less(record)


@pytest.mark.parametrize("path", ["k", "r.k", "items[].k"])
@pytest.mark.parametrize("more", ["", ', existing="fail"'])
def test_the_run_fails_and_nothing_changes(path: str, more: str, author: Author):
    file = adopted(author)
    author.step("events", f'op.add("{path}", "int32", default=7{more})')
    before = data_tree(file.parent)
    error = author.refused("upgrade", "events")
    assert "events.ndjson" in error["message"]
    assert "has the key k, which no schema names" in error["message"]
    assert 'existing="replace"' in error["hint"]
    assert data_tree(file.parent) == before


@pytest.mark.parametrize("path", ["k", "r.k", "items[].k"])
@pytest.mark.parametrize("given", ["default=7", 'default_sql="3 + 4", nullable=False'])
def test_the_value_gives_way_where_the_script_says_so(path: str, given: str, author: Author):
    file = adopted(author)
    author.step("events", f'op.add("{path}", "int32", {given}, existing="replace")')
    author.do("upgrade", "events")
    assert records(file) == [new(record, path, 7) for record in RECORDS]
    assert author.do("verify", "events")


def test_check_says_what_the_way_back_loses_and_downgrade_brings_the_rest(author: Author):
    file = adopted(author)
    author.step("events", 'op.add("k", "int32", default=7, existing="replace")')
    (step,) = author.do("check", "events")["subjects"]["events"]
    assert "a key of that name that no schema named" in json.dumps(step["losses"])
    author.do("upgrade", "events")
    author.do("downgrade", "events", "1")
    assert records(file) == [without(record, "k") for record in RECORDS]
