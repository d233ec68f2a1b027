"""The compiled part reads footers as the Python does that it stands for, and leaves to it all that is odd."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from instar.formats.errors import UnreadableError
from instar.formats.parquet import footer_form, page_index, thrift
from instar.formats.parquet.chunks import Unspliceable
from instar.formats.parquet.file import FORMAT
from instar.formats.parquet.footer import _OPENED, parse_footer, read_footer

COMPILED = cast(Any, thrift.compiled)
needs_compiled = pytest.mark.skipif(thrift.compiled is None, reason="the compiled part was not built here")
OPENED: tuple[thrift.Opened, ...] = (_OPENED, True, False, {}, {4: {1: False}, 5: True})


@pytest.fixture(scope="module")
def footers(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    folder, found = tmp_path_factory.mktemp("footers"), list[bytes]()
    table = pa.table({
        "a": [1, 2, 3, 4], "b": [["x"], [], None, ["y", "z"]], "s": [{"p": 1, "q": "u"}] * 4, "d": [True, None, False, True],
        "m": pa.array([[("k", 1)]] * 4, pa.map_(pa.string(), pa.int32())),
    })  # fmt: skip
    variants: tuple[dict[str, Any], ...] = (
        {},
        {"row_group_size": 2, "write_page_index": True, "compression": "snappy"},
        {"store_schema": False, "version": "1.0"},
        {"sorting_columns": [pq.SortingColumn(0)]},
    )
    for number, options in enumerate(variants):
        path = folder / str(number)
        pq.write_table(table, path, **options)
        data = path.read_bytes()
        found.append(data[-8 - int.from_bytes(data[-8:-4], "little") : -8])
    return found


def damaged(footers: list[bytes], count: int) -> Iterator[bytes]:
    """Footers with a few bytes changed, cut off or put in."""
    choose = random.Random(5)
    for _ in range(count):
        data = bytearray(choose.choice(footers))
        for _ in range(choose.choice([1, 1, 2, 4])):
            at = choose.randrange(len(data))
            match choose.randrange(4):
                case 0:
                    data[at] ^= 1 << choose.randrange(8)
                case 1:
                    data[at] = choose.randrange(256)
                case 2:
                    del data[at : at + choose.randrange(1, 9)]
                case _:
                    data[at:at] = choose.randbytes(choose.randrange(1, 12))
        yield bytes(data[: choose.randrange(len(data))] if choose.random() < 0.1 else data)


def slowly(data: bytes, at: int, opened: thrift.Opened) -> Any:
    try:
        return thrift.decode_slowly(data, at, opened)
    except (thrift.ThriftError, RecursionError):
        return None


@needs_compiled
def test_footers_are_read_alike(footers: list[bytes]) -> None:
    for data in footers:
        for opened in OPENED:
            assert COMPILED.decode(data, 0, opened) == thrift.decode_slowly(data, 0, opened)


@needs_compiled
def test_damaged_footers_are_read_alike_or_left_alone(footers: list[bytes]) -> None:
    read = 0
    for number, data in enumerate(damaged(footers, 1500)):
        opened = OPENED[number % len(OPENED)]
        found = COMPILED.decode(data, 0, opened)
        assert found is None or found == slowly(data, 0, opened)
        read += found is not None
    assert read > 300


@needs_compiled
@pytest.mark.slow
def test_any_bytes_are_read_alike_or_left_alone(footers: list[bytes]) -> None:
    choose = random.Random(6)
    for data in (*damaged(footers, 60_000), *(choose.randbytes(choose.randrange(60)) for _ in range(60_000))):
        at, opened = choose.randrange(4), choose.choice(OPENED)
        found = COMPILED.decode(data, at, opened)
        assert found is None or found == slowly(data, at, opened)
        if found is not None:
            assert COMPILED.fits(found[0], footer_form._FILE.plain) == fits_slowly(found[0])


def fits_slowly(struct: thrift.Struct) -> bool:
    try:
        footer_form._check(struct, footer_form._FILE)
    except thrift.ThriftError:
        return False
    return True


@needs_compiled
def test_the_form_is_checked_alike(footers: list[bytes]) -> None:
    said = set[bool]()
    for data in (*footers, *damaged(footers, 1500)):
        found = slowly(data, 0, _OPENED)
        if found is not None:
            said.add(fits_slowly(found[0]))
            assert COMPILED.fits(found[0], footer_form._FILE.plain) == fits_slowly(found[0])
    assert said == {True, False}


@needs_compiled
@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x16" + b"\xff" * 10 + b"\x01\x00",  # a number of more than 64 bits
        b"\x1b\x01\x88\x01a\x01b\x00",  # a map
        b"\x1c" * 70 + b"\x00" * 71,  # structs in structs
        b"\x19" * 70,  # lists in lists
        b"\x19\xfc\xff\xff\xff\xff\x0f",  # a list of four thousand million structs
        b"\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",  # a text that is longer than memory
        b"\x10\x00",
        b"\x19\x0e\x00",  # no such types
        b"\x0c\xff\xff\xff\xff\x0f\x00\x00",  # a field number that no field has
    ],
)
def test_what_is_odd_is_left_to_python(data: bytes) -> None:
    assert COMPILED.decode(data, 0, True) is None


@needs_compiled
def test_what_is_no_struct_has_no_form() -> None:
    for value in (None, [], {4: 1}, {4: (9,)}, {4: (9, 1)}, {4: (9, (12, 1))}, {4: (9, (12, [1]))}, {4: ("x", 1)}):
        try:
            assert not COMPILED.fits(value, footer_form._FILE.plain)
        except TypeError:
            assert value == {4: ("x", 1)}  # no wire type at all
    assert COMPILED.decode(b"\x00", 5, True) is None
    assert COMPILED.decode(b"\x00", -1, True) is None


# ---- writing
def values() -> st.SearchStrategy:
    """What stands in decoded structs, and what should not."""
    numbers = st.one_of(st.integers(-(2**70), 2**70), st.integers(-200, 200))
    return st.one_of(numbers, st.binary(max_size=20), st.booleans(), st.none(), st.floats(), st.binary(max_size=5).map(bytearray))


def fields() -> st.SearchStrategy:
    """Pairs of a wire type and a value, the two fitting in most but not in all."""
    wires = st.one_of(st.integers(0, 15), st.sampled_from([5, 6, 8, 0x108, 0x109, 0x10C, 0x101, -1, 2**70]))

    def nested(held: st.SearchStrategy) -> st.SearchStrategy:
        struct = st.dictionaries(st.one_of(st.integers(-5, 40), st.integers(-40000, 40000)), held, max_size=20)
        pairs = st.tuples(st.just(12), st.lists(struct, max_size=20))
        flat = st.tuples(st.sampled_from([5, 6]), st.lists(st.integers(-(2**63), 2**63 - 1), max_size=20))
        odd = st.tuples(wires, st.lists(values(), max_size=3))
        lists = st.one_of(pairs, flat, odd, st.tuples(st.sampled_from([1, 2]), st.lists(st.booleans(), max_size=17)))
        return st.one_of(st.tuples(st.just(12), struct), st.tuples(st.sampled_from([9, 10]), lists))

    plain = st.one_of(
        st.tuples(st.sampled_from([4, 5, 6]), st.integers(-(2**63), 2**63 - 1)),
        st.tuples(st.sampled_from([7, 8, 13, 0x108, 0x109, 0x10B, 0x10C]), st.binary(max_size=200)),
        st.tuples(st.just(1), st.booleans()),
        st.tuples(st.just(3), st.integers(0, 255)),
    )
    return st.recursive(st.one_of(plain, plain, plain, st.tuples(wires, values())), nested, max_leaves=30)


@needs_compiled
@given(st.dictionaries(st.integers(-5, 40), fields(), max_size=30))
@settings(max_examples=examples(bounded=33, many=100), deadline=None)
def test_structs_are_written_alike_or_left_alone(struct: thrift.Struct) -> None:
    found = COMPILED.encode(struct)
    if found is not None:
        assert found == thrift.encode_slowly(struct)


@needs_compiled
def test_footers_are_written_alike(footers: list[bytes]) -> None:
    for data in footers:
        for opened in OPENED:
            struct = thrift.decode_slowly(data, 0, opened)[0]
            assert COMPILED.encode(struct) == thrift.encode_slowly(struct)
    written = 0
    for number, data in enumerate(damaged(footers, 600)):
        struct = slowly(data, 0, OPENED[number % len(OPENED)])
        found = struct and COMPILED.encode(struct[0])
        assert found is None or found == thrift.encode_slowly(struct[0])
        written += found is not None
    assert written > 150


@needs_compiled
@pytest.mark.parametrize(
    "struct",
    [
        None,
        {1: 5},
        {1: (5,)},
        {1: (5, 1, 1)},
        {1: ("x", 1)},
        {1: (5, 1.0)},
        {1: (6, 2**63)},
        {1: (6, -(2**63) - 1)},
        {1: (2**64 + 5, 1)},
        {1: (-11, 1)},
        {2**20: (5, 1)},
        {"x": (5, 1)},
        {1: (8, "text")},
        {1: (8, bytearray(b"x"))},
        {1: (1, 1)},
        {1: (0, True)},
        {1: (11, (0, 0, []))},
        {1: (14, b"")},
        {1: (0x10E, b"")},
        {1: (9, [1])},
        {1: (9, (5, (1, 2)))},
        {1: (9, (16, []))},
        {1: (9, (1, [0]))},
        {1: (12, [])},
        {1: (0x10C, {})},
        dict.fromkeys(range(65), (5, 1)),
    ],
)
def test_what_is_odd_to_write_is_left_to_python(struct: Any) -> None:
    assert COMPILED.encode(struct) is None


@needs_compiled
def test_what_is_nested_deeply_is_written_by_python() -> None:
    struct: thrift.Struct = {}
    for _ in range(200):
        struct = {1: (12, struct)}
    assert COMPILED.encode(struct) is None
    assert thrift.encode(struct) == b"\x1c" * 200 + b"\x00" * 201


def offset_index(choose: random.Random) -> bytes:
    count = choose.choice([0, 1, 3, 14, 15, 40])
    places = [{1: (6, choose.choice([4, 200, 2**40, 2**62])), 2: (5, choose.randrange(2**31)), 3: (6, choose.randrange(2**40))}
              for _ in range(count)]  # fmt: skip
    more: thrift.Struct = {2: (9, (6, [1, 2, 3]))} if choose.random() < 0.5 else {}
    return thrift.encode_slowly({1: (9, (12, places)), **more})


def moved_slowly(index: bytes, by: int) -> bytes | None:
    try:
        return page_index.moved_slowly(index, by)
    except (Unspliceable, ValueError, IndexError):
        return None


@needs_compiled
def test_offset_indexes_are_moved_alike_or_left_alone() -> None:
    choose, read = random.Random(8), 0
    for number in range(3000):
        index = offset_index(choose) if number % 2 else next(damaged([offset_index(choose)], 1))
        for by in (choose.randrange(-300, 300), choose.randrange(-(2**41), 2**41), 2**63 - 1):
            found = COMPILED.moved(index, by)
            assert found is None or found == moved_slowly(index, by)
            read += found is not None
    assert read > 1000


@needs_compiled
def test_a_struct_that_is_no_offset_index_is_moved_by_python() -> None:
    with pytest.raises(OverflowError):
        COMPILED.moved(b"\x00", 2**63)
    for index in (b"", b"\x00", b"\x19", b"\x19\x15\x02", b"\x19\xfc\xff\xff\xff\xff\x0f", b"\x19\x1c\x16\x08\x15"):
        assert COMPILED.moved(index, 4) is None


def test_without_the_compiled_part_everything_is_as_with_it(footers: list[bytes], tmp_path: Path, monkeypatch) -> None:
    pq.write_table(pa.table({"a": [1], "b": ["x"]}), tmp_path / "f.parquet")
    with_it = FORMAT.inspect(tmp_path / "f.parquet"), read_footer(tmp_path / "f.parquet").struct
    monkeypatch.setattr(thrift, "compiled", None)
    assert (FORMAT.inspect(tmp_path / "f.parquet"), read_footer(tmp_path / "f.parquet").struct) == with_it
    with pytest.raises(UnreadableError, match="ends too early"):
        parse_footer(footers[0][:-3], tmp_path / "f.parquet")
