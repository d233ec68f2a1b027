"""The splice against the full rewrite: files by many writers, by every operation, as independent readers see both.

By default every file is migrated by the change that touches most, and the richest file by every change. The slow tests try every
file by every change that it has the columns for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from instar.formats.format import Rewritten, Stamp, Unlike, format_named
from instar.formats.schema import Schema
from instar.transforms.mapping import Mapping, chain
from instar.transforms.proof.integrity import prove_file
from instar.transforms.run.request import rewrite_request
from instar.transforms.run.unit import Receipt, Unit
from tests.conformance import parquet_pages
from tests.conformance.parquet_readers import READERS, Predicate, filtered, same, skipped
from tests.conformance.parquet_splice_operations import CHANGES
from tests.conformance.parquet_splice_sources import ALL, HELD, SOURCES

PARQUET = format_named("parquet")
STAMP = Stamp("matrix", 2)
MEMORY = 1 << 28
RICHEST = "pyarrow bloom filters"
MOST = "everything"

BEST = {
    "rename odd names": "pyarrow odd names",
    "allow null": "pyarrow required",
    "require what is required again": "pyarrow required",
}
"""Files for the changes that the richest one has not the columns for."""

NOT_SPLICED = {
    "pyarrow no rows": "the chunk of id in row group 0 does not hold its own first page",
    "pyarrow a group without rows": "the chunk of id in row group 1 does not hold its own first page",
}
"""Files that are rewritten in full whatever the change, and why: of a chunk without values pyarrow says that it is at byte 0."""

File = Callable[[str], Path]


@dataclass(frozen=True)
class Case:
    """A file, and a change of it made in both ways: `spliced`, where it can be, and `rewritten` in full."""

    name: str
    source: Path
    mapping: Mapping
    spliced: Path
    rewritten: Path
    done: Rewritten
    whole: Rewritten


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> File:
    """The file of a name, written once."""
    folder = tmp_path_factory.mktemp("sources")

    @lru_cache
    def written(name: str) -> Path:
        path = folder / f"{name}.parquet"
        SOURCES[name](path)
        return path

    return written


def schema_of(path: Path) -> Schema:
    schema = PARQUET.inspect(path).schema
    assert schema is not None
    return schema


def both_ways(name: str, source: Path, mapping: Mapping, folder: Path) -> Case:
    paths = folder / "spliced.parquet", folder / "rewritten.parquet"
    requests = [  # two: a request counts the records that pass through it
        rewrite_request(PARQUET, mapping, source, path, memory=MEMORY, stamp=STAMP, progress=lambda rows, size: None)
        for path in paths
    ]
    done = PARQUET.rewrite(requests[0])
    whole = PARQUET.rewrite(replace(requests[1], splice=None))
    assert whole.way == "rewritten"
    return Case(name, source, mapping, *paths, done, whole)


def made(file: File, name: str, change: str, folder: Path) -> Case:
    source = file(name)
    return both_ways(name, source, chain(schema_of(source), CHANGES[change].operations), folder)


# ---- every file, every change
def pairs() -> list[tuple[str, str]]:
    """Every file and every change in at least one pair, few of them in more."""
    found, left = [], list(SOURCES)
    for change, about in CHANGES.items():
        name = BEST.get(change) or next((name for name in left if about.columns <= HELD.get(name, ALL)), RICHEST)
        left = [each for each in left if each != name]
        found.append((name, change))
    return found + [(name, MOST) for name in left]


@pytest.mark.parametrize(("name", "change"), pairs())
def test_a_splice_gives_what_a_rewrite_gives(name: str, change: str, file: File, tmp_path: Path) -> None:
    judge(made(file, name, change, tmp_path))


def test_every_file_and_every_change_is_tried() -> None:
    assert {name for name, _ in pairs()} == set(SOURCES)
    assert {change for _, change in pairs()} == set(CHANGES)


@pytest.mark.parametrize("change", ["nothing", "rename", "everything nested", MOST, "python"])
def test_both_are_proved(change: str, file: File, tmp_path: Path) -> None:
    case = made(file, RICHEST, change, tmp_path)
    for path in (case.spliced, case.rewritten):
        proves(case, path, repeated=CHANGES[change].repeated)


@pytest.mark.slow
@pytest.mark.parametrize("name", SOURCES)
def test_every_file_by_every_change(name: str, file: File, tmp_path: Path, subtests: pytest.Subtests) -> None:
    schema = schema_of(file(name))
    for change in (change for change in CHANGES if CHANGES[change].fits(schema)):
        with subtests.test(change=change):
            case = made(file, name, change, tmp_path)
            judge(case)
            proves(case, case.spliced, repeated=CHANGES[change].repeated)
            for predicate in predicates(case.mapping)[::4]:
                finds_the_same(case, predicate)


# ---- judging
def judge(case: Case) -> None:
    """Are both files whole, and one for every reader; and is what was not touched there in every byte?"""
    assert case.done.why == NOT_SPLICED.get(case.name, "")
    assert case.done.way == ("rewritten" if case.name in NOT_SPLICED else "spliced")
    assert (case.done.rows_in, case.done.rows_out) == (case.whole.rows_in, case.whole.rows_out)
    for path in (case.spliced, case.rewritten):
        parquet_pages.check(path)
    for reader, read in READERS.items():
        same(reader, read(case.rewritten), read(case.spliced))
    assert pq.read_schema(case.spliced).equals(pq.read_schema(case.rewritten), check_metadata=True)
    if case.done.way == "spliced":
        assert unlike(case, case.spliced) == ()
        parquet_pages.check_copied(case.source, case.spliced, dict(case.mapping.untouched()))


def unlike(case: Case, new: Path) -> tuple[Unlike, ...]:
    return PARQUET.fidelity(case.source, new, target=case.mapping.target, carried=case.mapping.carried(), stamp=STAMP)


def proves(case: Case, staged: Path, *, repeated: bool) -> None:
    """Does the run's own proof hold of a file?"""
    unit = Unit(case.source.name, str(case.source), str(staged), "parquet", case.mapping, None, STAMP, "", MEMORY)
    done = case.done if staged == case.spliced else case.whole
    receipt = Receipt(unit.path, 0, 0, "", "", (), done.rows_in, done.rows_out, 0, "", 0.0, way=done.way, why=done.why)
    found = prove_file(unit, receipt)
    assert found.verdict == ("repeated" if repeated else "proved"), found.failures


