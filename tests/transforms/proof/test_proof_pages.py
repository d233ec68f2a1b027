"""What a Parquet column chunk says of how its pages are written is held against them: readers pass over chunks by it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from instar import op
from instar.formats.parquet.footer import get
from instar.formats.parquet.thrift import I32, I64, LIST, STRUCT, Struct
from instar.transforms.proof.integrity import prove_file
from instar.transforms.run.unit import Receipt, Unit
from tests.transforms.proof.conftest import problems
from tests.transforms.proof.footers import META, changed, number

ROWS = 2_000
COMPUTED = [op.cast("a", "int32"), op.cast("text", "bytes")]
TYPE, ENCODINGS, VALUES, UNPACKED, PACKED, PAGES, DICTIONARY, STATS = 1, 2, 5, 6, 7, 9, 11, 13
PLAIN, RLE, RLE_DICTIONARY = 0, 3, 8


@pytest.fixture
def file(tmp_path: Path) -> Path:
    rows = range(ROWS)
    table = pa.table(
        {
            "a": pa.array([i * 3 for i in rows], pa.int64()),
            "text": pa.array([None if i % 11 == 0 else f"t{i % 50}" for i in rows]),
            "kept": pa.array([f"k{i % 9}" for i in rows]),
        }
    )
    path = tmp_path / "data.parquet"
    pq.write_table(table, path, row_group_size=1_000, data_page_size=800, write_batch_size=100, use_dictionary=["text", "kept"])  # type: ignore[arg-type]
    return path


def meta(name: str, change: Callable[[Struct], None]) -> Callable[[Path], None]:
    """Another ColumnMetaData of that column in the second row group."""
    return lambda file: changed(file, lambda _, chunks: change(get(chunks[number(file, name)], META)))


def more(field: int, by: int) -> Callable[[Struct], None]:
    def change(struct: Struct) -> None:
        struct[field] = (struct[field][0], struct[field][1] + by)

    return change


def only(*encodings: int) -> Callable[[Struct], None]:
    return lambda struct: struct.update({ENCODINGS: (LIST, (I32, list(encodings)))})


def counted(*counts: tuple[int, int, int]) -> Callable[[Struct], None]:
    """Other PageEncodingStats: kinds of pages, their encodings and how many there are."""
    made = [{1: (I32, kind), 2: (I32, encoding), 3: (I32, count)} for kind, encoding, count in counts]
    return lambda struct: struct.update({STATS: (LIST, (STRUCT, made))})


def without_dictionary(struct: Struct) -> None:
    struct[PAGES] = struct.pop(DICTIONARY)


def dictionary_for_none(struct: Struct) -> None:
    struct[DICTIONARY] = (I64, struct[PAGES][1])


FAULTS: dict[str, Callable[[Path], None]] = {
    "all pages have references": meta("a", counted((2, PLAIN, 1), (0, RLE_DICTIONARY, 5))),
    "fewer pages": meta("text", counted((2, PLAIN, 1), (0, RLE_DICTIONARY, 1))),
    "no dictionary page": meta("text", counted((0, RLE_DICTIONARY, 10))),
    "pages without references": meta("text", counted((2, PLAIN, 1), (0, RLE_DICTIONARY, 9), (0, PLAIN, 1))),
    "an encoding that no page has": meta("a", only(PLAIN, RLE, RLE_DICTIONARY)),
    "an encoding left out": meta("a", only(RLE)),
    "references left out": meta("text", only(PLAIN, RLE)),
    "no values": meta("a", lambda struct: struct.update({VALUES: (I64, 0)})),
    "another type": meta("a", lambda struct: struct.update({TYPE: (I32, 2)})),
    "greater than it is": meta("a", more(UNPACKED, 1)),
    "smaller than it is": meta("text", more(UNPACKED, -1)),
    "longer": meta("a", more(PACKED, 1)),
    "shorter": meta("text", more(PACKED, -1)),
    "pages elsewhere": meta("text", more(PAGES, 1)),
    "the dictionary elsewhere": meta("text", more(DICTIONARY, -1)),
    "the dictionary as a data page": meta("text", without_dictionary),
    "a data page as the dictionary": meta("a", dictionary_for_none),
    "said of copied pages": meta("kept", counted((2, PLAIN, 1), (0, RLE_DICTIONARY, 1))),
    "encodings of copied pages": meta("kept", only(PLAIN, RLE)),
}


def test_every_fault_is_found(file: Path, staged: Callable[..., tuple[Unit, Receipt]]) -> None:
    unit, receipt = staged(file, "parquet", COMPUTED)
    assert prove_file(unit, receipt).verdict == "proved"
    right, missed = file.with_name("right"), set[str]()
    shutil.copy(unit.staged, right)
    for fault, forge in FAULTS.items():
        shutil.copy(right, unit.staged)
        forge(Path(unit.staged))
        proof = prove_file(unit, receipt)
        if not (proof.unread or problems(proof)):
            missed.add(fault)
    assert sorted(missed) == []


def test_what_was_not_said_of_copied_pages_is_not_added(file: Path, staged: Callable[..., tuple[Unit, Receipt]]) -> None:
    meta("kept", lambda struct: struct.pop(STATS) and None)(file)
    unit, receipt = staged(file, "parquet", COMPUTED)
    assert prove_file(unit, receipt).verdict == "proved"
    meta("kept", counted((2, PLAIN, 1), (0, RLE_DICTIONARY, 1)))(Path(unit.staged))
    assert set(problems(prove_file(unit, receipt))) == {"kept"}


def test_a_wrong_writer_is_found(file: Path, staged: Callable[..., tuple[Unit, Receipt]]) -> None:
    """Readers work around the bugs of writers that they know: parquet-java passes over the statistics of old ones."""
    unit, receipt = staged(file, "parquet", COMPUTED)
    changed(Path(unit.staged), lambda footer, _: footer.update({6: (footer[6][0], b"parquet-mr version 1.6.0")}))
    assert "parquet-mr version 1.6.0" in problems(prove_file(unit, receipt))[""]
