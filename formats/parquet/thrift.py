"""Thrift's compact protocol without a schema: every field survives, known or not.

A struct is `{field id: (wire type, value)}`. Values: BOOL → bool; BYTE, I16, I32, I64 → int; DOUBLE and UUID → their raw
bytes; BINARY → bytes; LIST and SET → (element type, list); MAP → (key type, value type, pairs); STRUCT → such a dict. What the
reader was not told to open stays raw bytes under its wire type with the RAW bit, and is written back as it was: cheap, and
nothing can be lost in it.

Source: the Apache Thrift project's doc/specs/thrift-compact-protocol.md. Readers that are generated from a definition drop what the
definition does not name; a Parquet footer of a newer writer would come out poorer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from instar.formats.compiled import compiled_part

compiled = compiled_part("parquet")

STOP, TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT, UUID = range(14)
BOOL = TRUE
RAW = 0x100

Struct = dict[int, tuple[int, Any]]
_DEEPEST = 64  # levels; the definition of Parquet has some ten, and other readers stop there, too

Opened = dict[int, Any] | bool
"""Which nested fields to open: True for all below, else {field id: Opened}; what is not in it stays raw."""


class ThriftError(ValueError):
    """The bytes are not a struct in the compact protocol."""


def decode(data: bytes, at: int = 0, opened: Opened = True) -> tuple[Struct, int]:
    """The struct that begins at `at`, and the position after it.

    Raises:
        ThriftError: it is truncated or malformed.
    """
    plain = compiled.decode(data, at, opened) if compiled else None
    return plain or decode_slowly(data, at, opened)


def decode_slowly(data: bytes, at: int = 0, opened: Opened = True) -> tuple[Struct, int]:
    """The same in Python: where there is no compiled part, and for what that leaves alone."""
    reader = _Reader(data, at)
    try:
        return reader.struct(opened, 0), reader.at
    except IndexError:
        raise ThriftError("a thrift struct ends too early") from None


class _Reader:
    __slots__ = ("at", "data")

    def __init__(self, data: bytes, at: int) -> None:
        self.data = data
        self.at = at

    def varint(self) -> int:
        data, at = self.data, self.at
        byte = data[at]
        number, shift = byte & 0x7F, 7
        while byte >= 0x80:
            at += 1
            byte = data[at]
            number |= (byte & 0x7F) << shift
            shift += 7
            if shift > 70:
                raise ThriftError("a thrift number is too long")
        if number >> 64:
            raise ThriftError("a thrift number has more than 64 bits")
        self.at = at + 1
        return number

    def zigzag(self) -> int:
        number = self.varint()
        return (number >> 1) ^ -(number & 1)

    def take(self, count: int) -> bytes:
        start, self.at = self.at, self.at + count
        if self.at > len(self.data):
            raise ThriftError("a thrift value runs past the end")
        return self.data[start : self.at]

    def header(self) -> tuple[int, int]:
        """A list's element type and length."""
        byte = self.data[self.at]
        self.at += 1
        if byte & 15 > UUID:
            raise ThriftError(f"there is no thrift type {byte & 15}")
        count = byte >> 4
        if count == 15:
            count = self.varint()
        if count > len(self.data) - self.at:
            raise ThriftError("a thrift list runs past the end")
        return byte & 15, count

    def struct(self, opened: Opened, depth: int) -> Struct:
        _check_depth(depth)
        out: Struct = {}
        number = 0
        while byte := self.data[self.at]:
            self.at += 1
            number = number + (byte >> 4) if byte >= 0x10 else self.zigzag()
            wire = byte & 15
            if not wire:
                raise ThriftError("there is no thrift type 0")
            if wire <= FALSE:
                out[number] = BOOL, wire == TRUE
            elif wire >= LIST and opened is not True and number not in (opened or ()):
                start = self.at
                self.skip(wire, depth)
                out[number] = wire | RAW, self.data[start : self.at]
            else:
                below = True if isinstance(opened, bool) else opened.get(number, True)
                out[number] = wire, self.value(wire, below, depth)
        self.at += 1
        return out

    def value(self, wire: int, opened: Opened, depth: int) -> Any:
        if I16 <= wire <= I64:
            return self.zigzag()
        if wire == BINARY:
            return self.take(self.varint())
        if wire == STRUCT:
            return self.struct(opened, depth + 1)
        if wire in (LIST, SET):
            _check_depth(depth)
            kind, count = self.header()
            if kind <= FALSE:
                return kind, [byte == TRUE for byte in self.take(count)]
            return kind, [self.value(kind, opened, depth + 1) for _ in range(count)]
        if wire == BYTE:
            return self.take(1)[0]
        if wire in (DOUBLE, UUID):
            return self.take(8 if wire == DOUBLE else 16)
        if wire == MAP:
            return self.map(opened, depth)
        raise ThriftError(f"there is no thrift type {wire}")

    def map(self, opened: Opened, depth: int) -> Any:
        _check_depth(depth)
        count = self.varint()
        if not count:
            return 0, 0, []
        kinds = self.take(1)[0]
        key, value = kinds >> 4, kinds & 15
        return key, value, [(self.element(key, opened, depth), self.element(value, opened, depth)) for _ in range(count)]

    def element(self, wire: int, opened: Opened, depth: int) -> Any:
        return self.take(1)[0] == TRUE if wire <= FALSE else self.value(wire, opened, depth + 1)

    def skip(self, wire: int, depth: int) -> None:
        """Passes a value that stays raw; most of a big footer is passed, so it makes no objects."""
        _check_depth(depth)
        data = self.data
        if I16 <= wire <= I64:
            self.varint()
        elif wire == STRUCT:
            while byte := data[self.at]:
                self.at += 1
                if byte < 0x10:
                    self.varint()
                if byte & 15 > FALSE:
                    self.skip(byte & 15, depth + 1)
                elif not byte & 15:
                    raise ThriftError("there is no thrift type 0")
            self.at += 1
        elif wire in (LIST, SET):
            kind, count = self.header()
            if kind <= BYTE:
                self.take(count)
            else:
                for _ in range(count):
                    self.skip(kind, depth + 1)
        elif wire == BINARY:
            self.take(self.varint())
        else:
            self.value(wire, True, depth)


