"""A Parquet chunk's bloom filter: does it hold every value of the chunk?

Source: the Apache Parquet project's BloomFilter.md (split block filters, XXH64 of the plain encoding).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from decimal import Context

import pyarrow as pa
import xxhash

from instar.formats.compute import pc

from .compact import NotCompact, struct_at

_SALTS = (0x47B6137B, 0x44974D91, 0x8824AD5B, 0xA2B7289D, 0x705495C7, 0x2DF1424B, 0x9EFC4947, 0x5C6BFB31)
_BLOCK = 32  # bytes
_EXACT = Context(prec=100)


class Bloom:
    """A filter with its header as it stands in the file.

    Raises:
        NotCompact: it is none, or of an algorithm, hash or compression that there is not.
    """

    def __init__(self, data: bytes) -> None:
        header, at = struct_at(data)
        size = header.get(1, 0)
        if any(list(header.get(number, {})) != [1] for number in (2, 3, 4)) or size % _BLOCK or not 0 < size == len(data) - at:
            raise NotCompact("it is no bloom filter")
        self._bits, self._blocks = data[at:], size // _BLOCK

    def holds(self, value: bytes) -> bool:
        """May the chunk have a value with this plain encoding?"""
        hashed = xxhash.xxh64_intdigest(value)
        low, at = hashed & 0xFFFFFFFF, ((hashed >> 32) * self._blocks >> 32) * _BLOCK
        words = struct.unpack_from("<8I", self._bits, at)
        return all(word >> ((low * salt & 0xFFFFFFFF) >> 27) & 1 for word, salt in zip(words, _SALTS, strict=True))


def plain(leaf: pa.Array, physical: str, length: int) -> Iterator[bytes]:
    """The plain encodings of a leaf's distinct values; nothing of types that no bloom filter speaks of."""
    values, is_ = leaf.drop_null(), pa.types
    if is_.is_dictionary(values.type):
        values = values.dictionary.take(pc.unique(values.indices))  # type: ignore[attr-defined]
    type = values.type
    if is_.is_decimal(type):
        width = {"INT32": 4, "INT64": 8}.get(physical, length)
        order = "big" if physical == "FIXED_LEN_BYTE_ARRAY" else "little"
        unscaled = (int(value.scaleb(type.scale, _EXACT)) for value in values.unique().to_pylist())
        yield from (number.to_bytes(width, order, signed=True) for number in unscaled) if width else ()
    elif is_.is_string(type) or is_.is_binary(type) or is_.is_fixed_size_binary(type):
        yield from (values.view(pa.binary()) if is_.is_string(type) else values).unique().to_pylist()
    elif physical in ("INT32", "FLOAT", "INT64", "DOUBLE"):
        width, bits = (4, pa.int32()) if physical in ("INT32", "FLOAT") else (8, pa.int64())
        stored = values.cast(bits, safe=False) if is_.is_integer(type) else values.view(bits)
        yield from (value.to_bytes(width, "little", signed=True) for value in stored.unique().to_pylist())
    elif is_.is_float16(type):
        yield from (value.to_bytes(2, "little", signed=True) for value in values.view(pa.int16()).unique().to_pylist())
