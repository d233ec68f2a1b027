"""A dataset with gates: orders in three files, in any format; checks and test commands of its project."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
from authoring import Author

SUFFIXES = ("parquet", "avro", "ndjson")
STEP = 'op.derive("km", "double", sql="miles * 1.609344::DOUBLE"), op.rename("by", to="buyer"),'
FIELDS = [{"name": "id", "type": "long"}, {"name": "miles", "type": "double"}, {"name": "by", "type": ["null", "string"]}]
SAME_ROWS = "SELECT o.n, w.n FROM (SELECT count(*) n FROM old) o, (SELECT count(*) n FROM new) w WHERE o.n <> w.n"
SAME_WAY = "SELECT id, old.miles, new.km FROM old JOIN new USING (id) WHERE abs(old.miles * 1.609344 - new.km) > 1e-9"


def records(first: int, count: int = 4) -> list[dict[str, Any]]:
    return [{"id": i, "miles": i + 0.5, "by": f"who{i}"} for i in range(first, first + count)]


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    if path.suffix == ".parquet":
        schema = pa.schema([pa.field("id", pa.int64(), False), pa.field("miles", pa.float64(), False), ("by", pa.string())])
        pq.write_table(pa.Table.from_pylist(rows, schema), path)
    elif path.suffix == ".ndjson":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        with path.open("wb") as file:
            fastavro.writer(file, {"type": "record", "name": "order", "fields": FIELDS}, rows)
    return path


def orders(author: Author, suffix: str = "parquet", *, step: str = STEP, workers: int = 1) -> Path:
    """Three files of four orders each at version 1, and version 2."""
    folder = author.data("orders")
    for number in range(3):
        write(folder / f"{number}.{suffix}", records(number * 4))
    author.adopt("orders", workers=workers)
    author.step("orders", step)
    return folder


def check(author: Author, name: str, sql: str) -> Path:
    path = author.folder / "checks" / "orders" / f"{name}.sql"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(sql + "\n")
    return path


def command(author: Author, program: str, *arguments: str) -> Path:
    """A test command of Python's; answers with the program's file."""
    path = author.folder / "app.py"
    path.write_text(program)
    setting(author, f"test = {json.dumps([sys.executable, 'app.py', *arguments])}")
    return path


def setting(author: Author, line: str) -> None:
    """One more line of the dataset's table, which is the last."""
    with (author.folder / "instar.toml").open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")


def runs(author: Author) -> list[Path]:
    return sorted((author.folder / "data" / ".instar" / "orders" / "runs").glob("*"))
