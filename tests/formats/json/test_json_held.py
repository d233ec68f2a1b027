"""Values of types that JSON lacks: one canonical text each way, checked where a record is decoded and where a file is judged."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from instar.formats.errors import DataError
from instar.formats.json import FORMAT
from instar.formats.schema import Field, schema
from instar.formats.typetext import parse_type

GOOD: dict[str, list[tuple[Any, str]]] = {
    "date": [(0, '"1970-01-01"'), (-719162, '"0001-01-01"'), (2932896, '"9999-12-31"')],
    "time(s)": [(86399, '"23:59:59"')],
    "time(ns)": [(1, '"00:00:00.000000001"')],
    "timestamp(us)": [(-1, '"1969-12-31T23:59:59.999999"')],
    "timestamp(s, UTC)": [(0, '"1970-01-01T00:00:00Z"')],
    "timestamp(ms, Europe/Paris)": [(1, '"1970-01-01T00:00:00.001Z"')],
    "uuid": [("0f8fad5b-d9cb-469f-a165-70867728950e", '"0f8fad5b-d9cb-469f-a165-70867728950e"')],
    "bytes": [(b"", '""'), (b"\x00\xff", '"AP8="')],
    "fixed(3)": [(b"abc", '"YWJj"')],
    "decimal(5,2)": [(Decimal("1.50"), "1.50"), (Decimal("-999.99"), "-999.99"), (Decimal("0.00"), "0.00")],
    "decimal(38,0)": [(Decimal(10**38 - 1), "9" * 38)],
    "decimal(3,-2)": [(Decimal("123E2"), "12300")],
    "half": [(0.0999755859375, "0.1"), (-65504.0, "-65500.0"), (1.0, "1.0")],
    "duration(us)": [(-(2**63), str(-(2**63)))],
}
BAD: dict[str, list[str]] = {
    "date": ['"2023-02-29"', '"2023-2-9"', '"10000-01-01"', '""'],
    "time(s)": ['"24:00:00"', '"23:59:59.0"', '"23:59:60"'],
    "timestamp(us)": ['"1969-12-31T23:59:59.999999Z"', '"1969-12-31 23:59:59.999999"', '"1969-12-31T23:59:59"'],
    "timestamp(ns, UTC)": ['"1500-01-01T00:00:00.000000000Z"'],
    "uuid": ['"0f8fad5bd9cb469fa16570867728950e"', '"x"'],
    "bytes": ['"AP8"', '"A P8="', '"AP9="', '"é"'],
    "fixed(3)": ['"YWI="'],
    "decimal(5,2)": ["1.234", "1000", "-0.0"],
    "half": ["65520", "0.123456789"],
    "duration(us)": ["1.5", str(2**63)],
}


@pytest.mark.parametrize("text", GOOD)
def test_values_have_one_text_each_way(text: str) -> None:
    field = Field("f", parse_type(text), nullable=True)
    access = FORMAT.values(schema(field), schema(field))
    for value, written in GOOD[text]:
        assert bytes(access.encoder(field)(value)).decode() == written
        back = access.decoder(field)(written.encode())
        assert back == value
        assert str(back) == str(value)


@pytest.mark.parametrize("text", BAD)
def test_other_texts_are_data_errors(text: str) -> None:
    field = Field("f", parse_type(text))
    decode = FORMAT.values(schema(field), schema(field)).decoder(field)
    for written in BAD[text]:
        with pytest.raises(DataError) as error:
            decode(written.encode())
        assert (error.value.where and error.value.where.expected) == text


@pytest.mark.parametrize(
    ("text", "value"), [("date", 10**9), ("decimal(5,2)", 1.5), ("decimal(5,2)", Decimal("0.001")), ("half", 0.1),
                        ("half", float("nan")), ("fixed(3)", b"ab"), ("bytes", "ab"), ("uuid", "x"), ("duration(s)", 2**63)]
)  # fmt: skip
def test_values_that_have_no_text_are_data_errors(text: str, value: Any) -> None:
    field = Field("f", parse_type(text))
    with pytest.raises(DataError):
        FORMAT.values(schema(field), schema(field)).encoder(field)(value)


@pytest.mark.parametrize("text", BAD)
def test_a_file_is_judged_by_the_named_types(text: str, tmp_path: Path) -> None:
    given = FORMAT.parse(FORMAT.render(schema(Field("f", parse_type(text), nullable=True))))
    path = tmp_path / "a.ndjson"
    good = [written for _, written in GOOD.get(text, [])]
    path.write_text("".join(f'{{"f": {written}}}\n' for written in [*good, "null"]), encoding="utf-8")
    assert FORMAT.validate(path, given) is None
    for written in BAD[text]:
        path.write_text(f'{{"f": null}}\n{{"f": {written}}}\n', encoding="utf-8")
        problem = FORMAT.validate(path, given)
        assert problem is not None
        assert problem.startswith("record 1, field f: ")
        assert json.loads(path.read_text(encoding="utf-8").splitlines()[0]) == {"f": None}
