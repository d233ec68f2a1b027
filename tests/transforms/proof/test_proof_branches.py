"""Faults in a union's branch and in a shared type: the proof finds each, at both levels."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fastavro
import pytest

from instar import op
from instar.transforms.proof.integrity import prove_file
from tests.transforms.proof.conftest import problems

POINT = {"type": "record", "name": "Point", "fields": [{"name": "x", "type": "int"}, {"name": "note", "type": ["null", "string"]}]}
MADE = {"type": "record", "name": "Made", "fields": [{"name": "id", "type": "int"}, {"name": "at", "type": "Point"}]}
GONE = {"type": "record", "name": "Gone", "fields": [{"name": "id", "type": "int"}, {"name": "why", "type": "string"}]}
SCHEMA = {
    "type": "record",
    "name": "Event",
    "fields": [
        {"name": "home", "type": POINT},
        {"name": "payload", "type": ["null", MADE, GONE, "int"]},
        {"name": "past", "type": {"type": "array", "items": ["Made", "Gone"]}},
    ],
}
ROWS = [
    {
        "home": {"x": i, "note": None if i % 2 else f"n{i}"},
        "payload": [("Made", {"id": i, "at": {"x": i, "note": "p"}}), ("Gone", {"id": i, "why": f"w{i}"}), i, None][i % 4],
        "past": [("Made", {"id": i, "at": {"x": 1, "note": None}}), ("Gone", {"id": i, "why": "y"})],
    }
    for i in range(8)
]
UPGRADE = [
    op.cast("<Point>.x", "string"),
    op.derive("<Gone>.told", "string", sql="why || CAST(id AS VARCHAR)"),
    op.cast("payload<int>", "int64"),
]


def home_value(rows: list[Any]) -> None:
    rows[3]["home"]["x"] = "99"


def home_carried(rows: list[Any]) -> None:
    rows[4]["home"]["note"] = "other"


def branch_computed(rows: list[Any]) -> None:
    rows[1]["payload"][1]["told"] = "other"


def branch_carried(rows: list[Any]) -> None:
    rows[5]["payload"][1]["why"] = "other"


def branch_scalar(rows: list[Any]) -> None:
    rows[2]["payload"] = 77


def shared_in_a_branch(rows: list[Any]) -> None:
    rows[4]["payload"][1]["at"]["x"] = "5"


def another_branch(rows: list[Any]) -> None:
    rows[6]["past"][0] = rows[6]["past"][1]


def no_branch(rows: list[Any]) -> None:
    rows[0]["payload"] = None


FAULTS: dict[Callable[[list[Any]], None], str] = {
    home_value: "home.x", home_carried: "home.note", branch_computed: "payload<Gone>", branch_carried: "payload<Gone>",
    branch_scalar: "payload<int64>", shared_in_a_branch: "payload<Made>", another_branch: "past", no_branch: "payload<Made>",
}  # fmt: skip


@pytest.mark.parametrize("level", ["auto", "full"])
@pytest.mark.parametrize("fault", [None, *FAULTS], ids=lambda f: f.__name__ if f else "none")
def test_a_fault_is_found(fault: Callable[[list[Any]], None] | None, level: Any, staged: Any, tmp_path: Path) -> None:
    file = tmp_path / "events.avro"
    with file.open("wb") as out:
        fastavro.writer(out, fastavro.parse_schema(copy.deepcopy(SCHEMA)), ROWS)
    unit, receipt = staged(file, "avro", UPGRADE)
    assert problems(prove_file(unit, receipt, level=level)) == {}
    new = Path(unit.staged)
    with new.open("rb") as made:
        reader = fastavro.reader(made, return_record_name=True, return_record_name_override=True)
        schema, metadata, rows = reader.writer_schema, reader.metadata, list(reader)
    if fault is not None:
        fault(rows)
    assert schema is not None
    with new.open("wb") as out:
        kept = {key: value for key, value in metadata.items() if not key.startswith("avro.")}
        fastavro.writer(out, schema, rows, metadata=kept)
    found = problems(prove_file(unit, receipt, level=level))
    assert not found if fault is None else any(path.startswith(FAULTS[fault]) for path in found), found
