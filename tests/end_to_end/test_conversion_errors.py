"""Records that cannot be converted: a plan meets one in its sample, an upgrade names them all, both by the file's own numbers."""

from __future__ import annotations

from pathlib import Path

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from authoring import Author
from support import tree

ROWS = 30_000
BAD = 29_000


def write(path: Path, rows: int, bad: int | None) -> None:
    values = [str(n) if n != bad else "many" for n in range(rows)]
    if path.suffix == ".parquet":
        pq.write_table(pa.table({"n": values}), path, row_group_size=1000)
    else:
        schema = {"type": "record", "name": "R", "fields": [{"name": "n", "type": "string"}]}
        with path.open("wb") as out:
            fastavro.writer(out, schema, ({"n": value} for value in values))


@pytest.mark.parametrize("suffix", ["parquet", "avro"])
def test_a_plan_numbers_records_as_the_file_does(suffix: str, author: Author) -> None:
    write(author.data("counts") / f"a.{suffix}", ROWS, BAD)
    author.adopt("counts")
    author.step("counts", 'op.cast("n", "int64")')
    assert author.refused("plan", "counts")["where"]["row"] == BAD


def test_an_upgrade_names_every_file(author: Author) -> None:
    data = author.data("counts")
    for name in ("a", "b", "c", "d"):
        write(data / f"{name}.parquet", 10, None if name == "b" else 4)
    author.adopt("counts")
    author.step("counts", 'op.cast("n", "int64")')
    before = tree(data)
    error = author.refused("upgrade", "counts")
    assert [(e["where"]["file"], e["where"]["row"]) for e in error["errors"]] == [
        ("a.parquet", 4), ("c.parquet", 4), ("d.parquet", 4),
    ]  # fmt: skip
    assert tree(data) == before
    assert author.refused("plan", "counts")["where"]["file"] == "c.parquet"


def test_a_report_that_cannot_be_written_stops_the_run_before_it_publishes(author: Author, monkeypatch: pytest.MonkeyPatch) -> None:
    from instar.transforms.run.effects import PosixEffects

    write(author.data("counts") / "a.parquet", 10, None)
    author.adopt("counts")
    author.step("counts", 'op.cast("n", "int64")')
    create = PosixEffects.create

    def full(self: PosixEffects, path: Path, data: bytes) -> None:
        if path.name == "report.json":
            raise OSError(28, "No space left on device", str(path))
        create(self, path, data)

    monkeypatch.setattr(PosixEffects, "create", full)
    error = author.refused("upgrade", "counts")
    assert "the report of run" in error["message"]
    assert "free some space" in error["hint"]
    assert author.do("current", "counts")[0]["versions"] == {"1": 1}
    assert [run["status"] for run in author.do("runs", "counts")["runs"]] == ["interrupted"]
    monkeypatch.undo()
    assert author.do("upgrade", "counts")["resumed"]["reused"] == 1
    assert author.do("current", "counts")[0]["versions"] == {"2": 1}
