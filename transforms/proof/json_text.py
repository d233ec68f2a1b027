"""JSON files as Python's own parser reads them, with the text of every number kept.

Values are dict, list, str, bool and None; a number is a `msgspec.Raw` of its text. Keys keep their order; a key twice, NaN and
Infinity are errors. `canonical` gives a value's bytes: number text and key order count, white space and escapes do not.
"""

from __future__ import annotations

import gzip
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import Any, BinaryIO

import msgspec
from msgspec import Raw

from instar.formats.json.layout import layout_of

_CHUNK = 1 << 20


def _constant(text: str) -> Any:
    raise ValueError(f"{text} is no JSON number")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(n for n in names if names.count(n) > 1)!r} is given twice")
    return found


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_float=Raw, parse_int=Raw, parse_constant=_constant)
_encode = msgspec.json.Encoder().encode


def value_of(text: str) -> Any:
    """The value of one JSON text.

    Raises:
        ValueError: it is not JSON.
    """
    return _DECODER.decode(text)


_TWICE = json.JSONDecoder(object_pairs_hook=_object, parse_float=len, parse_int=len, parse_constant=_constant)
"""Numbers are only passed over: their text is not wanted."""


def refuse_twice(text: str) -> None:
    """
    Raises:
        ValueError: it is not JSON, or an object in it has a key twice.
    """
    _TWICE.decode(text)


def canonical(value: Any) -> bytes:
    """A value's bytes: compact JSON."""
    try:
        return _encode(value)
    except UnicodeEncodeError:  # half a surrogate pair, which JSON can spell and UTF-8 cannot
        return _spelled(value).encode()


def _spelled(value: Any) -> str:
    match value:
        case dict():
            return "{" + ",".join(f"{json.dumps(name)}:{_spelled(each)}" for name, each in value.items()) + "}"
        case list():
            return "[" + ",".join(map(_spelled, value)) + "]"
        case Raw():
            return number_text(value)
        case _:
            return json.dumps(value)


def short(value: Any) -> str:
    """A value as JSON, of a long one the beginning: for messages."""
    text = canonical(value).decode()
    return text if len(text) <= 60 else text[:59] + "…"


def number_text(number: Raw) -> str:
    """The text of a number."""
    return bytes(number).decode()


def records(path: FilePath, left_out: frozenset[int] = frozenset()) -> Iterator[Any]:
    """Every record in order: the elements of one array, else the lines, else the one document.

    The records of the numbers `left_out` are not looked into: they need not even be JSON.

    Raises:
        ValueError: not JSON, or not UTF-8; names the record.
    """
    try:
        yield from _records(path, left_out)
    except UnicodeDecodeError as error:
        raise ValueError(f"record {_first_no_text(path)} is not UTF-8: {error.reason}") from None


def _first_no_text(path: FilePath) -> int:
    """The number of the first record that is not UTF-8."""
    number = 0
    try:
        for _ in _records(path, frozenset({-1})):  # each is looked at by itself
            number += 1
    except ValueError:
        pass
    return number


def _records(path: FilePath, left_out: frozenset[int]) -> Iterator[Any]:
    with path.open("rb") as raw, plain_bytes(raw) as file:
        head = file.peek(64)  # type: ignore[attr-defined]
        # bytes that are no text may stand in a record that is left out; in any other they are an error
        text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape" if left_out else "strict", newline="\n")
        if head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"[":
            yield from _elements(text, left_out)
        else:
            if 0 in left_out and layout_of(path).kind == "document":
                return
            yield from _lines(text, left_out)


def plain_bytes(raw: BinaryIO) -> Any:
    """The file's content, decompressed where its first bytes say so."""
    head = raw.read(4)
    raw.seek(0)
    if head[:2] == b"\x1f\x8b":
        return io.BufferedReader(gzip.GzipFile(fileobj=raw))
    if head == b"\x28\xb5\x2f\xfd":
        import zstandard

        return io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True))  # type: ignore[arg-type]
    return raw


def _lines(text: io.TextIOWrapper, left_out: frozenset[int]) -> Iterator[Any]:
    number = 0
    for line in text:
        if not line.strip(" \t\r\n"):
            continue
        if number in left_out:
            number += 1
            continue
        try:
            value = _DECODER.decode(_checked(line) if left_out else line)
        except json.JSONDecodeError as error:
            if number:
                raise ValueError(f"record {number}: {error.msg}") from None
            yield _DECODER.decode(line + text.read())  # its first line is no value: one document over several lines
            return
        yield value
        number += 1


def _elements(text: io.TextIOWrapper, left_out: frozenset[int]) -> Iterator[Any]:
    """The elements of one array, read piece by piece.

    Raises:
        ValueError: it is no array, or more than one.
    """
    buffer, at, _ = _next(text, "", 0)
    buffer, at, mark = _next(text, buffer, at + 1)
    number = 0
    while mark != "]":
        try:
            value, end = (None, _end(buffer, at)) if number in left_out else _DECODER.raw_decode(buffer, at)
            if end + 3 > len(buffer) and not buffer[end:].strip(".eE+-"):  # a number may go on
                raise json.JSONDecodeError("more to come", buffer, end)
        except json.JSONDecodeError as error:
            more = text.read(max(_CHUNK, len(buffer) - at))
            if not more or mark == ",":
                raise ValueError(f"record {number}: {error.msg}") from None
            buffer, at = buffer[at:] + more, 0
            continue
        if number not in left_out:
            if left_out:
                _checked(buffer[at:end])
            yield value
        number += 1
        buffer, at, mark = _next(text, buffer, end)
        if mark == ",":
            buffer, at, mark = _next(text, buffer, at + 1)
            if mark == "]":
                raise ValueError(f"record {number} is missing after a comma")
        elif mark != "]":
            raise ValueError(f"record {number}: there is no comma before it")
    if _next(text, buffer, at + 1)[2]:
        raise ValueError("there is more after the end of the array")


def _next(text: io.TextIOWrapper, buffer: str, at: int) -> tuple[str, int, str]:
    """The text from there on, read further where it must be, the place of the next character that is no white space, and that; ""
    at the end."""
    while True:
        found = _NOT_BLANK.search(buffer, at)
        if found:
            return buffer, found.start(), found[0]
        buffer, at = text.read(_CHUNK), 0
        if not buffer:
            return "", 0, ""


def _checked(text: str) -> str:
    """The text, if all of it was UTF-8."""
    text.encode()
    return text


_NOT_BLANK = re.compile(r"[^ \t\r\n]")
_MARK = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{},]|"', re.DOTALL)


def _end(buffer: str, at: int) -> int:
    """Where an element ends, be it JSON or not: before the comma or bracket that is in none of its own brackets and texts."""
    depth = 0
    for mark in _MARK.finditer(buffer, at):
        found = mark[0]
        if found == '"':
            break
        if found in "[{":
            depth += 1
        elif found in "]}" and depth:
            depth -= 1
            if not depth:
                return mark.end()
        elif found in "],}" and not depth:
            return mark.start()
    raise json.JSONDecodeError("more to come", buffer, at)
