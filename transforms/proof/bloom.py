"""A Parquet chunk's bloom filter: does it hold every value of the chunk?

Source: the Apache Parquet project's BloomFilter.md (split block filters, XXH64 of the plain encoding).
"""

# pyright: reportAttributeAccessIssue=false
# (the functions of pyarrow.compute are made when it is imported)

from __future__ import annotations

from collections.abc import Iterable
from decimal import Context

import pyarrow as pa
import xxhash

from instar.formats.bare import number
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
        self._blocks = size // _BLOCK
        self._words = pa.Array.from_buffers(pa.uint32(), size // 4, [None, pa.py_buffer(data[at:])])  # little-endian, as here

    def lacks(self, leaf: pa.Array, physical: str, length: int) -> bool:
        """Is one of a leaf's values not among those that the chunk may have? Never of types that no bloom filter speaks of."""
        hashed = _hashes(leaf, physical, length)
        if hashed is None or not len(hashed):
            return False
        low = pc.bit_wise_and(hashed, _whole(0xFFFFFFFF)).cast(pa.uint32())
        blocks = pc.shift_right(pc.multiply(pc.shift_right(hashed, _whole(32)), _whole(self._blocks)), _whole(32))
        first, found = pc.multiply(blocks, _whole(len(_SALTS))), None
        for place, salt in enumerate(_SALTS):
            word = self._words.take(pc.add(first, _whole(place)))
            bit = pc.shift_right(word, pc.shift_right(pc.multiply(low, _half(salt)), _half(27)))
            found = bit if found is None else pc.bit_wise_and(found, bit)
        return not pc.min(pc.bit_wise_and(found, _half(1))).as_py()


def _hashes(leaf: pa.Array, physical: str, length: int) -> pa.Array | None:
    """XXH64 of the plain encodings of a leaf's distinct values; None of types that no bloom filter speaks of."""
    values, is_ = leaf.drop_null(), pa.types
    if is_.is_dictionary(values.type):
        values = values.dictionary.take(pc.unique(values.indices))  # type: ignore[attr-defined]
    type = values.type
    if is_.is_decimal(type):
        width = {"INT32": 4, "INT64": 8}.get(physical, length)
        order = "big" if physical == "FIXED_LEN_BYTE_ARRAY" else "little"
        unscaled = (int(value.scaleb(type.scale, _EXACT)) for value in values.unique().to_pylist())
        return _of_bytes(value.to_bytes(width, order, signed=True) for value in unscaled) if width else None
    if is_.is_string(type) or is_.is_binary(type) or is_.is_fixed_size_binary(type):
        return _of_bytes((values.view(pa.binary()) if is_.is_string(type) else values).unique().to_pylist())
    if physical in ("INT32", "FLOAT", "INT64", "DOUBLE"):
        width, bits = (4, pa.int32()) if physical in ("INT32", "FLOAT") else (8, pa.int64())
        stored = values.cast(bits, safe=False) if is_.is_integer(type) else values.view(bits)
        return _of_numbers(stored.view(pa.uint32() if width == 4 else pa.uint64()).cast(pa.uint64()), width)
    if is_.is_float16(type):
        return _of_bytes(value.to_bytes(2, "little", signed=True) for value in values.view(pa.int16()).unique().to_pylist())
    return None


def _of_bytes(values: Iterable[bytes]) -> pa.Array:
    hashed = b"".join(xxhash.xxh64_intdigest(value).to_bytes(8, "little") for value in values)
    return pa.Array.from_buffers(pa.uint64(), len(hashed) // 8, [None, pa.py_buffer(hashed)])


# ---- XXH64 of four or eight bytes, of all values together (the xxHash project's doc/xxhash_spec.md)
_PRIMES = (0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5)


def _of_numbers(values: pa.Array, width: int) -> pa.Array:
    """Of numbers without a sign; arithmetic goes round at 64 bits."""
    one, two, three, four = (_whole(prime) for prime in _PRIMES[:4])
    seed = _whole(_PRIMES[4] + width)
    if width == 8:
        lane = pc.multiply(_turned(pc.multiply(values, two), 31), one)
        hashed = pc.add(pc.multiply(_turned(pc.bit_wise_xor(lane, seed), 27), one), four)
    else:
        hashed = pc.add(pc.multiply(_turned(pc.bit_wise_xor(pc.multiply(values, one), seed), 23), two), three)
    hashed = pc.multiply(pc.bit_wise_xor(hashed, pc.shift_right(hashed, _whole(33))), two)
    hashed = pc.multiply(pc.bit_wise_xor(hashed, pc.shift_right(hashed, _whole(29))), three)
    return pc.bit_wise_xor(hashed, pc.shift_right(hashed, _whole(32)))


def _turned(values: pa.Array, bits: int) -> pa.Array:
    return pc.bit_wise_or(pc.shift_left(values, _whole(bits)), pc.shift_right(values, _whole(64 - bits)))


def _whole(value: int) -> pa.Scalar:
    return pa.Array.from_buffers(pa.uint64(), 1, [None, pa.py_buffer(value.to_bytes(8, "little"))])[0]


def _half(value: int) -> pa.Scalar:
    return number(value, pa.uint32())
