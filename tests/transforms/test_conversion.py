"""What every type becomes in every format: docs/convert.md has the table, made here."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from instar.formats.errors import Collected, SchemaError
from instar.formats.format import format_named
from instar.formats.schema import Field, Map, Record, Reference, Schema, schema, type_text
from instar.formats.typetext import parse_type
from instar.transforms.conversion import conversion

PAGE = Path(__file__).resolve().parents[2] / "docs" / "convert.md"
FORMATS = ("parquet", "avro", "json")
TYPES = (
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "integer", "number", "half", "float",
    "double", "decimal(10,2)", "decimal(50,2)",
    "string", "bytes", "fixed(4)", "date", "time(s)", "time(ms)", "time(us)", "time(ns)",
    "timestamp(s)", "timestamp(ms)", "timestamp(us)", "timestamp(ns)", "timestamp(us, UTC)", "timestamp(us, Europe/Paris)",
    "duration(us)", "uuid", "enum(a, b)", 'enum("in progress", done)', "json", "null", "list<string>", "map<string>",
    "map<int32, string>", "record{a: string}", "record{}", "union<string, int32>",
)  # fmt: skip


def outcome(text: str, format: str) -> str:
    field = Field("x", parse_type(text), nullable=text == "null")
    try:
        made = conversion(schema(field, Field("y", parse_type("int32"))), format)
    except SchemaError:
        return "refused"
    if made.casts:
        return f"cast to {made.casts[0][2]}"
    document = format_named(format).render(made.target)
    back = format_named(format).parse(document)
    assert back.record["x"].type.__class__ is made.target.record["x"].type.__class__
    return "JSON text" if text == "record{}" and format != "json" else "named" if "instar.type" in document else "yes"


def table() -> str:
    rows = {text: tuple(outcome(text, format) for format in FORMATS) for text in TYPES}
    lines = ["| type | Parquet | Avro | JSON |", "|---|---|---|---|"]
    last: tuple[list[str], tuple[str, ...]] = ([], ())
    for text, cells in [*rows.items(), ("", ("",))]:
        if cells != last[1]:
            lines += [f"| {' '.join(f'`{t}`' for t in last[0])} | {' | '.join(last[1])} |"] if last[0] else []
            last = ([], cells)
        last[0].append(text)
    return "\n".join(lines) + "\n"


def test_the_page_has_the_table() -> None:
    page = PAGE.read_text(encoding="utf-8")
    head, rest = page.split("<!-- table -->\n")
    _, tail = rest.split("<!-- end -->")
    made = f"{head}<!-- table -->\n{table()}<!-- end -->{tail}"
    if os.environ.get("INSTAR_WRITE_DOCS"):
        PAGE.write_text(made, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == made, "INSTAR_WRITE_DOCS=1 writes it anew"


def test_all_refusals_are_named_at_once_with_a_way_out() -> None:
    union = parse_type("union<string, int32>")
    deep = Record((Field("u", union), Field("m", Map(Field("value", union)))))
    given = schema(Field("a b", parse_type("list<int8>")), Field("deep", deep))
    with pytest.raises(Collected) as caught:
        conversion(given, "json")
    assert [e.where and e.where.path for e in caught.value.errors] == ["deep.u", "deep.m{}"]
    assert all(e.hint for e in caught.value.errors)
    with pytest.raises(SchemaError, match="not a legal name") as one:
        conversion(schema(given.record["a b"]), "avro")
    assert "op.rename" in one.value.hint


def test_a_type_that_holds_itself_is_refused_and_a_shared_one_is_written_out() -> None:
    point = Field("P", Record((Field("n", parse_type("integer")),), "P"))
    shared = Schema(Field("", Record((Field("a", Reference("P")), Field("b", Reference("P"), nullable=True)))), {"P": point})
    made = conversion(shared, "parquet")
    assert made.casts == (("<P>.n", "integer", "int64"),)
    assert [f.nullable for f in made.target.record.fields] == [False, True]
    assert {type_text(f.type) for f in made.target.record.fields} == {"record{n: int64}"}
    knot = Field("K", Record((Field("next", Reference("K"), nullable=True),), "K"))
    with pytest.raises(SchemaError, match="holds itself"):
        conversion(Schema(Field("", Record((Field("k", Reference("K")),))), {"K": knot}), "avro")


@pytest.mark.parametrize("format", ["parquet", "avro"])
def test_a_field_that_may_be_missing_is_marked_only_where_null_cannot_mean_null(format: str) -> None:
    optional = Field("o", parse_type("int8"), optional=True)
    both = Field("b", parse_type("int8"), nullable=True, optional=True)
    only_missing = Field("m", parse_type("int8"), nullable=True, optional=True)
    target = conversion(schema(optional, both, only_missing), format, missing=frozenset({("m",)})).target
    back = conversion(format_named(format).parse(format_named(format).render(target)), "json").target
    assert [(f.nullable, f.optional) for f in back.record.fields] == [(False, True), (True, False), (False, True)]
