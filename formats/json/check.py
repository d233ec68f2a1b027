"""A record's text to plain Python values for judging it: nothing rounded, no key twice, everything UTF-8."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import msgspec

from .exact import exact
from .scan import duplicates, key_twice, malformed, not_utf8

_KEY_END = re.compile(rb'"[ \t\r\n]*:')

Read = Callable[[bytes], Any]


def record_reader(number: Callable[[str], Any] = exact) -> Read:
    """The function from a record's text to its value; a number with a fraction or exponent is `number` of its text.

    It raises DataError for a text that is not JSON in UTF-8, and for a key that is twice in one object, at any depth;
    `exact` for a number that is beyond all others.
    """
    decode = msgspec.json.Decoder(float_hook=number).decode

    def read(text: bytes) -> Any:
        try:
            value = decode(text)
        except UnicodeDecodeError:
            raise _bad_bytes(text) from None
        except (msgspec.DecodeError, RecursionError) as error:
            value = _with_half_pairs(text, number)
            if value is None:
                raise malformed(text, error, "a JSON value") from None
        if len(_KEY_END.findall(text)) != _keys(value) and duplicates(text):
            raise key_twice(text)
        return value

    return read


def _keys(value: Any) -> int:
    """How many members the objects in a value have together. The text has at least as many quotes before a colon; it has more
    where a key is twice, or where a string holds such a pair."""
    total, waiting = 0, [value]
    while waiting:
        each = waiting.pop()
        if each.__class__ is dict:
            total += len(each)
            each = each.values()
        elif each.__class__ is not list:
            continue
        waiting.extend(below for below in each if below.__class__ is dict or below.__class__ is list)
    return total


def _with_half_pairs(text: bytes, number: Callable[[str], Any]) -> Any:
    """The value of a text that escapes half a surrogate pair (RFC 8259 section 8.2 lets it), with U+FFFD there; else None."""
    try:
        return _scrubbed(json.loads(text.decode(), parse_float=number)) if b"\\u" in text else None
    except (ValueError, RecursionError):
        return None


def _scrubbed(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_scrubbed(each) for each in value]
    return {_scrubbed(k): _scrubbed(v) for k, v in value.items()} if isinstance(value, dict) else value


def _bad_bytes(text: bytes) -> Exception:
    try:
        text.decode()
    except UnicodeDecodeError as error:
        return not_utf8(error)
    return malformed(text, ValueError("a character is malformed"), "a JSON value")
