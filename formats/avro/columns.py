"""Columns of plain values between their bytes in records and Arrow arrays in the plain forms of `columnar.py`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from instar.formats.avro.physical import layout, storage
from instar.formats.compute import pc
from instar.formats.plain import plain_type
from instar.formats.schema import Bool, Date, Field, Float, Int, String, Timestamp

_NAMES = {"int": "INT32", "long": "INT64", "float": "FLOAT32", "double": "FLOAT64", "boolean": "BOOLEAN", "string": "BYTES"}
_ARROW = {
    "int": pa.int32(), "long": pa.int64(), "float": pa.float32(), "double": pa.float64(), "boolean": pa.bool_(),
    "string": pa.string(),
}  # fmt: skip


@dataclass(frozen=True)
class Column:
    """A field's Avro type, the Arrow type that holds the same, and where null stands in its union (-1: nowhere)."""

    kind: str
    plain: pa.DataType
    null: int

    @staticmethod
    def of(field: Field) -> Column | None:
        """None for a type whose values are not simply Arrow's."""
        kind, _ = storage(field)
        if (
            not isinstance(field.type, Bool | Int | Float | String | Date | Timestamp)
            or kind not in _NAMES
            or field.type == Float(16)
        ):
            return None
        null = layout(field).null
        return Column(kind, plain_type(field.type), -1 if null is None else null)

    def decoded(self, module: Any, data: bytes, offsets: bytes, width: int, start: int, stop: int) -> pa.Array:
        """The values between two boundaries of each record, by their columns in the offsets.

        Raises:
            module.Odd, pa.ArrowInvalid: a value is not of its type.
        """
        form = module.PLAIN if self.null < 0 else module.NULLABLE
        type = getattr(module, _NAMES[self.kind])
        nulls, valid, values, texts = module.column(data, offsets, width, start, stop, form, self.null, type)
        rows = len(offsets) // (4 * width)
        buffers = [pa.py_buffer(valid) if nulls else None, pa.py_buffer(values)]
        if self.kind == "string":
            array = pa.Array.from_buffers(pa.string(), rows, [*buffers, pa.py_buffer(texts)], nulls)
            array.validate(full=True)
            return array
        if self.kind == "boolean":
            return pa.Array.from_buffers(pa.uint8(), rows, buffers, nulls).cast(pa.bool_())
        array = pa.Array.from_buffers(_ARROW[self.kind], rows, buffers, nulls)
        return array.cast(self.plain) if pa.types.is_integer(self.plain) else array.view(self.plain)

    def encoded(self, module: Any, array: pa.Array) -> tuple[bytes, bytes]:
        """The values as they stand in records, and where each ends.

        Raises:
            module.Odd, pa.ArrowInvalid: a value is not of the type, or null where none may be.
        """
        array = array if array.type == self.plain else pc.cast(array, self.plain)
        if pa.types.is_integer(self.plain):
            array = array.cast(_ARROW[self.kind])
        buffers = [b"" if buffer is None else buffer for buffer in array.buffers()]
        type = getattr(module, _NAMES[self.kind])
        values, texts = buffers[1], buffers[2] if len(buffers) > 2 else b""
        return module.encoded(type, len(array), array.offset, self.null, buffers[0] if array.null_count else b"", values, texts)
