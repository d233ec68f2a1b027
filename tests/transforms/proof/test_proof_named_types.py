"""Types that Avro and JSON lack, named by `instar.type`: rewritten and proved as what they are."""

from __future__ import annotations

import datetime as dt
import decimal
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import fastavro
import pytest

from instar import op
from instar.formats.format import format_named
from instar.formats.schema import Field, Int, List, Record, Reference, Schema
from instar.transforms.proof.integrity import prove_file
from tests.transforms.proof.conftest import Staged, problems

AVRO: dict[str, tuple[dict[str, Any], list[Any], str]] = {
    "int8": ({"type": "int"}, [-128, 127], "string"),
    "uint16": ({"type": "int"}, [0, 65535], "string"),
    "uint32": ({"type": "long"}, [0, 2**32 - 1], "int64"),
    "uint64": ({"type": "bytes", "logicalType": "decimal", "precision": 20, "scale": 0}, [0, 2**64 - 1], "string"),
    "half": ({"type": "float"}, [0.5, -2.0], "double"),
    "integer": ({"type": "string"}, ["0", "-12345678901234567890123"], "string"),
    "number": ({"type": "string"}, ["0", "-1.5"], "string"),
    "json": ({"type": "string"}, ["{}", "[1]"], ""),
    "time(s)": ({"type": "int"}, [0, 86399], "string"),
    "time(ns)": ({"type": "long"}, [0, 1], "string"),
    "timestamp(s)": ({"type": "long"}, [0, -1], "string"),
    "timestamp(us, Europe/Paris)": ({"type": "long", "logicalType": "timestamp-micros"}, [0, -1], "string"),
    "duration(ms)": ({"type": "long"}, [0, -1], "int64"),
}
JSON: dict[str, tuple[str, list[str], str]] = {
    "date": ("string", ['"1970-01-01"', '"9999-12-31"'], "string"),
    "time(ns)": ("string", ['"00:00:00.000000001"'], "string"),
    "timestamp(us)": ("string", ['"1969-12-31T23:59:59.999999"'], "string"),
    "timestamp(ns, UTC)": ("string", ['"1969-12-31T23:59:59.999999999Z"'], "string"),
    "uuid": ("string", ['"0f8fad5b-d9cb-469f-a165-70867728950e"'], "string"),
    "bytes": ("string", ['"AP8="', '""'], ""),
    "fixed(3)": ("string", ['"YWJj"'], "bytes"),
    "decimal(12,2)": ("number", ["1.5", "-2", "3.10"], "string"),
    "half": ("number", ["0.1", "1e1"], "double"),
    "duration(us)": ("integer", ["1", "-5"], "int64"),
}


def columns(text: str, cast: str) -> list[Any]:
    """`touched` is cast where there is a cast, `carried` is only renamed."""
    return [op.rename("carried", to="kept"), *([op.cast("touched", cast)] if cast else [])]


@pytest.mark.parametrize("text", AVRO)
def test_avro(text: str, tmp_path: Path, staged: Callable[..., Staged]) -> None:
    held, values, cast = AVRO[text]
    fields = [{"name": name, "type": ["null", {**held, "instar.type": text}]} for name in ("carried", "touched")]
    given = [decimal.Decimal(v) if text == "uint64" else v for v in values] + [None]
    path = tmp_path / "a.avro"
    with path.open("wb") as file:
        fastavro.writer(file, {"type": "record", "name": "R", "fields": fields}, [{"carried": v, "touched": v} for v in given])
    unit, receipt = staged(path, "avro", columns(text, cast))
    assert not problems(prove_file(unit, receipt, level="full"))
    with open(unit.staged, "rb") as file:
        rows: list[Any] = list(fastavro.reader(file))
    epoch = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    kept = [row["kept"] for row in rows]
    assert [(v - epoch) // dt.timedelta(microseconds=1) if isinstance(v, dt.datetime) else v for v in kept] == given
    if cast == "string" and text.startswith(("int", "uint", "num")):
        assert [row["touched"] for row in rows] == [None if v is None else str(v) for v in given]


@pytest.mark.parametrize("text", JSON)
def test_json(text: str, tmp_path: Path, staged: Callable[..., Staged]) -> None:
    kind, values, cast = JSON[text]
    properties = {name: {"type": [kind, "null"], "instar.type": text} for name in ("carried", "touched")}
    schema = format_named("json").parse(json.dumps({"type": "object", "properties": properties}))
    path = tmp_path / "a.ndjson"
    path.write_text("".join(f'{{"carried": {v}, "touched": {v}}}\n' for v in [*values, "null"]), encoding="utf-8")
    unit, receipt = staged(path, "json", columns(text, cast), schema)
    assert not problems(prove_file(unit, receipt, level="full"))
    lines = Path(unit.staged).read_text(encoding="utf-8").splitlines()
    assert [line.partition('"kept": ')[2].partition(", ")[0] for line in lines] == [*values, "null"]
    if cast == "string" and kind == "string":
        assert [json.loads(line)["touched"] for line in lines] == [*map(json.loads, values), None]


EDITS = {
    "alone": [],
    "edited before": [op.add("<p.T>.b", "string", default="x")],
    "edited after": [op.cast("<p.T>.a", "string")],
}


@pytest.mark.parametrize("level", ["auto", "full"])
@pytest.mark.parametrize("edits", EDITS)
def test_a_list_of_a_named_type_that_is_filled(
    level: Literal["auto", "full"], edits: str, tmp_path: Path, staged: Callable[..., Staged]
) -> None:
    """What it is filled with is of the type that the name stands for, as the list is."""
    named = {"type": "record", "name": "p.T", "fields": [{"name": "a", "type": "long"}]}
    fields = [{"name": "one", "type": named}, {"name": "many", "type": ["null", {"type": "array", "items": "p.T"}]}]
    path = tmp_path / "a.avro"
    with path.open("wb") as file:
        rows = [{"one": {"a": 1}, "many": None}, {"one": {"a": 2}, "many": [{"a": 3}]}]
        fastavro.writer(file, {"type": "record", "name": "R", "fields": fields}, rows)
    fill = op.require("many", fill=[])
    unit, receipt = staged(path, "avro", [fill, *EDITS[edits]] if edits == "edited after" else [*EDITS[edits], fill])
    assert prove_file(unit, receipt, level=level).failures == ()


@pytest.mark.parametrize("level", ["auto", "full"])
def test_a_list_that_is_filled_in_a_file_that_has_no_such_name(
    level: Literal["auto", "full"], tmp_path: Path, staged: Callable[..., Staged]
) -> None:
    """A type that is used once is spelled out where it is used, whatever name the migration has for it."""
    item = {"type": "record", "name": "p.T", "fields": [{"name": "a", "type": "long"}]}
    fields = [{"name": "many", "type": ["null", {"type": "array", "items": item}]}]
    path = tmp_path / "a.avro"
    with path.open("wb") as file:
        fastavro.writer(file, {"type": "record", "name": "R", "fields": fields}, [{"many": None}, {"many": [{"a": 3}]}])
    many = Field("many", List(Field("item", Reference("p.T"))), nullable=True)
    named = {"p.T": Field("", Record((Field("a", Int(64)),), "p.T"))}
    unit, receipt = staged(path, "avro", [op.require("many", fill=[])], Schema(Field("", Record((many,))), named))
    assert prove_file(unit, receipt, level=level).failures == ()
