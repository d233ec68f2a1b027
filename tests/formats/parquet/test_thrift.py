"""The compact protocol: real footers come back byte for byte, unknown fields included."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from instar.formats.errors import FileError
from instar.formats.parquet.footer import CODECS, framed, get, read_footer
from instar.formats.parquet.thrift import (
    BINARY,
    BOOL,
    BYTE,
    DOUBLE,
    I16,
    I32,
    I64,
    LIST,
    MAP,
    RAW,
    SET,
    STRUCT,
    UUID,
    ThriftError,
    decode,
    encode,
)  # fmt: skip

CONFORMANCE = Path(os.environ.get("INSTAR_CONFORMANCE") or Path(__file__).parents[4] / "shared" / "conformance")
FILES = sorted((CONFORMANCE / "parquet-testing" / "data").rglob("*.parquet"))


def scalars() -> st.SearchStrategy:
    return st.one_of(
        st.tuples(st.just(I16), st.integers(-(2**15), 2**15 - 1)), st.tuples(st.just(I32), st.integers(-(2**31), 2**31 - 1)),
        st.tuples(st.just(I64), st.integers(-(2**63), 2**63 - 1)), st.tuples(st.just(BINARY), st.binary(max_size=20)),
        st.tuples(st.just(BYTE), st.integers(0, 255)), st.tuples(st.just(DOUBLE), st.binary(min_size=8, max_size=8)),
        st.tuples(st.just(UUID), st.binary(min_size=16, max_size=16)),
    )  # fmt: skip


def structs() -> st.SearchStrategy:
    def nested(values: st.SearchStrategy) -> st.SearchStrategy:
        struct = st.dictionaries(st.integers(1, 32767), values, max_size=5)
        numbers = st.lists(st.integers(-(2**31), 2**31 - 1), max_size=20)
        return st.one_of(
            st.tuples(st.just(STRUCT), struct),
            st.tuples(st.sampled_from([LIST, SET]), st.tuples(st.just(STRUCT), st.lists(struct, max_size=3))),
            st.tuples(st.just(LIST), st.tuples(st.just(BOOL), st.lists(st.booleans(), max_size=20))),
            st.tuples(st.just(MAP), numbers.map(lambda n: (I32, BOOL, [(i, i % 2 == 0) for i in n]) if n else (0, 0, []))),
        )  # fmt: skip

    values = st.recursive(st.one_of(scalars(), st.tuples(st.just(BOOL), st.booleans())), nested, max_leaves=12)
    return st.dictionaries(st.integers(1, 32767), values, max_size=8)


@given(structs())
@settings(max_examples=examples(bounded=66, many=200), deadline=None)
def test_structs_come_back_whole_and_raw(struct: dict) -> None:
    data = encode(struct)
    assert decode(data) == (struct, len(data))
    raw, end = decode(data, 0, {})
    assert end == len(data)
    assert encode(raw) == data
    assert all(wire & RAW for wire, _ in raw.values() if wire & 15 in (LIST, SET, MAP, STRUCT))


@given(structs(), st.integers(0, 400))
@settings(max_examples=examples(bounded=66, many=200), deadline=None)
def test_a_truncated_struct_is_an_error(struct: dict, cut: int) -> None:
    data = encode(struct)
    for opened in (True, {}):
        with pytest.raises(ThriftError):
            decode(data[: min(cut, len(data) - 1)], 0, opened)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"\x1c" * 5000 + b"\0" * 5001, "nested too deep"),
        (b"\x19" * 5000, "nested too deep"),
        (b"\x19" * 70 + b"\x13\0\0", "nested too deep"),
        (b"\x1b\x01\x3b\x01" + b"\x01\x3b\x01" * 5000, "nested too deep"),
        (b"\x16" + b"\xff" * 9 + b"\x02\0", "more than 64 bits"),
        (b"\x0c" + b"\xff" * 9 + b"\x02\0\0", "more than 64 bits"),
        (b"\x1c\x16" + b"\x80" * 20 + b"\0\0\0", "too long"),
        (b"\x19\x16" + b"\xff" * 9 + b"\x02\0", "more than 64 bits"),
    ],
)
@pytest.mark.parametrize("opened", [True, {}])
def test_what_no_reader_takes_is_an_error(data: bytes, problem: str, opened: bool | dict) -> None:
    with pytest.raises(ThriftError, match=problem):
        decode(data, 0, opened)


def test_numbers_have_64_bits() -> None:
    for number in (2**63 - 1, -(2**63)):
        assert decode(encode({1: (I64, number)}))[0] == {1: (I64, number)}


@pytest.mark.skipif(not FILES, reason="no conformance files")
def test_real_footers_come_back_byte_for_byte() -> None:
    for path in FILES:
        data = path.read_bytes()
        footer = read_footer(path)
        assert framed(footer.struct) == data[footer.start :], path.name
        assert encode(decode(data, footer.start)[0]) == data[footer.start : -8], path.name


def test_what_a_footer_says(tmp_path: Path) -> None:
    table = pa.table({"a": [1, 2, 3], "r": [{"x": 1, "y": "b"}] * 3, "l": [[1.5]] * 3})
    pq.write_table(table, tmp_path / "f", compression="zstd", row_group_size=2)
    footer = read_footer(tmp_path / "f")
    assert footer.rows == [2, 1]
    assert [c.name for c in footer.columns] == ["a", "r", "l"]
    assert [e.path for e in footer.root.leaves()] == [(b"a",), (b"r", b"x"), (b"r", b"y"), (b"l", b"list", b"element")]
    assert {CODECS[get(m, 4)] for leaf in range(4) for m in footer.metas(leaf)} == {"ZSTD"}
    assert b"ARROW:schema" in footer.key_values


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda data: b"", "empty"),
        (lambda data: data[:-1], "truncated"),
        (lambda data: data[: len(data) // 2], "truncated"),
        (lambda data: b"PAR1", "truncated"),
        (lambda data: b"PAR1PAR1", "truncated"),
        (lambda data: b"hello" + data, "does not begin with PAR1"),
        (lambda data: data[:-8] + b"\xff\xff\xff\x7fPAR1", "footer would have"),
        (lambda data: data[:-4] + b"PARE", "encrypted"),
        (lambda data: data[:-60] + b"\xff" * 52 + data[-8:], "footer is damaged"),
    ],
)
def test_damaged_files_are_told_apart(tmp_path: Path, change: object, said: str) -> None:
    pq.write_table(pa.table({"a": [1, 2, 3]}), tmp_path / "f", store_schema=False)
    (tmp_path / "f").write_bytes(change((tmp_path / "f").read_bytes()))  # type: ignore[operator]
    with pytest.raises(FileError, match=said) as caught:
        read_footer(tmp_path / "f")
    assert caught.value.hint
