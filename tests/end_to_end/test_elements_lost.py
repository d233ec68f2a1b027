"""Lists whose elements a way down cannot tell: as many nulls come back, and that is proved."""

from __future__ import annotations

import json

from authoring import Author


def test_as_many_elements_come_back_as_there_were(author: Author) -> None:
    file = author.data("events") / "events.ndjson"
    file.write_text('{"l": ["1", null], "n": 1}\n{"l": [], "n": 2}\n', encoding="utf-8")
    author.adopt("events")
    author.step("events", 'op.wrap("l[]"), op.cast("l[][]", "int32")')
    author.do("upgrade", "events")
    assert [json.loads(line)["l"] for line in file.read_text().splitlines()] == [[[1], None], []]
    report = author.do("downgrade", "events", "1")
    assert report["proof"]["verdict"] == "proved"
    assert [loss["path"] for loss in report["losses"]] == ["l[]"]
    assert [json.loads(line)["l"] for line in file.read_text().splitlines()] == [[None, None], []]
