"""A reader of Thrift's compact protocol, of the proof's own: a struct is `{field id: value}`, a list a list, text its bytes.

Source: the Apache Thrift project's doc/specs/thrift-compact-protocol.md. Nothing of it is shared with the code that writes footers.
"""

from __future__ import annotations

from typing import Any

_STOP, _TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT, _UUID = 0, 1, 2, 3, 7, 8, 9, 10, 11, 12, 13
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


def _struct(data: bytes, at: int, depth: int) -> tuple[dict[int, Any], int]:
    if depth > _DEEPEST:
        raise NotCompact("a thrift struct is nested too deep")
    found: dict[int, Any] = {}
    number = 0
    while True:
        byte = data[at]
        at += 1
        kind = byte & 0x0F
        if kind == _STOP:
            return found, at
        if byte >> 4:
            number += byte >> 4
        else:
            number, at = zigzag(data, at)
        if kind <= _FALSE:
            found[number] = kind == _TRUE
        else:
            found[number], at = _value(data, at, kind, depth)


def _value(data: bytes, at: int, kind: int, depth: int) -> tuple[Any, int]:
    if _BYTE < kind < _DOUBLE:
        return zigzag(data, at)
    if kind == _BINARY:
        size, at = varint(data, at)
        return _bytes(data, at, size)
    if kind == _STRUCT:
        return _struct(data, at, depth + 1)
    if kind in (_LIST, _SET):
        return _list(data, at, depth)
    if kind == _BYTE:
        return data[at], at + 1
    if kind in (_DOUBLE, _UUID):
        return _bytes(data, at, 8 if kind == _DOUBLE else 16)
    if kind == _MAP:
        return _map(data, at, depth)
    raise NotCompact(f"there is no thrift type {kind}")


def _list(data: bytes, at: int, depth: int) -> tuple[list[Any], int]:
    byte = data[at]
    at += 1
    count, kind = byte >> 4, byte & 0x0F
    if count == 15:
        count, at = varint(data, at)
    if count > len(data) - at:
        raise NotCompact("a thrift list runs past the end")
    if kind in (_TRUE, _FALSE):
        return [byte == _TRUE for byte in data[at : at + count]], at + count
    values: list[Any] = []
    for _ in range(count):
        value, at = _value(data, at, kind, depth)
        values.append(value)
    return values, at


def _map(data: bytes, at: int, depth: int) -> tuple[list[tuple[Any, Any]], int]:
    count, at = varint(data, at)
    if not count:
        return [], at
    kinds, at = data[at], at + 1
    pairs: list[tuple[Any, Any]] = []
    for _ in range(min(count, len(data))):
        key, at = _value(data, at, kinds >> 4, depth)
        value, at = _value(data, at, kinds & 0x0F, depth)
        pairs.append((key, value))
    return pairs, at


def _bytes(data: bytes, at: int, size: int) -> tuple[bytes, int]:
    if size > len(data) - at:
        raise NotCompact("a thrift value runs past the end")
    return data[at : at + size], at + size


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
