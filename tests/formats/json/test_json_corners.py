"""Texts with the corners of JSON's grammar put in anywhere: spliced they come out, or are refused, as without splicing."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from instar.formats.compiled import missing_parts
from instar.formats.errors import InstarError
from instar.formats.format import Rewrite
from instar.transforms.mapping import chain

from .respelled import respelled
from .test_json_splice import OPERATIONS, RECORDS, request_for, schema

pytestmark = pytest.mark.skipif("json" in missing_parts(), reason="the compiled part for JSON is not built here")

CORNERS = [
    b"1e99999999999999999999", b"-0.0e-0", b"0e1", b"1E400", b"9" * 400, b"0." + b"1" * 300, b"-", b"+1", b".5", b"1.", b"01",
    b'"\\ud83d\\ude00"', b'"\\uD83D"', b'"\\ude00"', b'"\\ud83d\\u0041"', b'"\\u00"', b'"\\x"', b'"a\\/b"', b'"\\u0000"',
    b'"\xf0\x9f\x98\x80"', b'"\xc0\x80"', b'"\xe0\x80\x80"', b'"\xed\xbf\xbf"', b'"\xef\xbf\xbf"', b'"\xf4\x8f\xbf\xbf"',
    b'"\xf4\x90\x80\x80"', b'"\xe2\x82"', b'"\x7f"', b'"\x1f"', b"\x00", b"\x0b", b"\x0c", b"\xa0", b"\xef\xbb\xbf", b"\t", b"\r",
    b'""', b'"":1', b'"\\u0069d":2', b'"id":', b'"new":1,', b'"key":3,', b'"x":1', b'"deep":{', b'"tags":{"a":1}', b'"items":[{}],',
    b"{}", b"[]", b"[[[]]]", b"[1,]", b"{,}", b"null", b"true", b"NaN", b"-Infinity", b"//c", b"'a'",
]  # fmt: skip


def with_corners(text: bytes, spare: random.Random) -> bytes:
    """A line, a few places of it replaced."""
    for _ in range(spare.choice([0, 1, 1, 2, 3])):
        start = spare.randrange(len(text) + 1)
        end = min(len(text), start + spare.choice([0, 0, 1, 1, 2, 5, 20]))
        with_what = spare.choice([b"", spare.choice(CORNERS), text[start:end] * 2, spare.randbytes(1)])
        text = text[:start] + with_what + text[end:]
    return text.replace(b"\n", b" ")


def check(rounds: int, seed: int) -> None:
    from instar.formats.json.chunks import Chunk, compiled
    from instar.formats.json.splice import Splicer

    spare, plain = random.Random(seed), 0
    names = [name for name in OPERATIONS if "sql" not in name]
    requests: list[Rewrite] = [request_for(chain(schema(), OPERATIONS[name]), Path("never.ndjson")) for name in names]
    for _ in range(rounds):
        request = spare.choice(requests)
        splicer = Splicer(request)
        text = b"\n".join(
            with_corners(respelled(spare.choice(RECORDS), spare).encode(), spare) for _ in range(spare.choice([1, 2]))
        )
        places, _, _ = compiled.lines(text, 1 << 20, 1000, True)
        chunk = Chunk(text, places)
        assert spliced(splicer, chunk) == converted(request, chunk), text
        plain += splicer.spliced
    assert plain > rounds // 10


def spliced(splicer: Any, chunk: Any) -> Any:
    return outcome(lambda: splicer.finished(chunk, splicer.scanner().scan(chunk)))


def converted(request: Rewrite, chunk: Any) -> Any:
    request.starts_at(0)
    return outcome(lambda: chunk.with_records(request.convert(chunk.records())))


def outcome(make: Callable[[], bytes]) -> Any:
    try:
        return make()
    except InstarError as error:
        return type(error), error.message, error.hint, error.where, error.bare


def test_any_text_is_spliced_as_it_is_converted() -> None:
    check(1_500, 1)


@pytest.mark.slow
def test_any_text_is_spliced_as_it_is_converted_at_length() -> None:
    check(30_000, 2)
