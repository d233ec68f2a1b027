"""Faults in the branches of JSON unions and in JSON definitions: found between stage and prove, and nothing is published."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from authoring import Author
from stepwise import begun
from support import data_tree

from instar.formats.errors import InstarError
from instar.transforms.job import Options
from instar.transforms.migrate import abandoned_on_failure, prove, publish, stage

SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {
        "home": {"$ref": "#/$defs/Point"},
        "payload": {
            "anyOf": [{"$ref": "#/$defs/Made"}, {"$ref": "#/$defs/Gone"}, {"type": "integer"}, {"type": "string"}, {"type": "null"}]
        },
        "past": {"type": "array", "items": {"oneOf": [{"$ref": "#/$defs/Made"}, {"$ref": "#/$defs/Gone"}]}},
    },
    "required": ["home", "payload", "past"],
    "$defs": {
        "Point": {
            "type": "object",
            "properties": {"x": {"type": "integer"}, "note": {"type": ["string", "null"]}},
            "required": ["x", "note"],
        },
        "Made": {
            "type": "object",
            "properties": {
                "kind": {"const": "made"},
                "at": {"$ref": "#/$defs/Point"},
                "lines": {
                    "type": "array",
                    "items": {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]},
                },
            },
            "required": ["kind", "at", "lines"],
        },
        "Gone": {
            "type": "object",
            "properties": {"kind": {"enum": ["gone", "lost"]}, "at": {"$ref": "#/$defs/Point"}, "why": {"type": "string"}},
            "required": ["kind", "at", "why"],
        },
    },
}


def point(i: int) -> dict[str, Any]:
    return {"x": i, "note": None if i % 2 else f"n{i}"}


def made(i: int) -> dict[str, Any]:
    return {"kind": "made", "at": point(i), "lines": [{"n": n} for n in range(i % 4)], "extra": 1.5}


def gone(i: int) -> dict[str, Any]:
    return {"kind": "lost" if i % 3 else "gone", "at": point(i), "why": f"w{i}"}


ROWS = [
    {"home": point(i), "payload": [made(i), gone(i), i, f"{i}", None][i % 5], "past": [made(i + 1), gone(i)][: i % 3]}
    for i in range(11)
]
UPGRADE = """
    op.cast("<Point>.x", "string"), op.derive("<Gone>.told", "string", sql="why || at.x"),
    op.rename("<Made>.lines[].n", to="number"), op.cast("payload<integer>", "double"),
