"""How the files of a side lie on disk, as far as it decides what a query costs: sizes, compression, row groups, sort order.

Observed sort order is what DuckDB, or any reader, can make use of: the share of row groups whose range of values (the least and
the greatest in the footer) overlaps with no other's. Sorted data have 1.0, shuffled data 0.0; a filter for a narrow range reads
about one row group in the first case, and all of them in the second.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from instar.formats.format import format_named

Names = tuple[str, ...]
Range = tuple[Any, Any]

SORTED = 0.9
"""From this share of row groups on a column is called sorted."""


@dataclass(frozen=True)
class DataPlace:
    """A file, and what its columns are called in the layout (those for which `called` gives None are left out)."""

    file: Path
    called: Callable[[Names], Names | None]


@dataclass(frozen=True)
class Layout:
    """One side's files. `compression`: bytes by codec (of Parquet, of column chunks).

    `declared`: of a column, in how many files the footer says that they are sorted by it; `apart` the share of row groups that
    overlap with no other, of columns with statistics. `ranges`: one row group's range of a column, from the middle; `sizes`: its
    bytes. Of formats without row groups these are empty.
    """

    files: int
    bytes: int
    rows: int | None
    row_groups: int | None
    compression: Mapping[str, int]
    declared: Mapping[Names, int] = field(default_factory=dict)
    apart: Mapping[Names, float] = field(default_factory=dict)
    ranges: Mapping[Names, Range] = field(default_factory=dict)
    sizes: Mapping[Names, int] = field(default_factory=dict)

    @property
    def sorted(self) -> tuple[Names, ...]:
        """The columns that are sorted, as far as it can be seen, or as the files declare it."""
        seen = {name for name, share in self.apart.items() if share >= SORTED}
        return tuple(sorted(seen | {name for name, files in self.declared.items() if files == self.files}))

    def as_json(self) -> dict[str, Any]:
        return {
            "files": self.files,
            "bytes": self.bytes,
            "rows": self.rows,
            "row_groups": self.row_groups,
            "compression": dict(self.compression),
            "sorted_declared": {".".join(name): files for name, files in self.declared.items()},
            "row_groups_apart": {".".join(name): round(share, 4) for name, share in self.apart.items()},
        }


def layout_of(places: Sequence[DataPlace], format: str) -> Layout:
    """Look at headers and footers only.

    Raises:
        FileError: one cannot be read.
    """
    return _parquet(places) if format == "parquet" else _others(places, format)


def _others(places: Sequence[DataPlace], format: str) -> Layout:
    facts = [format_named(format).inspect(place.file) for place in places]
    codecs = Counter[str]()
    for fact in facts:
        codecs[fact.layout.partition(".")[2] or "none" if format == "json" else fact.layout] += fact.size
    rows = [fact.rows for fact in facts]
    known = None if any(count is None for count in rows) else sum(count or 0 for count in rows)
    return Layout(len(facts), sum(fact.size for fact in facts), known, None, codecs)


def _parquet(places: Sequence[DataPlace]) -> Layout:
    import pyarrow.parquet as pq

    size = rows = groups = 0
    codecs, declared, sizes, ranges = Counter[str](), Counter[Names](), Counter[Names](), dict[Names, list[Range]]()
    for place in places:
        footer = pq.read_metadata(place.file)
        size, rows, groups = size + place.file.stat().st_size, rows + footer.num_rows, groups + footer.num_row_groups
        columns = {i: name for i in range(footer.num_columns) if (name := _called(footer, i, place)) is not None}
        declared.update(_declared(footer, columns))
        for number in range(footer.num_row_groups):
            group = footer.row_group(number)
            for i in range(footer.num_columns):
                chunk = group.column(i)
                codecs[chunk.compression.lower()] += chunk.total_compressed_size
                if i in columns:
                    sizes[columns[i]] += chunk.total_compressed_size
                    if (found := _range(chunk)) is not None:
                        ranges.setdefault(columns[i], []).append(found)
    whole = {name: found for name, found in ranges.items() if len(found) > 1}
    apart = {name: share_apart(found) for name, found in whole.items()}
    middles = {name: sorted(found)[len(found) // 2] for name, found in whole.items()}
    return Layout(len(places), size, rows, groups, dict(codecs), dict(declared), apart, middles, dict(sizes))


def _called(footer: Any, column: int, place: DataPlace) -> Names | None:
    leaf = footer.schema.column(column)
    return place.called(tuple(leaf.path.split("."))) if leaf.max_repetition_level == 0 else None


def _declared(footer: Any, columns: Mapping[int, Names]) -> Iterator[Names]:
    """The first column that every row group of a file says it is sorted by: that is the one a filter can use."""
    firsts = set[int | None]()
    for number in range(footer.num_row_groups):
        sorting = footer.row_group(number).sorting_columns
        firsts.add(sorting[0].column_index if sorting else None)
    if len(firsts) == 1 and (first := firsts.pop()) in columns and first is not None:
        yield columns[first]


def _range(chunk: Any) -> Range | None:
    """None where the footer has none, or none that can be compared."""
    if not chunk.is_stats_set or not chunk.statistics.has_min_max:
        return None
    try:
        low, high = chunk.statistics.min, chunk.statistics.max
        return (low, high) if low <= high else None
    except (TypeError, ValueError, OverflowError, NotImplementedError):  # a value beyond Python's, or of a type without an order
        return None


def share_apart(ranges: Iterable[Range]) -> float:
    """The share of ranges that overlap with no other; touching at an end is no overlap, being the same single value is."""
    ordered = sorted(ranges)
    overlapping = set[int]()
    furthest = 0
    for i in range(1, len(ordered)):
        (low, high), (known_low, known_high) = ordered[i], ordered[furthest]
        if low < known_high or (low == high == known_low == known_high):
            overlapping |= {i, furthest}
        if high >= known_high:
            furthest = i
    return 1 - len(overlapping) / len(ordered)
