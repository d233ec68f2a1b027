"""Distributions of values at the ends of what their types hold: a report must not end a run that is right."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from instar import op
from instar.formats.compute import pc
from instar.formats.errors import RunError
from instar.formats.schema import Date, Decimal, Duration, Field, Float, Int, Integer, Time, Timestamp, Type
from instar.transforms.distribution import BINS, distribution
from instar.transforms.profile import profile
from instar.transforms.run.executors import InlineExecutor
from instar.transforms.run.processes import SubprocessExecutor
from tests.transforms.proof.conftest import staged_at

GREATEST = 1.7976931348623157e308
MOST = 2**63 - 1
LAST = "2262-04-11 23:47:16.854775807"


def times(type: pa.DataType, *numbers: int) -> pa.Array:
    return pa.array(numbers, pa.int32() if type.bit_width == 32 else pa.int64()).cast(type)


@pytest.mark.parametrize(
    ("type", "values", "low", "high"),
    [
        (Float(64), pa.array([GREATEST, -GREATEST, 0.0]), "-1.798e+308", "1.798e+308"),
        (Float(64), pa.array([1e300, 1.0, 0.0]), "0", "1e+300"),
        (Float(64), pa.array([5e-324, 0.0]), "0", "4.941e-324"),
        (Float(64), pa.array([float("nan"), float("inf"), 2.0, 3.5]), "2", "3.5"),
        (Timestamp("ns"), times(pa.timestamp("ns"), MOST, 0), "1970-01-01 00:00:00.000000000", LAST),
        (Timestamp("ns"), times(pa.timestamp("ns"), MOST, -MOST - 1), "1677-09-21 00:12:43.145224192", LAST),
        (Date(), times(pa.date32(), 2**31 - 1, 0), "1970-01-01", "<value out of range: 2147483647>"),
        (Time("us"), times(pa.time64("us"), 86_399_999_999, 0), "00:00:00", "23:59:59.999999"),
        (Time("s"), times(pa.time32("s"), 86_399, 0), "00:00:00", "23:59:59"),
        (Duration("ns"), times(pa.duration("ns"), MOST, 0), "0", str(MOST)),
        (Int(64, False), pa.array([2**64 - 1, 0], pa.uint64()), "0", "1.845e+19"),
        (Int(32), pa.array([-3, 0, 3], pa.int32()), "-3", "4"),
        (Decimal(38, 2), pa.array([None, "9" * 36 + ".99", "-1.00"]).cast(pa.decimal128(38, 2)), "-1", "1e+36"),
    ],
    ids=lambda value: "" if not isinstance(value, str) else value[:20],
)  # fmt: skip
def test_every_value_is_in_a_bin_from_the_least_to_the_greatest(type: Type, values: pa.Array, low: str, high: str) -> None:
    told = distribution("x", Field("x", type, nullable=True), [values])
    bins = told["bins"]
    assert (bins[0]["from"], bins[-1]["to"]) == (low, high)
    assert [a["to"] for a in bins[:-1]] == [b["from"] for b in bins[1:]]
    assert len(bins) <= BINS
    finite = values.drop_null() if type != Float(64) else values.filter(pc.is_finite(values))
    assert sum(each["count"] for each in bins) == len(finite)


def test_the_greatest_value_may_be_infinite_and_beyond_what_a_double_holds() -> None:
    told = distribution("x", Field("x", Float(64)), [pa.array([float("nan"), 1.0, float("inf"), 2.0])])
    assert (told["min"], told["max"], sum(each["count"] for each in told["bins"])) == ("1.0", "inf", 2)
    told = distribution("x", Field("x", Integer()), [pa.array(["9" * 400, "-1"])])
    assert (told["min"], told["max"][:5], [each["count"] for each in told["bins"]]) == ("-1", "99999", [1])
    told = distribution("x", Field("x", Float(64)), [pa.array([float("inf"), float("nan")])])
    assert (told["min"], told["max"], told["bins"]) == ("inf", "inf", None)


def test_what_cannot_be_shown_is_noted_instead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(path: str, field: Field, parts: Any) -> Any:
        if path == "b":
            raise OverflowError("Python int too large to convert to C long")
        return {"path": path}

    monkeypatch.setattr("instar.transforms.distribution.distribution", fails)
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"a": [1, 2], "b": [1, 2]}), tmp_path / "a.parquet")
    unit, receipt = staged_at(
        tmp_path / "new" / "a.parquet", tmp_path / "a.parquet", "parquet", [op.cast("a", "string"), op.cast("b", "string")]
    )
    found = profile([unit], {unit.path: receipt}, InlineExecutor())
    assert found is not None
    assert [column["path"] for column in found["columns"]] == ["a"]
    assert found["unseen"] == [{"path": "b", "why": "Python int too large to convert to C long"}]


def test_workers_see_what_one_process_sees(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    names, pairs = "abcdefghijk", []
    for file in range(3):
        numbers = pa.array([file * 1_000 + n for n in range(1_000)])
        pq.write_table(pa.table(dict.fromkeys(names, numbers)), tmp_path / f"{file}.parquet")
        operations = [op.cast(name, "string") for name in names]
        pairs.append(staged_at(tmp_path / "new" / f"{file}.parquet", tmp_path / f"{file}.parquet", "parquet", operations))
    units, receipts = [unit for unit, _ in pairs], {unit.path: receipt for unit, receipt in pairs}
    here = profile(units, receipts, InlineExecutor())
    with SubprocessExecutor(2) as workers:
        assert profile(units, receipts, workers) == here
    assert here is not None
    assert [column["path"] for column in here["columns"]] == list(names)
    assert (here["records"], here["of"], here["columns"][10]["after"]["distinct"]) == (3_000, 3_000, 3_000)


def test_a_worker_that_dies_over_the_distributions_fails_no_run(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    class Dying(InlineExecutor):
        def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
            if args[1][0].path != ("b",):
                return super().submit(fn, *args, **kwargs)
            future: Future[Any] = Future()
            future.set_exception(RunError("a worker process was killed by signal 9"))
            return future

    pq.write_table(pa.table({"a": [1, 2], "b": [1, 2]}), tmp_path / "a.parquet")
    unit, receipt = staged_at(
        tmp_path / "new" / "a.parquet", tmp_path / "a.parquet", "parquet", [op.cast("a", "string"), op.cast("b", "string")]
    )
    found = profile([unit], {unit.path: receipt}, Dying())
    assert found is not None
    assert (found["records"], [column["path"] for column in found["columns"]]) == (2, ["a"])
    assert found["unseen"] == [{"path": "b", "why": "a worker process was killed by signal 9"}]
