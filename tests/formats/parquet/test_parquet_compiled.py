"""The compiled part reads footers as the Python does that it stands for, and leaves to it all that is odd."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from instar.formats.errors import UnreadableError
from instar.formats.parquet import footer_form, thrift
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
            assert COMPILED.fits(found[0], footer_form._PLAIN) == fits_slowly(found[0])


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
            assert COMPILED.fits(found[0], footer_form._PLAIN) == fits_slowly(found[0])
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
            assert not COMPILED.fits(value, footer_form._PLAIN)
        except TypeError:
            assert value == {4: ("x", 1)}  # no wire type at all
    assert COMPILED.decode(b"\x00", 5, True) is None
    assert COMPILED.decode(b"\x00", -1, True) is None


def test_without_the_compiled_part_everything_is_as_with_it(footers: list[bytes], tmp_path: Path, monkeypatch) -> None:
    pq.write_table(pa.table({"a": [1], "b": ["x"]}), tmp_path / "f.parquet")
    with_it = FORMAT.inspect(tmp_path / "f.parquet"), read_footer(tmp_path / "f.parquet").struct
    monkeypatch.setattr(thrift, "compiled", None)
    assert (FORMAT.inspect(tmp_path / "f.parquet"), read_footer(tmp_path / "f.parquet").struct) == with_it
    with pytest.raises(UnreadableError, match="ends too early"):
        parse_footer(footers[0][:-3], tmp_path / "f.parquet")
