"""Planted faults: what a broken rewrite could have done to a data file, for tests that show that the proof finds it.

`plant(fault, file, format)` overwrites a file with its damaged records. Parquet and Avro files keep their schema (but for a wrong
unit), JSON files the text of every other record.
"""

from __future__ import annotations

import datetime as dt
import decimal
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

FAULTS = ("value", "dropped", "duplicated", "shifted", "constant", "unit")
"""one value changed · one record dropped · one duplicated and another dropped · one column shifted by one record · one constant
column replaced · the unit in the footer or header wrong, the stored numbers unchanged (not JSON)"""


def plant(fault: str, file: Path, format: str, *, column: str | None = None) -> None:
    """Overwrites `file` with a damaged copy of it; `column` is a top-level field, by default the first that the fault shows in.

    Raises:
        ValueError: the file has no place for this fault (too few records, no such column).
    """
    {"parquet": _plant_parquet, "avro": _plant_avro, "json": _plant_json}[format](fault, file, column)


def possible(format: str) -> tuple[str, ...]:
    """The faults that a format can have."""
    return FAULTS if format != "json" else FAULTS[:-1]


# ---- records, whatever the format
def _damaged(fault: str, records: list[dict[str, Any]], column: str | None) -> list[dict[str, Any]]:
    """The records with the fault in them."""
    if len(records) < 3:
        raise ValueError("a fault needs three records")
    out = [dict(record) for record in records]
    match fault:
        case "value":
            name = column or _first(records, lambda values: any(v is not None for v in values))
            at = max(i for i, record in enumerate(out) if record.get(name) is not None)
            out[at][name] = _other(out[at][name])
        case "dropped":
            del out[len(out) // 2]
        case "duplicated":
            at = next(i for i in range(len(out) - 2) if out[i + 1] != out[i])
            out[at + 1] = dict(out[at])
        case "shifted":
            name = column or _first(records, lambda values: len({repr(v) for v in values}) > 1)
            values = [record.get(name) for record in out]
            for record, value in zip(out, values[-1:] + values[:-1], strict=True):
                record[name] = value
        case "constant":
            name = column or _first(records, lambda values: values[0] is not None and len({repr(v) for v in values}) == 1)
            for record in out:
                record[name] = _other(record[name])
        case _:
            raise ValueError(f"there is no fault {fault!r}")
    return out


def _first(records: list[dict[str, Any]], fits: Callable[[list[Any]], bool]) -> str:
    names = list(dict.fromkeys(name for record in records for name in record))
    found = [name for name in names if fits([record.get(name) for record in records])]
    if not found:
        raise ValueError("no column fits the fault")
    return found[0]


def _other(value: Any) -> Any:
    """Another value of the same type; null stays null."""
    match value:
        case None:
            return None
        case bool():
            return not value
        case int():
            return value - 1 if value else 1
        case float():
            return 0.5 if value != value or value == 0 else 0.0
        case str():
            return value[:-1] + ("y" if value[-1:] == "x" else "x")
        case bytes():
            return value[:-1] + bytes([value[-1] ^ 1]) if value else b"x"
        case decimal.Decimal():
            return value - 1
        case dt.datetime() | dt.date():
            return value + dt.timedelta(days=1)
        case list():
            return [*value, None]
        case dict():
            return {**value, "planted": 1}
        case _:
            raise ValueError(f"no other value than {value!r} comes to mind")


# ---- Parquet: Arrow columns, so that no value passes through Python
def _plant_parquet(fault: str, file: Path, column: str | None) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if fault == "unit":
        _wrong_parquet_unit(file)
        return
    table = pq.ParquetFile(file).read()
    rows = table.num_rows
    if rows < 3:
        raise ValueError("a fault needs three records")

    def first(fits: Callable[[pa.ChunkedArray], bool]) -> str:
        found = column or next((name for name in table.column_names if fits(table.column(name))), None)
        if found is None:
            raise ValueError("no column fits the fault")
        return found

    def plain(values: pa.ChunkedArray) -> bool:
        return not pa.types.is_nested(values.type) and not pa.types.is_null(values.type)

    def changed(name: str, at: slice) -> None:
        nonlocal table
        index, values = table.column_names.index(name), table.column(name)
        whole = _countable(values.combine_chunks())
        other = pa.array([_other(v.as_py()) for v in whole[at]], whole.type)
        made = pa.concat_arrays([whole[: at.start], other, whole[at.stop :]])
        table = table.set_column(index, table.schema.field(index), _uncountable(made, values.type))

    match fault:
        case "value":
            name = first(lambda v: plain(v) and v.null_count < rows)
            at = max(i for i in range(rows) if table.column(name)[i].is_valid)
            changed(name, slice(at, at + 1))
        case "dropped":
            table = pa.concat_tables([table.slice(0, rows // 2), table.slice(rows // 2 + 1)])
        case "duplicated":
            at = next(i for i in range(rows - 1) if not table.slice(i, 1).equals(table.slice(i + 1, 1)))
            table = pa.concat_tables([table.slice(0, at + 1), table.slice(at, 1), table.slice(at + 2)])
        case "shifted":
            name = first(
                lambda v: plain(v) and not pa.types.is_decimal256(v.type) and len(_countable(v.combine_chunks()).unique()) > 1
            )
            at, whole = table.column_names.index(name), table.column(name).combine_chunks()
            table = table.set_column(at, table.schema.field(at), pa.concat_arrays([whole[-1:], whole[:-1]]))
        case "constant":
            name = first(lambda v: plain(v) and v.null_count == 0 and len(_countable(v.combine_chunks()).unique()) == 1)
            changed(name, slice(0, rows))
        case _:
            raise ValueError(f"there is no fault {fault!r}")
    codec = pq.read_metadata(file).row_group(0).column(0).compression if rows else "SNAPPY"
    with pq.ParquetWriter(file, table.schema, compression="NONE" if codec == "UNCOMPRESSED" else codec) as writer:
        writer.write_table(table.combine_chunks(), row_group_size=max(1, rows))


def _countable(array: Any) -> Any:
    """Times as their integers, which every time has where Python's own may not reach it; dictionaries as their values."""
    import pyarrow as pa

    if pa.types.is_dictionary(array.type):
        return array.dictionary_decode()
    if pa.types.is_temporal(array.type):
        return array.view(pa.int32() if array.type.bit_width == 32 else pa.int64())
    return array


def _uncountable(array: Any, type: Any) -> Any:
    import pyarrow as pa

    if pa.types.is_dictionary(type):
        return array.dictionary_encode().cast(type)
    return array.view(type) if pa.types.is_temporal(type) else array


def _wrong_parquet_unit(file: Path) -> None:
    """The same stored integers under another unit: milliseconds are called microseconds, or the other way round."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.ParquetFile(file).read()
    for at, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type) and field.type.unit in ("ms", "us"):
            type = pa.timestamp("us" if field.type.unit == "ms" else "ms", field.type.tz)
            values = table.column(at).combine_chunks().view(pa.int64()).view(type)
            pq.write_table(table.set_column(at, field.with_type(type), values), file)
            return
    raise ValueError("no column has a unit")


# ---- Avro
def _plant_avro(fault: str, file: Path, column: str | None) -> None:
    import fastavro

    if fault == "unit":
        file.write_bytes(_wrong_avro_unit(file.read_bytes()))
        return
    with file.open("rb") as opened:
        reader = fastavro.reader(opened, return_record_name=True)
        schema: Any = json.loads(reader.metadata["avro.schema"])
        metadata = {key: value for key, value in reader.metadata.items() if not key.startswith("avro.")}
        codec = reader.metadata.get("avro.codec", "null")
        records: list[Any] = list(reader)
    damaged = _damaged(fault, records, column)
    with file.open("wb") as opened:
        fastavro.writer(opened, schema, damaged, codec=codec, metadata=metadata, sync_marker=b"0123456789abcdef")


def _wrong_avro_unit(data: bytes) -> bytes:
    """The units have names of one length: only the header's text changes."""
    for right, wrong in ((b"timestamp-millis", b"timestamp-micros"), (b"timestamp-micros", b"timestamp-millis")):
        if right in data:
            return data.replace(right, wrong, 1)
    raise ValueError("no field has a unit")


# ---- JSON: the text of records
def _plant_json(fault: str, file: Path, column: str | None) -> None:
    data = file.read_bytes()
    packed = data[:2] == b"\x1f\x8b"
    text = (gzip.decompress(data) if packed else data).decode()
    array = text.lstrip()[:1] == "["
    pieces = _elements(text) if array else [line for line in text.splitlines() if line.strip()]
    records = [json.loads(piece) for piece in pieces]
    damaged = _damaged(fault, records, column)
    by_value = {json.dumps(record, sort_keys=True): piece for record, piece in zip(records, pieces, strict=True)}
    lines = [by_value.get(json.dumps(record, sort_keys=True), json.dumps(record, ensure_ascii=False)) for record in damaged]
    made = ("[" + ",\n".join(lines) + "]\n") if array else "\n".join(lines) + "\n"
    file.write_bytes(gzip.compress(made.encode(), mtime=0) if packed else made.encode())


def _elements(text: str) -> list[str]:
    decoder, at, found = json.JSONDecoder(), text.index("[") + 1, []
    while True:
        while text[at] in " \t\r\n,":
            at += 1
        if text[at] == "]":
            return found
        _, end = decoder.raw_decode(text, at)
        found.append(text[at:end])
        at = end
