"""Damaged pages and page indexes of columns of which only the dictionaries would be encoded."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from instar.formats.errors import InstarError, UnreadableError
from instar.formats.format import Rewritten, format_named
from instar.formats.parquet import scratch, thrift
from instar.formats.parquet.footer import MAGIC, framed, get, items, read_footer
from instar.formats.parquet.thrift import BINARY, I32, STRUCT, Struct
from instar.transforms import operations as op
from instar.transforms.mapping import Operation, chain
from instar.transforms.run.request import rewrite_request

pytestmark = pytest.mark.skipif(thrift.compiled is None, reason="dictionaries alone are encoded by the help of the compiled part")
TABLE = pa.table({"a": pa.array([1, 2, 3, None, 1000] * 200, pa.int32()), "b": ["x", "yy", None, "x", "x"] * 200})
WIDER = (op.cast("a", "int64"), op.cast("b", "bytes"))
DICTIONARY, DATA = 0, 1
Way = Callable[[Path, Path, Sequence[Operation]], Rewritten]


def done(source: Path, target: Path, operations: Sequence[Operation]) -> Rewritten:
    format = format_named("parquet")
    schema = format.inspect(source).schema
    assert schema is not None
    mapping = chain(schema, operations)
    return format.rewrite(rewrite_request(format, mapping, source, target, memory=1 << 30, stamp=None, progress=lambda *_: None))


@pytest.fixture
def by_pages(monkeypatch: pytest.MonkeyPatch) -> Way:
    """The same with all pages encoded."""

    def run(source: Path, target: Path, operations: Sequence[Operation]) -> Rewritten:
        with monkeypatch.context() as patch:
            patch.setattr(scratch, "recoded", lambda *_: ())
            return done(source, target, operations)

    return run


def outcome(way: Way, source: Path, target: Path, operations: Sequence[Operation] = WIDER) -> Any:
    """The new file's rows, or what kind of error there is."""
    try:
        way(source, target, operations)
    except InstarError as error:
        return type(error)
    return repr(pq.read_table(target).to_pylist())


def chunk_of(path: Path) -> Struct:
    return items(read_footer(path).row_groups[0], 1)[0]


def test_a_damaged_page_is_found_by_its_checksum(tmp_path: Path) -> None:
    source = tmp_path / "source"
    pq.write_table(TABLE.select(["a"]), source, compression="none", write_page_checksum=True)
    data = bytearray(source.read_bytes())
    data[get(get(chunk_of(source), 3), 9) + 100] ^= 1
    source.write_bytes(data)
    with pytest.raises(UnreadableError):
        done(source, tmp_path / "new", [op.cast("a", "string")])


@pytest.mark.parametrize("field", [4, 6])
def test_a_damaged_page_index_is_made_anew(field: int, tmp_path: Path, by_pages: Way) -> None:
    source = tmp_path / "source"
    pq.write_table(TABLE, source, max_rows_per_page=100, write_page_index=True)
    data = bytearray(source.read_bytes())
    data[get(chunk_of(source), field)] ^= 0x0F  # its first field's type
    source.write_bytes(data)
    wanted = outcome(by_pages, source, tmp_path / "other")
    assert outcome(done, source, tmp_path / "new") == wanted
    assert isinstance(wanted, str)


def with_page_header(path: Path, page: int, change: Callable[[Struct], Struct]) -> None:
    """A file of one column and one chunk, with another header of a page."""
    footer, data = read_footer(path), path.read_bytes()
    ((group,), meta) = footer.row_groups, get(chunk_of(path), 3)
    first, pages = get(meta, 11), get(meta, 9)
    at = (first, pages)[page]
    header, begin = thrift.decode(data, at)
    new = thrift.encode(change(header))
    longer = len(new) - (begin - at)
    moved = {**meta, 7: (thrift.I64, get(meta, 7) + longer), 9: (thrift.I64, pages + (longer if page == DICTIONARY else 0))}
    chunk = {number: held for number, held in {**chunk_of(path), 3: (STRUCT, moved)}.items() if number < 4}
    groups = [{**group, 1: (thrift.LIST, (STRUCT, [chunk]))}]
    struct = {**footer.struct, 4: (thrift.LIST, (STRUCT, groups))}
    path.write_bytes(data[:at] + new + data[begin : first + get(meta, 7)] + framed(struct))
    assert data[:4] == MAGIC


def below(number: int, field: int, held: tuple[int, Any]) -> Callable[[Struct], Struct]:
    return lambda header: {**header, number: (STRUCT, {**get(header, number), field: held})}


CHANGED: dict[str, tuple[int, Callable[[Struct], Struct]]] = {
    "a page's own header is a number": (DATA, lambda header: {**header, 5: (I32, 1)}),
    "a dictionary's own header is a number": (DICTIONARY, lambda header: {**header, 7: (I32, 1)}),
    "a count is text": (DATA, below(5, 1, (BINARY, b"1000"))),
    "how levels are encoded is not said": (DATA, lambda h: {**h, 5: (STRUCT, {k: v for k, v in get(h, 5).items() if k != 3})}),
    "statistics are a number": (DATA, below(5, 5, (I32, 1))),
    "statistics are of other types": (DATA, below(5, 5, (STRUCT, {3: (BINARY, b"200")}))),
    "a page counts other nulls": (DATA, below(5, 5, (STRUCT, {3: (thrift.I64, 7)}))),
    "a page is of two kinds": (DATA, lambda header: {**header, 7: (STRUCT, {1: (I32, 1), 2: (I32, 0)})}),
}


@pytest.mark.parametrize("change", CHANGED)
def test_a_header_that_none_should_be_is_left_to_others(change: str, tmp_path: Path, by_pages: Way) -> None:
    source = tmp_path / "source"
    pq.write_table(TABLE.select(["a"]), source)
    with_page_header(source, *CHANGED[change])
    wider = [op.cast("a", "int64")]
    assert outcome(done, source, tmp_path / "new", wider) == outcome(by_pages, source, tmp_path / "other", wider)


@pytest.mark.parametrize("held", [(I32, 1), (STRUCT, {1: (BINARY, b"5"), 2: (I32, 0)})], ids=["a number", "of other types"])
def test_a_dictionary_s_header_that_none_should_be_is_damage(held: tuple[int, Any], tmp_path: Path) -> None:
    source = tmp_path / "source"
    pq.write_table(pa.table({"a": pa.array([1, 2, 3, None, 1000] * 1000, pa.int32())}), source)
    with_page_header(source, DICTIONARY, lambda header: {**header, 7: held})
    with pytest.raises(UnreadableError, match="the page at byte 4 is damaged"):
        done(source, tmp_path / "new", [op.cast("a", "string")])


@pytest.mark.parametrize("seed", range(40))
def test_damaged_bytes_end_as_where_all_pages_are_encoded(seed: int, tmp_path: Path, by_pages: Way) -> None:
    draw, source = random.Random(seed), tmp_path / "source"
    version = draw.choice(["1.0", "2.0"])
    pq.write_table(
        TABLE,
        source,
        compression="none",
        max_rows_per_page=draw.choice([50, 1000]),
        write_page_index=True,
        data_page_version=version,
    )
    data = bytearray(source.read_bytes())
    data[draw.randrange(4, read_footer(source).start)] ^= 1 << draw.randrange(8)
    source.write_bytes(data)
    assert outcome(done, source, tmp_path / "new") == outcome(by_pages, source, tmp_path / "other")
