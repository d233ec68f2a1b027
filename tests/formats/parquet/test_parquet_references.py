"""The compiled reading of references: what a data page names, and no damage that it does not see."""

from __future__ import annotations

import array
import random
from typing import Any, cast

import pytest
from examples import examples

from instar.formats.parquet import thrift

COMPILED = cast(Any, thrift.compiled)
pytestmark = pytest.mark.skipif(thrift.compiled is None, reason="the compiled part was not built here")


def varint(number: int) -> bytes:
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def packed(numbers: list[int], width: int) -> bytes:
    groups = -(-len(numbers) // 8)
    held = sum(number << (i * width) for i, number in enumerate(numbers))
    return varint(groups << 1 | 1) + held.to_bytes(groups * width, "little")


def repeated(number: int, times: int, width: int) -> bytes:
    return varint(times << 1) + number.to_bytes((width + 7) // 8, "little")


def runs(numbers: list[int], width: int, draw: random.Random) -> bytes:
    """The numbers in runs of either kind; all packed ones but the last are of whole groups of eight."""
    out, at = b"", 0
    while at < len(numbers):
        same = next((i for i in range(at, len(numbers)) if numbers[i] != numbers[at]), len(numbers)) - at
        if same > 3 or draw.random() < 0.2:
            out, at = out + repeated(numbers[at], same, width), at + same
        else:
            count = min(8 * draw.randrange(1, 20), len(numbers) - at)
            out, at = out + packed(numbers[at : at + count], width), at + count
    return out


def ranks(numbers: list[int]) -> bytes:
    return array.array("I", numbers).tobytes()


@pytest.mark.parametrize("seed", range(60))
def test_it_finds_the_nulls_and_the_bounds(seed: int) -> None:
    draw = random.Random(seed)
    count = draw.choice([1, 2, 5, 200, 5000])
    width = max((count - 1).bit_length() + draw.choice([0, 0, 3]), draw.choice([0, 1, 24, 32]) if seed % 5 == 0 else 0)
    order = draw.sample(range(count), count)
    there = [draw.random() < draw.choice([0.9, 0.1]) for _ in range(draw.randrange(1, 700))]
    named = [draw.randrange(count) for held in there if held]
    for i in range(0, len(named) - 40, 90):
        named[i : i + 30] = [named[i]] * 30
    data = bytes([width]) + runs(named, width, draw) + draw.randbytes(draw.randrange(12))
    found = [order[number] for number in named]
    low, high = min(found, default=-1), max(found, default=-1)
    levels = runs([int(held) for held in there], 1, draw)
    assert COMPILED.referred(levels, data, len(there), ranks(order)) == (there.count(False), low, high)
    if named:
        assert COMPILED.referred(None, memoryview(data), len(named), ranks(order)) == (0, low, high)


ODD: dict[str, tuple[bytes | None, bytes, int]] = {
    "no data": (None, b"", 1),
    "no runs": (None, b"\2", 1),
    "a wide number": (None, b"\x21" + repeated(0, 1, 33), 1),
    "an entry that the dictionary has not": (None, b"\2" + repeated(3, 4, 2), 4),
    "such a one among others": (None, b"\2" + packed([0, 1, 2, 3], 2), 4),
    "a run that ends after the page": (None, b"\2" + repeated(1, 5, 2), 4),
    "a run that is cut": (None, b"\2" + packed([1] * 16, 2)[:-1], 16),
    "too many groups": (None, b"\2" + packed([1] * 64, 2), 8),
    "a length of 2 ** 60": (None, b"\2" + varint(1 << 61 | 1) + b"\0" * 90, 8),
    "too few": (None, b"\2" + repeated(1, 3, 2), 4),
    "too few levels": (repeated(1, 3, 1), b"\2" + repeated(1, 4, 2), 4),
    "levels of 2 that make up for those of 0": (repeated(2, 2, 1) + repeated(0, 2, 1), b"\2" + repeated(1, 4, 2), 4),
    "a level of 9": (repeated(9, 4, 1), b"\2" + repeated(1, 36, 2), 4),
}


@pytest.mark.parametrize("what", ODD)
def test_what_is_odd_is_told(what: str) -> None:
    levels, data, values = ODD[what]
    assert COMPILED.referred(levels, data, values, ranks([0, 1, 2])) is None


def test_a_dictionary_without_values_is_odd() -> None:
    assert COMPILED.referred(None, b"\0" + repeated(0, 4, 0), 4, b"") is None
    assert COMPILED.referred(None, b"\0" + repeated(0, 4, 0), 4, ranks([0])) == (0, 0, 0)
    assert COMPILED.referred(repeated(0, 4, 1), b"", 4, ranks([0])) == (4, -1, -1)
    assert COMPILED.referred(None, b"\0\3", 8, ranks([7])) == (0, 7, 7)


def test_no_bytes_make_it_fail() -> None:
    draw = random.Random(5)
    for _ in range(examples(bounded=1000, many=30_000)):
        levels = draw.choice([None, draw.randbytes(draw.randrange(20))])
        data = bytes([draw.randrange(40)]) + draw.randbytes(draw.randrange(60))
        found = COMPILED.referred(levels, data, draw.choice([0, 1, 7, 8, 9, 200, 2**31 - 1, 2**63]), ranks(list(range(9))))
        assert found is None or (len(found) == 3 and found[1] <= found[2] < 9)