"""


# ---- what a broken rewrite could have done to the new records
def computed_in_a_branch(rows: list[Any]) -> None:
    rows[1]["payload"]["told"] += "!"


def carried_in_a_branch(rows: list[Any]) -> None:
    rows[6]["payload"]["why"] = "other"


def unregistered_in_a_branch(rows: list[Any]) -> None:
    rows[5]["payload"]["extra"] = 1.25


def key_gone_from_a_branch(rows: list[Any]) -> None:
    del rows[5]["payload"]["extra"]


def fixed_text_of_the_same_branch(rows: list[Any]) -> None:
    rows[1]["payload"]["kind"] = "gone"


def scalar_branch(rows: list[Any]) -> None:
    rows[2]["payload"] = 7


def branches_of_two_records_swapped(rows: list[Any]) -> None:
    rows[0]["payload"], rows[1]["payload"] = rows[1]["payload"], rows[0]["payload"]


def another_branch(rows: list[Any]) -> None:
    rows[3]["payload"] = 3


def null_for_a_branch(rows: list[Any]) -> None:
    rows[8]["payload"] = None


def branch_of_a_list_swapped(rows: list[Any]) -> None:
    rows[2]["past"].reverse()


def value_of_a_list_dropped(rows: list[Any]) -> None:
    del rows[2]["past"][0]


def record_dropped_from_a_list_in_a_branch(rows: list[Any]) -> None:
    del rows[10]["payload"]["lines"][0]


def value_in_a_list_in_a_branch(rows: list[Any]) -> None:
    rows[10]["payload"]["lines"][1]["number"] += 1


def one_use_of_a_shared_type(rows: list[Any]) -> None:
    rows[4]["home"]["x"] = "5"


def carried_in_one_use_of_a_shared_type(rows: list[Any]) -> None:
    rows[4]["home"]["note"] = None


def shared_type_in_a_branch(rows: list[Any]) -> None:
    rows[5]["payload"]["at"]["x"] = "6"


def shared_type_in_a_list(rows: list[Any]) -> None:
    rows[2]["past"][1]["at"]["note"] = "other"


FAULTS: dict[Callable[[list[Any]], None], str] = {
    computed_in_a_branch: "payload", carried_in_a_branch: "payload", unregistered_in_a_branch: "payload",
    key_gone_from_a_branch: "payload", fixed_text_of_the_same_branch: "payload", scalar_branch: "payload",
    branches_of_two_records_swapped: "payload", another_branch: "payload", null_for_a_branch: "payload",
    branch_of_a_list_swapped: "past", value_of_a_list_dropped: "past", record_dropped_from_a_list_in_a_branch: "payload",
    value_in_a_list_in_a_branch: "payload", one_use_of_a_shared_type: "home.x", carried_in_one_use_of_a_shared_type: "home.note",
    shared_type_in_a_branch: "payload", shared_type_in_a_list: "past",
}  # fmt: skip
"""Each with the start of the place at which it is found."""


@pytest.mark.parametrize("level", ["auto", pytest.param("full", marks=pytest.mark.slow)])
def test_every_fault_is_found(level: Any, author: Author) -> None:
    """Each is done to the same staged file, which is proved as it was in the end: the fault is what fails, not its planting."""
    adopted(author)
    with begun(author.folder, "events", Options(proof=level)) as run:
        staged = stage(run)
        file = run.folder.staged("events.ndjson")
        right = file.read_bytes()
        for fault, place in FAULTS.items():
            damage(file, fault)
            with pytest.raises(InstarError) as failure:
                prove(staged)
            told = [str(error) for error in (failure.value, *getattr(failure.value, "errors", ()))]
            assert "proof failed" in told[0], (fault.__name__, told)
            assert any(place in text.partition("events.ndjson")[2] for text in told), (fault.__name__, told)
            file.write_bytes(right)
        assert prove(staged).proof.verdict == "proved"


@pytest.mark.parametrize("level", ["auto", "full"])
def test_what_is_found_is_not_published(level: Any, author: Author) -> None:
    adopted(author)
    before = data_tree(author.folder / "data")
    with pytest.raises(InstarError):
        upgraded(author.folder, level, computed_in_a_branch)
    assert data_tree(author.folder / "data") == before
    upgraded(author.folder, level, lambda rows: None)
    assert data_tree(author.folder / "data") != before


def adopted(author: Author) -> None:
    file = author.data("events") / "events.ndjson"
    file.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    (author.folder / "events.schema.json").write_text(json.dumps(SCHEMA))
    author.do("init")
    author.do("register", "events", "events.schema.json")
    author.adopt("events")
    author.step("events", UPGRADE)


def upgraded(folder: Path, level: Any, fault: Callable[[list[Any]], None]) -> None:
    """One upgrade, step by step, with `fault` done to the staged records, which keep their spelling."""
    with begun(folder, "events", Options(proof=level)) as run, abandoned_on_failure(run):
        staged = stage(run)
        damage(run.folder.staged("events.ndjson"), fault)
        publish(prove(staged))


def damage(file: Path, fault: Callable[[list[Any]], None]) -> None:
    lines = file.read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    fault(rows)
    kept = [line if json.loads(line) == row else json.dumps(row) for line, row in zip(lines, rows, strict=True)]
    file.write_text("".join(f"{line}\n" for line in kept))
