"""SQL texts, cut at the fields they name and otherwise left alone."""

from __future__ import annotations

import pytest

from instar.formats.errors import MigrationError
from instar.formats.schema import Field, Float, Int, List, Record, String, Timestamp
from instar.transforms.expression import Source
from instar.transforms.sqltext import cut

RECORD = Record(
    (
        Field("distance", Float(64)),
        Field("route", Record((Field("origin", String()), Field("deep", Record((Field("er", Int(64)),))))), nullable=True),
        Field("items", List(Field("item", Record((Field("price", Float(64)),))))),
        Field("Case", Int(64)),
        Field("case", Int(64)),
        Field('a.b "c"', Int(64)),
        Field("😀 é", Int(64)),
        Field("when", Timestamp("us")),
        Field("x", Int(64)),
        Field("select", Int(64)),
        Field("100%", Int(64)),
    )
)


def parts(text: str) -> tuple[tuple[str, ...], list[str]]:
    found = cut(text, RECORD, ("at",), Int(64))
    paths = []
    for source, type in found.inputs:
        assert isinstance(source, Source)
        assert source.path[0] == "at"
        assert source.type == type
        paths.append("/".join(source.path[1:]))
    return found.pieces, paths


@pytest.mark.parametrize(
    ("text", "pieces", "paths"),
    [
        ("distance * 1.609344", ("", " * 1.609344"), ["distance"]),
        ("x", ("", ""), ["x"]),
        ("1", ("1",), []),
        ("route.origin || 'route.origin'", ("", " || 'route.origin'"), ["route/origin"]),
        ("route.deep.er+x", ("", "+", ""), ["route/deep/er", "x"]),
        ('"Case" + "case"', ("", " + ", ""), ["Case", "case"]),
        ('"a.b ""c"""/2', ("", "/2"), ['a.b "c"']),
        ('x + "😀 é" + x', ("", " + ", " + ", ""), ["x", "😀 é", "x"]),
        ('"select" % "100%" || \'%s {0}\'', ("", " % ", " || '%s {0}'"), ["select", "100%"]),
        ("items[1].price", ("", "[1].price"), ["items"]),
        ("list_transform(items, lambda e: e.price + x)", ("list_transform(", ", lambda e: e.price + ", ")"), ["items", "x"]),
        ("list_transform(items, lambda x: x.price)", ("list_transform(", ", lambda x: x.price)"), ["items"]),
        ("struct_pack(x := distance)", ("struct_pack(x := ", ")"), ["distance"]),
        ("{'x': x}", ("{'x': ", "}"), ["x"]),
        ("CASE WHEN x > 1 THEN 'x' ELSE route.origin END", ("CASE WHEN ", " > 1 THEN 'x' ELSE ", " END"), ["x", "route/origin"]),
        ("x::DECIMAL(10, 2)", ("", "::DECIMAL(10, 2)"), ["x"]),
        ('extract(year FROM "when")', ("extract(year FROM ", ")"), ["when"]),
        ("  x\n  + 1 ", ("  ", "\n  + 1 "), ["x"]),
        ("x /* of x */ + 1", ("", " /* of x */ + 1"), ["x"]),
        ("x -- of x", ("", " -- of x\n"), ["x"]),
        ("'it''s ' || x", ("'it''s ' || ", ""), ["x"]),
        ("x BETWEEN 1 AND 2", ("", " BETWEEN 1 AND 2"), ["x"]),
        ("route", ("", ""), ["route"]),
    ],
)
def test_a_text_is_cut_at_its_fields(text: str, pieces: tuple[str, ...], paths: list[str]):
    assert parts(text) == (pieces, paths)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-- nothing",
        "x; DROP TABLE x",
        "DROP TABLE x",
        "SELECT x",
        "(SELECT 1)",
        "x IN (SELECT 1)",
        "EXISTS (SELECT 1)",
        "x FROM y",
        "x, distance",
        "(x, distance)",
        "DISTINCT x",
        "x LIMIT 1",
        "x AS y",
        "x y",
        "*",
        "COLUMNS('x')",
        "route.*",
        "count(*)",
        "sum(x)",
        "list(x)",
        "first(x)",
        "x FILTER (WHERE true)",
        "sum(x) OVER ()",
        "row_number() OVER ()",
        "$1",
        "?",
        "$name",
        "#1",
        "random()",
        "uuid()",
        "current_date",
        "current_timestamp",
        "unnest(items)",
        "[y + 1 FOR y IN items]",
        "x.abs()",
        "route.origin.upper()",
        "x +",
        "(x",
        "'open",
        "PRAGMA version",
        "COPY x TO 'f'",
        "ATTACH 'f'",
        "SET threads = 1",
    ],
)
def test_what_is_not_one_scalar_expression_is_refused(text: str):
    with pytest.raises(MigrationError) as error:
        parts(text)
    assert repr(text) in str(error.value)
    assert error.value.hint


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("distnce * 2", "names distnce", "Did you mean 'distance'?"),
        ("DISTANCE * 2", "names DISTANCE", "case included"),
        ("route.orgin", "names route.orgin", "Did you mean 'origin'?"),
        ('x = "EWR"', "names EWR", "Put text in single quotes"),
        ("t.x", "names t", "There is"),
    ],
)
def test_a_name_that_is_no_field_is_refused(text: str, message: str, hint: str):
    with pytest.raises(MigrationError, match=message) as error:
        parts(text)
    assert hint in error.value.hint


def test_the_pieces_and_names_are_the_text():
    text = "coalesce(route.origin, 'x') || \"Case\" -- x"
    found = cut(text, RECORD, (), String())
    joined = found.pieces[0] + "".join(
        name + piece for name, piece in zip(["route.origin", '"Case"'], found.pieces[1:], strict=True)
    )
    assert joined == text + "\n"