# ---- filters
PREDICATES: tuple[tuple[str, str, int | str], ...] = (
    ("id", "=", 157), ("id", "=", 1_000_000), ("id", ">", 195), ("id", "<", 21), ("tens", "=", 13), ("tens", ">", 22),
    ("i32", "=", 419), ("i32", ">", 480), ("s", "=", "category 3"), ("u", "=", "unique-00057-1071"), ("u", "=", "unique-00057-1"),
    ("u", ">", "unique-00230"),
)  # fmt: skip
"""Of columns whose values ascend, and others; values that are there, and that are not."""


def predicates(mapping: Mapping) -> list[Predicate]:
    """Those on columns that the mapping leaves alone, by their new names."""
    names = {origin[0]: str(target[0]) for target, origin in mapping.untouched().items() if len(target) == len(origin) == 1}
    return [Predicate(names[column], comparison, value) for column, comparison, value in PREDICATES if column in names]


def finds_the_same(case: Case, predicate: Predicate) -> None:
    """Does every reader find the rows by that predicate, skipping what it can, which it finds without one?"""
    table = pq.ParquetFile(case.spliced).read([predicate.column])
    expected = table.filter(predicate.arrow)[predicate.column].to_pylist()
    for reader, found in filtered(case.spliced, predicate, predicate.column).items():
        assert found == expected, f"{reader} finds other rows by {predicate.sql}"


@pytest.mark.parametrize(
    ("name", "change"), [(RICHEST, "swap names"), (RICHEST, MOST), ("polars zstd", "drop the first"), ("DuckDB two groups", MOST)]
)
def test_filters_find_the_same_rows(name: str, change: str, file: File, tmp_path: Path) -> None:
    case = made(file, name, change, tmp_path)
    chosen = predicates(case.mapping)
    assert chosen
    for predicate in chosen:
        finds_the_same(case, predicate)


@pytest.mark.parametrize("change", ["rename", "drop the first", MOST])
def test_readers_skip_what_they_skipped_before(change: str, file: File, tmp_path: Path) -> None:
    """By statistics, page index and bloom filter: the same parts of the file, as counted by DataFusion."""
    case = made(file, RICHEST, change, tmp_path)
    old = {origin[0]: target[0] for target, origin in case.mapping.untouched().items() if len(target) == 1}
    by_new_name = {new: name for name, new in old.items()}
    skips: set[str] = set()
    for predicate in predicates(case.mapping):
        before = skipped(case.source, replace(predicate, column=str(by_new_name[predicate.column])))
        assert skipped(case.spliced, predicate) == before
        skips |= {kind for kind, counts in before.items() if len(set(counts.split(" total → "))) > 1}
    assert skips == {"statistics", "bloom_filter", "page_index"}


@pytest.mark.parametrize("change", ["nothing", "rename", MOST, "drop in a struct"])
def test_a_variant_is_spliced_where_its_nulls_allow(change: str, file: File, tmp_path: Path) -> None:
    """The registered schema lets be null what the file requires: what has other levels is encoded again, and the rest copied."""
    source = file("pyarrow required")
    own = schema_of(source)
    loose = tuple(field.with_(nullable=True) for field in own.record.fields)
    registered = Schema(own.root.with_(type=replace(own.record, fields=loose)))
    mapping = chain(registered, CHANGES[change].operations).rebased(own)
    case = both_ways("pyarrow required", source, mapping, tmp_path)
    assert 0 < len(mapping.untouched()) < len(chain(own, CHANGES[change].operations).untouched())
    judge(case)
    proves(case, case.spliced, repeated=False)
