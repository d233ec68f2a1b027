"""Text that is computed of distinct values is what it is computed row by row: the values, the schema, the statistics."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from instar.formats.errors import DataError
from instar.formats.format import Rewritten, format_named
from instar.formats.parquet import scratch
from instar.transforms import operations as op
from instar.transforms.mapping import Operation, chain
from instar.transforms.run.request import rewrite_request

ROWS, GROUP = 12_000, 5_000


def column(type: pa.DataType, values: Sequence[Any]) -> pa.Array:
    draw = random.Random(len(values))
    return pa.array([draw.choice(values) for _ in range(ROWS)], type)


TABLE = pa.table({
    "whole": column(pa.int64(), [None, 1, -5, 2**40]),
    "short": column(pa.int16(), range(300)),
    "text": column(pa.string(), ["", "a", "éé", "x" * 5000, None]),
    "bits": column(pa.string(), ["1", "2"]).dictionary_encode(),
    "null": pa.nulls(ROWS, pa.int32()),
    "day": column(pa.date32(), [0, 100, None]),
    "every": pa.array(range(ROWS)),
})  # fmt: skip

OPERATIONS: dict[str, list[Operation]] = {
    "one": [op.cast("whole", "string")],
    "many": [op.cast("short", "string"), op.cast("text", "bytes"), op.cast("bits", "bytes"), op.cast("null", "string"),
             op.cast("day", "string"), op.cast("every", "string")],
    "filled": [op.cast("whole", "string"), op.require("whole", fill="none")],
    "several alike": [op.map_values("text", {"": "A", "a": "A", "éé": "b", "x" * 5000: "c"})],
    "null and filled": [op.cast("text", "int64", on_error="null"), op.cast("text", "string"), op.require("text", fill="0")],
}  # fmt: skip

STORED: dict[str, dict[str, Any]] = {
    "as usual": {},
    "with a page index": {"write_page_index": True},
    "in pages of version 2": {"data_page_version": "2.0"},
    "without statistics": {"write_statistics": False},
    "without dictionaries": {"use_dictionary": False},
}


def done(source: Path, target: Path, operations: Sequence[Operation], memory: int = 1 << 30) -> Rewritten:
    format = format_named("parquet")
    schema = format.inspect(source).schema
    assert schema is not None
    mapping = chain(schema, operations)
    return format.rewrite(rewrite_request(format, mapping, source, target, memory=memory, stamp=None, progress=lambda *_: None))


def told(path: Path) -> list[object]:
    """What the footer says of each chunk but for where it is."""
    groups = [pq.read_metadata(path).row_group(i) for i in range(3)]
    chunks = [group.column(i) for group in groups for i in range(group.num_columns)]
    found = [c.statistics and c.statistics.to_dict() for c in chunks]
    return [(c.path_in_schema, c.num_values, c.compression, c.encodings, f) for c, f in zip(chunks, found, strict=True)]


@pytest.fixture(autouse=True)
def all_pages_are_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """Copying data pages would leave nothing to do."""
    monkeypatch.setattr(scratch, "recoded", lambda *_: ())


@pytest.mark.parametrize("stored", STORED)
@pytest.mark.parametrize("change", OPERATIONS)
def test_distinct_values_give_what_all_do(change: str, stored: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, new, by_rows = tmp_path / "source", tmp_path / "new", tmp_path / "by_rows"
    pq.write_table(TABLE, source, row_group_size=GROUP, **STORED[stored])
    assert done(source, new, OPERATIONS[change]).way == "spliced"
    monkeypatch.setattr(scratch, "repeating", lambda *_: [])
    assert done(source, by_rows, OPERATIONS[change]).way == "spliced"
    found = pq.read_table(new)
    found.validate(full=True)
    assert found.equals(pq.read_table(by_rows))
    assert pq.read_schema(new).equals(pq.read_schema(by_rows), check_metadata=True)
    assert told(new) == told(by_rows)


def test_text_that_is_not_utf8_is_carried_among_computed_values(tmp_path: Path) -> None:
    values = [b"\xff\xfe", b"a", b"b", None] * 3000
    bare = pa.Array.from_buffers(pa.string(), len(values), pa.array(values, pa.binary()).buffers())
    pq.write_table(pa.table({"text": bare}), tmp_path / "source")
    made = done(tmp_path / "source", tmp_path / "new", [op.map_values("text", {"a": "c", "b": "c"}, otherwise="keep")])
    assert made.way == "spliced"
    new = pq.read_table(tmp_path / "new")["text"].cast(pa.binary())
    assert new.to_pylist() == [b"\xff\xfe", b"c", b"c", None] * 3000
    statistics = pq.read_metadata(tmp_path / "new").row_group(0).column(0).statistics
    assert (statistics.min_raw, statistics.max_raw) == (b"c", b"\xff\xfe")


def test_the_same_bytes_whatever_memory_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch, "piece_bytes", lambda memory: memory)
    pq.write_table(TABLE, tmp_path / "source", row_group_size=GROUP)
    for change in ("many", "several alike"):
        done(tmp_path / "source", tmp_path / "new", OPERATIONS[change])
        done(tmp_path / "source", tmp_path / "scarce", OPERATIONS[change], memory=1)
        assert (tmp_path / "new").read_bytes() == (tmp_path / "scarce").read_bytes()


def test_each_distinct_value_is_converted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[int] = []
    whole = scratch.Repeating._converted  # pyright: ignore[reportPrivateUsage]

    def counted(self: scratch.Repeating, given: Any) -> Any:
        made = whole(self, given)
        rows.append(len(made["whole"]))
        return made

    monkeypatch.setattr(scratch.Repeating, "_converted", counted)
    pq.write_table(TABLE, tmp_path / "source", row_group_size=GROUP)
    done(tmp_path / "source", tmp_path / "new", OPERATIONS["one"])
    assert rows == [4, 4, 4]


def test_a_refused_value_is_told_with_its_first_row(tmp_path: Path) -> None:
    pq.write_table(TABLE, tmp_path / "source", row_group_size=GROUP)
    texts = TABLE["text"].to_pylist()
    known = [text for text in texts if text is not None and text != "éé"]
    with pytest.raises(DataError) as refused:
        done(tmp_path / "source", tmp_path / "new", [op.map_values("text", dict.fromkeys(known, "b"))])
    assert refused.value.where is not None
    assert refused.value.where.row == texts.index("éé")
