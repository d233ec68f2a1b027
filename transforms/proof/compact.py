"""A reader of Thrift's compact protocol, of the proof's own: a struct is `{field id: value}`, a list a list, text its bytes.

Source: the Apache Thrift project's doc/specs/thrift-compact-protocol.md. Nothing of it is shared with the code that writes footers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_TRUE, _FALSE = 1, 2
_DEEPEST = 64


class NotCompact(ValueError):
    """The bytes are no struct in the compact protocol."""


def struct_at(data: bytes, at: int = 0) -> tuple[dict[int, Any], int]:
    """The struct that begins at `at`, and the position after it.

    Raises:
        NotCompact: it ends too early, or has a type that there is not.
    """
    try:
        return _struct(data, at, 0)
    except IndexError:
        raise NotCompact("a thrift struct ends too early") from None


def only_struct(data: bytes) -> dict[int, Any]:
    """The struct that the bytes are.

    Raises:
        NotCompact: as `struct_at`, or there is more than it.
    """
    found, end = struct_at(data)
    if end != len(data):
        raise NotCompact("something stands behind a thrift struct")
    return found


def _struct(data: bytes, at: int, depth: int) -> tuple[dict[int, Any], int]:
    if depth > _DEEPEST:
        raise NotCompact("a thrift struct is nested too deep")
    found: dict[int, Any] = {}
    number = 0
    while byte := data[at]:
        kind = byte & 0x0F
        if byte > 0x0F:
            number += byte >> 4
            at += 1
        else:
            number, at = zigzag(data, at + 1)
        if kind > _FALSE:
            found[number], at = _READERS[kind](data, at, depth)
        else:
            found[number] = kind == _TRUE
    return found, at + 1


def _number(data: bytes, at: int, _: int) -> tuple[int, int]:
    byte = data[at]
    if byte < 0x80:  # most are short
        return (byte >> 1) ^ -(byte & 1), at + 1
    return zigzag(data, at)


def _binary(data: bytes, at: int, _: int) -> tuple[bytes, int]:
    size = data[at]
    if size < 0x80:
        at += 1
    else:
        size, at = varint(data, at)
    return _bytes(data, at, size)


def _deeper(data: bytes, at: int, depth: int) -> tuple[dict[int, Any], int]:
    return _struct(data, at, depth + 1)


def _truth(data: bytes, at: int, _: int) -> tuple[bool, int]:
    return data[at] == _TRUE, at + 1


def _byte(data: bytes, at: int, _: int) -> tuple[int, int]:
    return data[at], at + 1


def _double(data: bytes, at: int, _: int) -> tuple[bytes, int]:
    return _bytes(data, at, 8)


def _uuid(data: bytes, at: int, _: int) -> tuple[bytes, int]:
    return _bytes(data, at, 16)


def _unknown(data: bytes, at: int, _: int) -> tuple[Any, int]:
    raise NotCompact(f"there is no such thrift type at {at}")


def _list(data: bytes, at: int, depth: int) -> tuple[list[Any], int]:
    byte = data[at]
    at += 1
    count, kind = byte >> 4, byte & 0x0F
    if count == 15:
        count, at = varint(data, at)
    if count > len(data) - at:
        raise NotCompact("a thrift list runs past the end")
    values: list[Any] = []
    read = _READERS[kind]
    for _ in range(count):
        value, at = read(data, at, depth)
        values.append(value)
    return values, at


def _map(data: bytes, at: int, depth: int) -> tuple[list[tuple[Any, Any]], int]:
    count, at = varint(data, at)
    if not count:
        return [], at
    kinds, at = data[at], at + 1
    pairs: list[tuple[Any, Any]] = []
    for _ in range(min(count, len(data))):
        key, at = _READERS[kinds >> 4](data, at, depth)
        value, at = _READERS[kinds & 0x0F](data, at, depth)
        pairs.append((key, value))
    return pairs, at


def _bytes(data: bytes, at: int, size: int) -> tuple[bytes, int]:
    if size > len(data) - at:
        raise NotCompact("a thrift value runs past the end")
    return data[at : at + size], at + size


_READERS: list[Callable[[bytes, int, int], tuple[Any, int]]] = [
    _unknown, _truth, _truth, _byte, _number, _number, _number, _double, _binary, _list, _list, _map, _deeper, _uuid, _unknown,
    _unknown,
]  # fmt: skip
"""A value's reader by its wire type."""


def varint(data: bytes, at: int) -> tuple[int, int]:
    """The unsigned number at `at`, and the position after it."""
    byte = data[at]
    at += 1
    if byte < 0x80:
        return byte, at
    number, shift = byte & 0x7F, 7
    while byte >= 0x80:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        shift += 7
        if shift > 70:
            raise NotCompact("a thrift number is too long")
    return number, at


def zigzag(data: bytes, at: int) -> tuple[int, int]:
    """The signed number at `at`, and the position after it."""
    number, at = varint(data, at)
    return (number >> 1) ^ -(number & 1), at
