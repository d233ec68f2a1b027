"""What the compiled part finds of column chunks, and how it moves them, is as in Python; what is odd is left alone."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from instar.formats.errors import UnreadableError
from instar.formats.parquet import thrift
from instar.formats.parquet.chunks import Unspliceable, all_outlines, refuse_odd
from instar.formats.parquet.footer import Footer, codecs_used, parse_footer
from instar.formats.parquet.footer_form import is_ordinary
from instar.formats.parquet.moving import Moved, written, written_slowly
from instar.formats.parquet.outlines import outlined

COMPILED = cast(Any, thrift.compiled)
needs_compiled = pytest.mark.skipif(thrift.compiled is None, reason="the compiled part was not built here")
FILE = Path("a.parquet")
TABLE = pa.table({
    "a": [1, 2, 3, 4], "b": [["x"], [], None, ["y", "z"]], "s": [{"p": 1, "q": "u"}] * 4, "d": [True, None, False, True],
    "m": pa.array([[("k", 1)]] * 4, pa.map_(pa.string(), pa.int32())), "n": pa.nulls(4, pa.string()),
})  # fmt: skip
OPTIONS: tuple[dict[str, Any], ...] = (
    {},
    {"row_group_size": 2, "write_page_index": True, "compression": "snappy"},
    {"write_page_index": True, "bloom_filter_options": {"a": True}, "sorting_columns": [pq.SortingColumn(0)]},
    {"store_schema": False, "version": "1.0", "use_dictionary": False, "write_statistics": False},
)


@pytest.fixture(scope="module")
def footers(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[bytes, int]]:
    """Footers, and where they begin in their files."""
    path, found = tmp_path_factory.mktemp("footers") / "f", list[tuple[bytes, int]]()
    for options in OPTIONS:
        pq.write_table(TABLE, path, **options)
        data = path.read_bytes()
        length = int.from_bytes(data[-8:-4], "little")
        found.append((data[-8 - length : -8], len(data) - 8 - length))
    return found


def damaged(footers: list[tuple[bytes, int]], count: int) -> Iterator[tuple[bytes, int]]:
    """Footers with a byte or two changed, mostly where chunks are described."""
    choose = random.Random(11)
    for _ in range(count):
        whole, start = choose.choice(footers)
        data = bytearray(whole)
        for _ in range(choose.choice([1, 1, 1, 2])):
            at = choose.randrange(len(data) // 5, len(data))
            data[at] = choose.choice([data[at] ^ 1 << choose.randrange(8), choose.randrange(256)])
        yield bytes(data), start


def outcome(data: bytes, start: int) -> tuple[Footer | None, Any]:
    """A footer, and all that is found of it and of its chunks."""
    try:
        footer = parse_footer(data, FILE, start, start + len(data) + 8)
    except UnreadableError as error:
        return None, error.message
    try:
        refuse_odd(footer)
    except Unspliceable as odd:
        return footer, (footer.struct, set(codecs_used(footer)), str(odd))
    outlines = [replace(each, structs=[]) for each in all_outlines(footer)]
    return footer, (footer.struct, footer.rows, set(codecs_used(footer)), outlines)


@needs_compiled
def test_chunks_are_seen_alike(footers: list[tuple[bytes, int]], monkeypatch: pytest.MonkeyPatch) -> None:
    for data, start in footers:
        footer, found = outcome(data, start)
        assert footer is not None
        assert footer.outlines is not None
        with monkeypatch.context() as without:
            without.setattr(thrift, "compiled", None)
            slow, expected = outcome(data, start)
            assert slow is not None
            assert slow.outlines is None
        assert found == expected


@needs_compiled
def test_damaged_chunks_are_seen_alike_or_left_alone(footers: list[tuple[bytes, int]], monkeypatch: pytest.MonkeyPatch) -> None:
    seen = {"outlined": 0, "left alone": 0, "refused": 0}
    for data, start in damaged(footers, 1500):
        footer, found = outcome(data, start)
        if footer is not None and footer.outlines is not None:
            assert is_ordinary(footer.struct)
        with monkeypatch.context() as without:
            without.setattr(thrift, "compiled", None)
            assert outcome(data, start)[1] == found
        seen["refused" if footer is None else "left alone" if footer.outlines is None else "outlined"] += 1
    assert min(seen.values()) > 100


@needs_compiled
def test_chunks_are_moved_alike(footers: list[tuple[bytes, int]]) -> None:
    choose, plain = random.Random(12), 0
    for data, start in footers:
        footer = parse_footer(data, FILE, start)
        for group, outlines in enumerate(all_outlines(footer)):
            for leaf in range(len(footer.leaves)):
                for by in (0, choose.randrange(-3, 2**40), 2**63 - 1):
                    places = {
                        "column_index_at": choose.randrange(2**40) if outlines.column_index_at[leaf] else 0,
                        "offset_index_at": choose.randrange(2**40) if outlines.offset_index_at[leaf] else 0,
                        "offset_index_length": choose.randrange(2**20),
                        "bloom_filter_at": choose.randrange(2**40),
                        "bloom_filter_length": choose.randrange(2**20),
                    }
                    path = (b"new",) if choose.random() < 0.1 else None
                    moved = Moved(b"", footer, outlines, group, leaf, path, by, **places)
                    assert written(moved) == written_slowly(moved)
                    plain += by < 2**63 - 1 and path is None
    assert plain > 40


@needs_compiled
def test_what_is_no_list_of_chunks_is_left_alone(footers: list[tuple[bytes, int]]) -> None:
    data, start = footers[1]
    footer = parse_footer(data, FILE, start)
    assert footer.outlines is not None
    chunks, forms = thrift.of_structs(footer.outlines[0].structs)[1], footer.root.forms
    assert outlined(chunks, forms) == footer.outlines[0]
    for odd in (b"", chunks[:-1], chunks + b"\0", b"\x15" + chunks[1:]):
        assert outlined(odd, forms) is None
    assert outlined(chunks, forms[1:]) is None
    assert outlined(chunks, [*forms[1:], forms[0]]) is None
    for cut in range(len(chunks)):
        assert outlined(chunks[:cut], forms) is None
    assert COMPILED.outlines(chunks, [None] * len(forms)) is None
    with pytest.raises(TypeError):
        COMPILED.outlines(chunks, [(b"a", 1)] * len(forms))
    for odd in (b"", b"\0", footer.outlines[0].structs[0][:-1]):
        assert COMPILED.moved_chunk(odd, 4, 9, 1, 0, 0, 0) in (None, b"\0")
