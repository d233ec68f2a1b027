"""The proofs of single files as one report: columns over all files, and records that differ with all their fields."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from instar.formats.pii import NOT_SHOWN
from instar.transforms.proof.groups import NO_RECORD
from instar.transforms.run.unit import ColumnProof, Example, FileProof

from .report import ColumnReport, FieldChange, Place, Problem, RowDifference
from .rows import UNFIT_NEW, UNFIT_OLD


def columns_told(proofs: Iterable[FileProof], types: Mapping[str, str]) -> tuple[ColumnReport, ...]:
    """Each column with all the ways in which its files were compared, and in how many records they differ."""
    found: dict[str, ColumnReport] = {}
    for column in (column for proof in proofs for column in proof.columns if column.path):
        known = found.setdefault(column.path, ColumnReport(column.path, types.get(column.path, "")))
        if column.way in (UNFIT_OLD, UNFIT_NEW):
            continue
        differs = (column.differing or 1) if column.problem else 0
        found[column.path] = replace(known, ways=tuple(sorted({*known.ways, column.way})), differs=known.differs + differs)
    return tuple(found.values())


def rows_told(
    proofs: Sequence[FileProof], old_names: Mapping[str, str], most: int
) -> tuple[tuple[RowDifference, ...], tuple[Problem, ...]]:
    """The first records that differ, each with its fields, and what is different of whole files and columns."""
    rows: list[RowDifference] = []
    problems: list[Problem] = []
    for proof in proofs:
        problems += [Problem(proof.unread, proof.path)] if proof.unread else []
        if proof.rows_old != proof.rows_new:
            problems.append(Problem(f"{proof.rows_old:,} records on the old side, {proof.rows_new:,} on the new one", proof.path))
        for c in proof.columns:
            if c.problem and not c.examples:
                problems.append(Problem(c.problem, old_names[proof.path] if c.way == UNFIT_OLD else proof.path, c.path))
        if len(rows) < most:
            rows += _of_file(proof, old_names[proof.path])
    return tuple(rows[:most]), tuple(problems)


def _of_file(proof: FileProof, old_name: str) -> Iterable[RowDifference]:
    """The examples of all columns, put together by record."""
    by_row: dict[int, list[tuple[ColumnProof, Example]]] = {}
    for column in proof.columns:
        for example in column.examples:
            by_row.setdefault(example.row, []).append((column, example))
    for row, found in sorted(by_row.items()):
        first = found[0][1]
        old, new = Place(old_name, row), Place(proof.path, row, first.group)
        fields = {column.path: FieldChange(column.path, *_values(example)) for column, example in found}
        if first.expected == NO_RECORD:
            yield RowDifference("extra", new=new, values={path: change.new for path, change in fields.items()})
        elif first.actual == NO_RECORD:
            yield RowDifference("missing", old=old, values={path: change.old for path, change in fields.items()})
        else:
            yield RowDifference("changed", old, new, fields=tuple(fields.values()))


def _values(example: Example) -> tuple[str, str]:
    return (NOT_SHOWN, NOT_SHOWN) if example.hidden else (example.expected, example.actual)
