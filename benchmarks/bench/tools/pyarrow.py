"""pyarrow: row group by row group into a ParquetWriter."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.bench.task import Change, Task

TYPES = {
    "string": pa.string(), "int64": pa.int64(), "double": pa.float64(), "bytes": pa.binary(),
    "timestamp(ns, UTC)": pa.timestamp("ns", "UTC"),
}  # fmt: skip


def work(task: Task) -> None:
    threads = len(task.cores) > 1
    pa.set_cpu_count(len(task.cores))
    for source, target in task.pairs:
        file = pq.ParquetFile(source)
        names = file.schema_arrow.names
        columns = [name for name in names if name not in task.change.drop]
        writer: Any = None
        for i in range(file.num_row_groups):
            table = changed(file.read_row_group(i, columns=columns, use_threads=threads), task.change, names)
            writer = writer or pq.ParquetWriter(target, table.schema, compression=task.codec)
            writer.write_table(table, row_group_size=max(len(table), 1))
        writer.close()


def changed(table: pa.Table, change: Change, names: list[str]) -> pa.Table:
    arrays, fields = [], []
    for target, source in change.columns(names):
        if source is None:
            type, value = change.add[target]
            array = pa.chunked_array([pa.repeat(pa.scalar(value, TYPES[type]), len(table))])
            field = pa.field(target, TYPES[type], nullable=False)
        else:
            array, field = table[source], table.field(source).with_name(target)
            if source in change.cast:
                array = array.cast(TYPES[change.cast[source]])
                field = field.with_type(array.type)
        arrays.append(array)
        fields.append(field)
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields))
