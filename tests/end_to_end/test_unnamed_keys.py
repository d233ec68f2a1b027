"""Keys that no schema names, through chains of several steps: they come back on every way down."""

from __future__ import annotations

import json

import pytest
from authoring import Author

RECORDS = [{"e": {"s": "x", "more": 1}}, {"e": {"s": None, "more": None}}, {}]
STEPS = (
    'op.cast("e.s", "bytes")',
    'op.add("e.k", "int32", default=1)',
    'op.allow_null("e")',
    'op.derive("e.t", "bool", sql="s IS NULL")',
)


@pytest.mark.parametrize("order", [(2, 0), (0, 2), (1, 2), (0, 1, 2, 3), (2, 3, 1)])
def test_they_stay_in_a_record_that_came_to_be_nullable(order: tuple[int, ...], author: Author) -> None:
    file = author.data("events") / "events.ndjson"
    file.write_text('{"e": {"s": "x"}}\n{"e": {"s": null}}\n{}\n', encoding="utf-8")
    author.adopt("events")
    file.write_text("".join(json.dumps(record) + "\n" for record in RECORDS), encoding="utf-8")
    author.do("stamp", "events", "1")
    for number in order:
        author.step("events", STEPS[number])
    author.do("upgrade", "events")
    assert [json.loads(line).get("e", {}).get("more", 0) for line in file.read_text().splitlines()] == [1, None, 0]
    author.do("downgrade", "events", "1")
    assert [json.loads(line) for line in file.read_text().splitlines()] == RECORDS