def _check_depth(depth: int) -> None:
    if depth > _DEEPEST:
        raise ThriftError("thrift values are nested too deep")


def encode(struct: Struct) -> bytes:
    """The struct as bytes. Fields come in ascending order of their ids, as every writer's do."""
    plain = compiled.encode(struct) if compiled else None
    return encode_slowly(struct) if plain is None else plain


def encode_slowly(struct: Struct) -> bytes:
    """The same in Python, as `decode_slowly`."""
    out = bytearray()
    _put_struct(out, struct)
    return bytes(out)


def varint(number: int) -> bytes:
    """A number that is not negative, seven bits a byte, the lowest first."""
    out = bytearray()
    _put_varint(out, number)
    return bytes(out)


def of_structs(structs: Sequence[bytes]) -> tuple[int, bytes]:
    """A list of structs from their bytes, as a field that stays raw."""
    count = len(structs)
    head = bytes([count << 4 | STRUCT]) if count < 15 else bytes([0xF0 | STRUCT]) + varint(count)
    return LIST | RAW, head + b"".join(structs)


def _put_varint(out: bytearray, number: int) -> None:
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)


def _put_struct(out: bytearray, struct: Struct) -> None:
    last = 0
    for number in sorted(struct):
        wire, value = struct[number]
        kind = wire & 15
        if kind <= FALSE:
            kind = TRUE if value else FALSE
        if 0 < number - last < 16:
            out.append((number - last) << 4 | kind)
        else:
            out.append(kind)
            _put_varint(out, (number << 1) ^ (number >> 63))
        last = number
        if kind > FALSE:
            _put_value(out, wire, value)
    out.append(STOP)


def _put_value(out: bytearray, wire: int, value: Any) -> None:
    if I16 <= wire <= I64:
        _put_varint(out, (value << 1) ^ (value >> 63))
    elif wire == BINARY:
        _put_varint(out, len(value))
        out += value
    elif wire == STRUCT:
        _put_struct(out, value)
    elif wire & RAW or wire in (DOUBLE, UUID):
        out += value
    elif wire in (LIST, SET):
        _put_list(out, *value)
    elif wire == BYTE:
        out.append(value & 0xFF)
    elif wire == MAP:
        _put_map(out, *value)
    else:
        raise ThriftError(f"there is no thrift type {wire}")


def _put_list(out: bytearray, kind: int, items: list[Any]) -> None:
    if len(items) < 15:
        out.append(len(items) << 4 | kind)
    else:
        out.append(0xF0 | kind)
        _put_varint(out, len(items))
    for item in items:
        _put_element(out, kind, item)


def _put_map(out: bytearray, key: int, value: int, pairs: list[tuple[Any, Any]]) -> None:
    _put_varint(out, len(pairs))
    if pairs:
        out.append(key << 4 | value)
    for name, held in pairs:
        _put_element(out, key, name)
        _put_element(out, value, held)


def _put_element(out: bytearray, wire: int, value: Any) -> None:
    if wire <= FALSE:
        out.append(TRUE if value else FALSE)
    else:
        _put_value(out, wire, value)
