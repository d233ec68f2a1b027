"""The proofs of single files as one report: columns over all files, and records that differ with all their fields."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from instar.formats.pii import NOT_SHOWN
from instar.transforms.proof.groups import NO_RECORD
from instar.transforms.run.unit import ColumnProof, Example, FileProof

from .columns import Leaf
from .located import Located
from .report import ColumnReport, FieldChange, Problem, RowDifference
from .rows import UNFIT_NEW, UNFIT_OLD, Compared


def columns_told(columns: Sequence[ColumnReport], leaves: Sequence[Leaf], proofs: Iterable[FileProof]) -> tuple[ColumnReport, ...]:
    """Each column with all the ways in which its files were compared, and in how many records they differ."""
    found, names = {column.path: column for column in columns}, [leaf.text for leaf in leaves]
    known: dict[tuple[str, ...], list[tuple[str, tuple[int, ...]]]] = {}
    for proof in proofs:
        said = [c for c in proof.columns if c.path and c.way not in (UNFIT_OLD, UNFIT_NEW)]
        paths = tuple(column.path for column in said)
        if paths not in known:
            known[paths] = [(name, _places_of(name, paths)) for name in names]
        for name, places in known[paths]:
            ways = {*found[name].ways, *(said[i].way for i in places)}
            found[name] = replace(found[name], ways=tuple(sorted(ways)))
        for column in (column for column in said if column.problem):
            name = _column_of(column.path, names)
            found[name] = replace(found[name], differs=found[name].differs + (column.differing or 1))
    return tuple(found.values())


def _places_of(name: str, paths: Sequence[str]) -> tuple[int, ...]:
    """The places by which a column is compared: its own, those in it, else the nearest that it is in: a record that is only carried
    is one place."""
    own = [i for i, path in enumerate(paths) if path == name] or [i for i, path in enumerate(paths) if _inside(path, name)]
    nearest = max((path for path in paths if _inside(name, path)), key=len, default=None)
    return tuple(own or [i for i, path in enumerate(paths) if path == nearest])


def _column_of(path: str, names: Sequence[str]) -> str:
    """The column that a place is, or is in; else the first of those in it."""
    around = [name for name in names if path == name or _inside(path, name)]
    return max(around, key=len) if around else next(name for name in names if _inside(name, path))


def _inside(path: str, around: str) -> bool:
    return path.startswith(around) and path[len(around) : len(around) + 1] in (".", "[", "{", "<")


def rows_told(
    found: Sequence[Compared], names: Mapping[str, str], old: Located, new: Located, most: int
) -> tuple[tuple[RowDifference, ...], tuple[Problem, ...]]:
    """The first records that differ, each with its fields, and what is different of whole files and columns. `names`: of each new
    file the old one's."""
    rows: list[RowDifference] = []
    problems: list[Problem] = []
    for proof in (each.proof for each in found):
        problems += _of_whole(proof, names[proof.path])
        if len(rows) < most:
            rows += _of_file(proof, names[proof.path], old, new)
    return tuple(rows[:most]), tuple(problems)


def _of_whole(proof: FileProof, old_name: str) -> Iterator[Problem]:
    if proof.rows_old != proof.rows_new:
        yield Problem(f"{proof.rows_old:,} records on the old side, {proof.rows_new:,} on the new one", proof.path)
    for column in proof.columns:
        if column.problem and not column.examples:
            yield Problem(column.problem, old_name if column.way == UNFIT_OLD else proof.path, column.path)


def _of_file(proof: FileProof, old_name: str, old: Located, new: Located) -> Iterator[RowDifference]:
    """The examples of all columns, put together by record."""
    by_row: dict[int, list[tuple[ColumnProof, Example]]] = {}
    for column in proof.columns:
        for example in column.examples:
            by_row.setdefault(example.row, []).append((column, example))
    for row, found in sorted(by_row.items()):
        first = found[0][1]
        fields = {column.path: FieldChange(column.path, *_values(example)) for column, example in found}
        if first.expected == NO_RECORD:
            yield RowDifference("extra", new=new.place(proof.path, row), values={p: change.new for p, change in fields.items()})
        elif first.actual == NO_RECORD:
            yield RowDifference("missing", old=old.place(old_name, row), values={p: change.old for p, change in fields.items()})
        else:
            places = old.place(old_name, row), new.place(proof.path, row)
            yield RowDifference("changed", *places, fields=tuple(fields.values()))


def _values(example: Example) -> tuple[str, str]:
    return (NOT_SHOWN, NOT_SHOWN) if example.hidden else (example.expected, example.actual)
