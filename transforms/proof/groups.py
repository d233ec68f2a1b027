"""Where in the new file a record is that differs: in which row group or block, or behind its end."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from pathlib import Path as FilePath

from instar.transforms.run.unit import Example

from .check import Outcome
from .proved import Proved

GROUPS = {"parquet": "row group", "avro": "block"}
"""What the groups of a format's records are called."""
NO_RECORD = "no record"
"""Stands for a value where one side has fewer records than the other."""


def located(proved: Proved, format: str, staged: FilePath, left_out: int) -> Proved:
    """The same, each example with its row group or block. Of the old file's records so many were left out.

    Raises:
        ValueError, OSError: the file cannot be read.
    """
    groups = rows_of_groups(format, staged)
    ends = proved.rows_old - left_out, proved.rows_new
    unit = GROUPS.get(format, "")
    return replace(proved, outcomes=tuple((check, _placed(outcome, groups, unit, ends)) for check, outcome in proved.outcomes))


def _placed(outcome: Outcome, groups: Sequence[int], unit: str, ends: tuple[int, int]) -> Outcome:
    if outcome.row is None:
        return outcome
    placed = tuple(_within(example, groups, unit, ends) for example in outcome.examples)
    problem = outcome.problem
    if outcome.row >= ends[0]:
        problem = f"record {outcome.row} is one too many: there must be {ends[0]}"
    elif outcome.row >= ends[1]:
        problem = f"record {outcome.row} is missing"
    return replace(outcome, problem=problem, examples=placed)


def _within(example: Example, groups: Sequence[int], unit: str, ends: tuple[int, int]) -> Example:
    expected = example.expected if example.row < ends[0] else NO_RECORD
    actual = example.actual if example.row < ends[1] else NO_RECORD
    group = group_of(groups, example.row)
    return replace(example, group=group, unit="" if group is None else unit, expected=expected, actual=actual)


def group_of(rows: Sequence[int], record: int) -> int | None:
    """The number of the group that has a record, of groups of so many each; None where there are not so many."""
    ends = list(accumulate(rows))
    group = bisect_right(ends, record)
    return group if group < len(ends) else None


def rows_of_groups(format: str, file: FilePath) -> Sequence[int]:
    """The records of each row group (Parquet) or block (Avro); none of a format that has no groups.

    Raises:
        ValueError, OSError: the file cannot be read.
    """
    match format:
        case "parquet":
            import pyarrow.parquet as pq

            footer = pq.read_metadata(file)
            return [footer.row_group(i).num_rows for i in range(footer.num_row_groups)]
        case "avro":
            from .avro_blocks import counts

            return counts(file)
        case _:
            return ()
