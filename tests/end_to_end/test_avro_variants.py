"""Avro files of one structure and different storage: each keeps its own, and their values come out the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import fastavro
from support import Answer

ROWS = [
    {"u": {"d": Decimal("1.25"), "n": 3}, "l": [1, 2], "k": 1},
    {"u": "text", "l": [], "k": 2},
    {"u": None, "l": [5], "k": 3},
]


def schema(decimal: dict[str, Any], nullable: list[str], items: Any) -> dict[str, Any]:
    inner = {"type": "record", "name": "P", "fields": [{"name": "d", "type": decimal}, {"name": "n", "type": nullable}]}
    fields = [
        {"name": "u", "type": ["null", inner, "string"]},
        {"name": "l", "type": {"type": "array", "items": items}},
        {"name": "k", "type": "int"},
    ]
    return {"type": "record", "name": "R", "fields": fields}


def test_storage_stays_and_nullability_becomes_the_registered_one(tmp_path: Path, instar: Callable[..., Answer]) -> None:
    logical = {"logicalType": "decimal", "precision": 6, "scale": 2}
    schemas = {
        "a": schema({"type": "bytes", **logical}, ["null", "int"], ["null", "long"]),
        "b": schema({"type": "fixed", "size": 4, "name": "F", **logical}, ["int", "null"], "long"),
    }
    data = tmp_path / "data"
    data.mkdir()
    for name, document in schemas.items():
        with (data / f"{name}.avro").open("wb") as file:
            fastavro.writer(file, fastavro.parse_schema(json.loads(json.dumps(document))), ROWS)
    assert instar("init", "--from", "data", "--name", "x", at=tmp_path).code == 0
    folder = tmp_path / "migrations" / "x"
    folder.mkdir(parents=True)
    (folder / "0002_key.py").write_text(
        '"""Key."""\nfrom instar import op\n'
        'upgrade = [op.rename("k", to="key"), op.cast("key", "int64"), op.cast("u<P>.n", "int64")]\n'
    )
    assert instar("register", "x", at=tmp_path).code == 0
    answer = instar("upgrade", "x", "--json", at=tmp_path)
    assert answer.code == 0, answer.out
    assert answer.json["proof"]["verdict"] == "proved"
    kinds = {}
    for name in schemas:
        with (data / f"{name}.avro").open("rb") as file:
            reader = fastavro.reader(file)
            header = json.loads(reader.metadata["avro.schema"])
            assert list(reader) == [{"u": row["u"], "l": row["l"], "key": row["k"]} for row in ROWS]
        u, items, key = header["fields"]
        kinds[name] = u["type"][1]["fields"][0]["type"]["type"]
        assert items["type"]["items"] == ["null", "long"]
        assert key["type"] == "long"
    assert kinds == {"a": "bytes", "b": "fixed"}
