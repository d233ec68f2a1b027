"""A Parquet file with everything that a splice has to keep, and the rewrite of one."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from instar import op
from instar.formats.format import Rewritten, Stamp, format_named
from instar.transforms.mapping import Mapping, chain
from instar.transforms.run.request import rewrite_request

FORMAT = format_named("parquet")
ROWS, GROUP = 2500, 1000
STAMP = Stamp("set", 2)
DEEP = pa.struct([("x", pa.int64()), ("y", pa.string()), ("deep", pa.struct([("z", pa.float64())]))])
PAIR = pa.struct([("a", pa.int64()), ("b", pa.string())])


def table() -> pa.Table:
    n = range(ROWS)
    return pa.table(
        {
            "id": pa.array(n, pa.int64()),
            "s": pa.array([f"c{i % 50}" if i % 7 else None for i in n]),
            "u": pa.array([f"u{i}" for i in n]),
            "st": pa.array([None if i % 17 == 0 else {"x": i, "y": f"y{i % 5}", "deep": {"z": float(i)}} for i in n], DEEP),
            "li": pa.array([None if i % 13 == 0 else list(range(i % 4)) for i in n], pa.list_(pa.int64())),
            "ls": pa.array([[{"a": i, "b": str(j)} for j in range(i % 3)] for i in n], pa.list_(PAIR)),
            "m": pa.array([[(f"k{j}", {"a": i, "b": "x"}) for j in range(i % 3)] for i in n], pa.map_(pa.string(), PAIR)),
            "day": pa.array([dt.date(2020, 1, 1)] * ROWS),
            "f": pa.array([i / 3 for i in n]),
        }
    )


def write(path: Path, **options: Any) -> Path:
    settings: dict[str, Any] = {"compression": "zstd", "row_group_size": GROUP, "write_page_index": True,
                                "write_page_checksum": True, "max_rows_per_page": 100,
                                "sorting_columns": [pq.SortingColumn(0), pq.SortingColumn(2)],
                                "bloom_filter_options": {"id": {"ndv": GROUP}, "u": {"ndv": GROUP}}}  # fmt: skip
    pq.write_table(table(), path, **(settings | options))
    return path


def rewritten(source: Path, target: Path, ops: Sequence[Any], *, spliced: bool = True) -> tuple[Rewritten, Mapping]:
    schema = FORMAT.inspect(source).schema
    assert schema is not None
    mapping = chain(schema, ops)
    request = rewrite_request(FORMAT, mapping, source, target, memory=1 << 30, stamp=STAMP, progress=lambda rows, size: None)
    return FORMAT.rewrite(request if spliced else replace(request, splice=None)), mapping


CASES: dict[str, list[Any]] = {
    "stamp": [],
    "rename": [op.rename("id", to="key"), op.rename("st", to="inside")],
    "swap": [op.rename("s", to="t"), op.rename("u", to="s"), op.rename("t", to="u")],
    "rename inside": [op.rename("st.x", to="xx"), op.rename("st.deep.z", to="zz"), op.rename("ls[].a", to="aa")],
    "drop": [op.drop("f"), op.drop("s")],
    "drop inside": [op.drop("st.x"), op.drop("ls[].b"), op.drop("m{}.a")],
    "reorder": [op.reorder(["u", "m", "id"])],
    "add": [op.add("c", "string", default="USD"), op.add("n", "double?"), op.add("k", "int32", default=7)],
    "add inside": [op.add("st.c", "string", default="q"), op.add("ls[].c", "int64", default=1)],
    "cast": [op.cast("id", "string"), op.cast("li[]", "string")],
    "cast inside": [op.cast("st.x", "string"), op.cast("ls[].a", "string"), op.cast("m{}.a", "string")],
    "derive": [op.derive("g", "string?", sql="s || '-' || u")],
    "move": [op.move("id", to="route.id"), op.move("st.deep", to="deep")],
    "require": [op.require("s", fill="?")],
    "chain": [op.rename("s", to="t"), op.drop("u"), op.add("k", "int32", default=1), op.cast("id", "string"),
              op.cast("st.x", "string"), op.rename("st.y", to="why"), op.rename("t", to="tt"),
              op.set_doc("tt", "a letter"), op.cast("k", "int64")],
}  # fmt: skip
