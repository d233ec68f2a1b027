"""Two sides of a comparison for tests: awkward records written in every format, and one of them changed in one place."""

from __future__ import annotations

import datetime as dt
import decimal
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

import instar

Records = list[dict[str, Any]]
How = dict[str, Any]

IN_PLACE: How = {}
FULL: How = {"level": "full"}
COUNTS: How = {"level": "counts"}
UNORDERED: How = {"unordered": True}
KEYED: How = {"key": "id"}

AWKWARD = pa.schema(
    [
        pa.field("id", pa.int64(), False),
        pa.field("small", pa.int32()),
        pa.field("price", pa.float64()),
        pa.field("ratio", pa.float32()),
        pa.field("amount", pa.decimal128(20, 4)),
        pa.field("name", pa.string()),
        pa.field("other", pa.string()),
        pa.field("raw", pa.binary()),
        pa.field("day", pa.date32()),
        pa.field("seen", pa.timestamp("us")),
        pa.field("at", pa.timestamp("ms", "UTC")),
        pa.field("good", pa.bool_()),
        pa.field("tags", pa.list_(pa.field("item", pa.string()))),
        pa.field("parts", pa.list_(pa.field("item", pa.struct([pa.field("sku", pa.string()), pa.field("weight", pa.float64())])))),
        pa.field("labels", pa.map_(pa.string(), pa.int64())),
        pa.field("place", pa.struct([pa.field("city", pa.string()), pa.field("zip", pa.int32())])),
    ]
)


def records(count: int = 60) -> Records:
    """Records with nulls, duplicates in all but the id, nesting, and text that has two spellings in Unicode."""
    return [_record(i) for i in range(count)]


def _record(i: int) -> dict[str, Any]:
    return {
        "id": i,
        "small": None if i % 7 == 0 else i % 11,
        "price": None if i % 13 == 0 else 0.0 if i % 5 == 0 else i * 1.1,
        "ratio": i / 4,
        "amount": decimal.Decimal(i).scaleb(-4),
        "name": unicodedata.normalize("NFC", f"Zoë {i % 9}"),
        "other": f"Zoë {i % 5}",
        "raw": bytes([i % 256, 0, 255]),
        "day": dt.date(2013, 1, 1) + dt.timedelta(days=i),
        "seen": dt.datetime(2013, 1, 1, 2, 3, 4, 5) + dt.timedelta(hours=i),
        "at": dt.datetime(2013, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=i),
        "good": i % 2 == 0,
        "tags": None if i % 6 == 0 else [f"t{i % 4}", None, "x"],
        "parts": [{"sku": f"s{i % 3}", "weight": i * 0.5}, None] if i % 3 else [],
        "labels": {"a": i, "b": -i} if i % 4 else None,
        "place": None if i % 8 == 0 else {"city": f"C{i % 3}", "zip": i},
    }


def write(folder: Path, files: dict[str, Records], *, schema: pa.Schema = AWKWARD, row_group: int = 25) -> Path:
    """Parquet files of these records; names end in `.parquet`."""
    for name, rows in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(rows, schema=schema), path, row_group_size=row_group)
    return folder


def written(folder: Path, format: str, files: dict[str, Records], *, schema: pa.Schema = AWKWARD) -> Path:
    """The same in any format, through Parquet files beside the folder."""
    if format == "parquet":
        return write(folder, {f"{name}.parquet": rows for name, rows in files.items()}, schema=schema)
    first = write(
        folder.with_name(f".{folder.name}-first"), {f"{name}.parquet": rows for name, rows in files.items()}, schema=schema
    )
    instar.convert(first, folder, format)
    return folder


def changed(rows: Records, row: int, change: Callable[[dict[str, Any]], None]) -> Records:
    """The records with one of them changed."""
    made = [dict(record) for record in rows]
    change(made[row])
    return made
