"""The benchmark suite works: every case, on little data, and it finds out who is wrong."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.bench.cases import CASES, Case, Faster, Memory, Within, chosen
from benchmarks.bench.check import Check, Number, different
from benchmarks.bench.data.store import Data, Store
from benchmarks.bench.environment import CHECKOUT
from benchmarks.bench.measure import Failed, Run, Runs, in_a_process, in_this_process
from benchmarks.bench.readme import BEGIN, END, section
from benchmarks.bench.results import merged, write
from benchmarks.bench.suite import measure
from benchmarks.bench.summary import ratio, reached
from benchmarks.bench.table import page
from benchmarks.bench.task import Change, Task
from benchmarks.bench.tools import instar, pyarrow
from benchmarks.bench.tools.installed import clean_environment, copied, digest

SCALE = 0.0001
KNOWN = ("processor", "cores", "memory", "system", "Python", "pyarrow", "duckdb", "polars", "fastavro", "orjson")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("bench"), SCALE)


def measured(case: Case, store: Store, run: Any = in_this_process) -> dict[str, Any]:
    return measure(case, store, rounds=1, run=run, files=2 if case.data.startswith("flights") else None)


ENGINE = [case for case in CASES if case.cores == 1 and case.name != "small"]


@pytest.mark.parametrize("case", [case for case in ENGINE if not case.name.startswith("wide")], ids=lambda case: case.name)
def test_every_tool_gives_the_same(store: Store, case: Case) -> None:
    result = measured(case, store)
    assert set(result["tools"]) | set(result["missing"]) == {tool.name for tool in case.tools}
    assert result["outputs_checked"] == len([tool for tool in case.tools if tool.checked]) - len(result["missing"])
    assert len(result["targets"]) == len(case.targets)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_in_processes_of_their_own(store: Store, case: Case) -> None:
    result = measured(case, store, in_a_process)
    for tool in result["tools"].values():
        assert tool["wall"] > 0
        assert tool["peak"] > 1_000_000


def test_a_run_in_a_process_tells_its_figures(store: Store, tmp_path: Path) -> None:
    (case,) = chosen(["parquet-rename-snappy"])
    result = measured(replace(case, tools=case.tools[-1:], targets=()), store, in_a_process)
    assert result["tools"]["cp"]["written"] == result["data"]["bytes"]
    with pytest.raises(Failed, match="no_such_tool"):
        in_a_process(Task("no_such_tool", "parquet", "zstd", Change("nothing"), [], str(tmp_path / "target"), [0]))


# ---- checking
def a_case(tmp_path: Path, name: str = "parquet-rename-zstd") -> tuple[Check, list[Path]]:
    (case,) = chosen([name])
    sources = [tmp_path / "source.parquet"]
    keep = tmp_path / "keep"
    keep.mkdir()
    return Check(case, Data("two numbers", sources, 2), keep, None), sources


def written(path: Path, table: pa.Table) -> list[Path]:
    path.parent.mkdir(exist_ok=True)
    pq.write_table(table, path)
    return [path]


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (pa.table({"n": [1, 3]}), "n, in the rows from 0"),
        (pa.table({"n": [1]}), "ends at row 1"),
        (pa.table({"m": [1, 2]}), "columns"),
        (pa.table({"n": pa.array([1, 2], pa.int32())}), "n is int64 and int32"),
        (pa.table({"n": pa.array([1, None])}), "n, in the rows from 0"),
    ],
)
def test_another_value_is_found(tmp_path: Path, other: pa.Table, told: str) -> None:
    check, _ = a_case(tmp_path)
    tools = check.case.tools
    check(tools[0], written(tmp_path / "a" / "source.parquet", pa.table({"n": [1, 2]})))
    check(tools[1], written(tmp_path / "b" / "source.parquet", pa.table({"n": [1, 2]})))
    with pytest.raises(Failed, match=told):
        check(tools[2], written(tmp_path / "c" / "source.parquet", other))
    with pytest.raises(Failed, match="0 files for 1"):
        check(tools[2], [])


def test_a_late_output_is_checked_as_well(tmp_path: Path) -> None:
    """That a tool was right once says nothing of its next run."""
    check, _ = a_case(tmp_path)
    check(check.case.tools[0], written(tmp_path / "a" / "source.parquet", pa.table({"n": [1, 2]})))
    with pytest.raises(Failed, match="differ"):
        check(check.case.tools[0], written(tmp_path / "b" / "source.parquet", pa.table({"n": [2, 1]})))


def test_the_text_of_json_numbers_counts(tmp_path: Path) -> None:
    check, sources = a_case(tmp_path, "json-flat")
    sources[0].write_text('{"dep_delay":1.10,"arr_delay":2,"flight":7}\n')
    output = tmp_path / "out.ndjson"
    right = '{"departure_delay":1.10,"arrival_delay":2,"flight":"7","currency":"USD"}\n'
    output.write_text(right)
    check.same_text([output])
    for wrong in (right.replace("1.10", "1.1"), right.replace('"7"', "7"), right.replace("1.10", '"1.10"')):
        output.write_text(wrong)
        with pytest.raises(Failed, match="other text"):
            check.same_text([output])
    assert different("json", output, output) == ""
    assert str(Number("1.10")) == "1.10"


# ---- figures
def runs(**walls: list[float | None]) -> Runs:
    return {
        name: [None if wall is None else Run(wall, wall / 2, 0, int(1e8 * wall), 10) for wall in each]
        for name, each in walls.items()
    }


def test_ratios_are_of_medians_and_the_spread_of_rounds() -> None:
    found = ratio(runs(slow=[10, 30, 20], quick=[1, 2, 4]), "slow", "quick", "wall")
    assert (found.value, found.low, found.high) == (10, 5, 15)
    left_out = ratio(runs(slow=[10, None, None], quick=[1, 2, 3]), "slow", "quick", "wall")
    assert (left_out.value, left_out.low, left_out.high) == (10, 10, 10)


def test_the_fastest_of_the_others_decides() -> None:
    case = replace(
        CASES[0],
        targets=(Faster(("a", "b"), 3), Faster(("a", "b"), 5, "cpu"), Within("b", 0.25), Memory(100_000_000), Memory(99_000_000)),
    )
    found = reached(case, runs(Instar=[1, 1, 1], a=[9, 9, 9], b=[4, 4, 4]), [])
    assert [(each.met, each.measured) for each in found] == [
        (True, "4.0 ×"), (False, "4.0 ×"), (True, "0.25 ×"), (True, "100 MB"), (False, "100 MB"),
    ]  # fmt: skip
    assert found[0].against == "b"


def test_results_take_the_place_of_earlier_ones(tmp_path: Path, store: Store) -> None:
    here = {"cores": "2"}
    first, second = (measure(case, store, rounds=1, run=in_this_process) for case in chosen(["large-rename", "large-drop"]))
    (tmp_path / "results.json").write_text(json.dumps(merged(tmp_path, here, {"large-rename": first})))
    assert merged(tmp_path, here, {"large-drop": second})["cases"] == {"large-rename": first, "large-drop": second}
    assert merged(tmp_path, {"cores": "4"}, {"large-drop": second})["cases"] == {"large-drop": second}


def test_the_page_shows_times_ratios_and_targets(store: Store) -> None:
    (case,) = chosen(["large-rename"])
    result: dict[str, Any] = measure(case, store, rounds=2, run=in_this_process) | {"command": "a command", "commit": "c0ffee"}
    result["tools"]["Instar"]["told"]["measured_in"] = "Python 3, numpy not installed"
    text = page(
        {
            "environment": {"processor": "P", "cores": "2", "memory": "8 GB", "system": "S", "jq": "jq-1.7"},
            "cases": {"large-rename": result},
        }
    )
    assert "| rename a column<br>1,000 rows" in text
    assert "≤ 2 × cp, wall<br>≤ 250 MB" in text
    assert "`a command` at c0ffee" in text
    assert "jq-1.7" in text
    assert "\n- Instar: Python 3, numpy not installed\n" in text


def test_what_is_kept_of_the_results(store: Store, tmp_path: Path) -> None:
    (case,) = chosen(["parquet-rename-snappy"])
    results = {"environment": dict.fromkeys(KNOWN, "1"), "cases": {case.name: measured(case, store)}}
    write(tmp_path, results)
    assert {path.name for path in tmp_path.iterdir()} == {"results.json", "table.md", "chart.svg", "chart.png"}
    assert json.loads((tmp_path / "results.json").read_text()) == results
    assert "Parquet snappy: rename a column" in (tmp_path / "chart.svg").read_text()
    assert "| Parquet snappy: rename a column | " in section(results)
    assert f"`{results['cases'][case.name]['command']}`" in section(results)
    assert "Instar 1.00" not in section(results)
    readme = (CHECKOUT / "README.md").read_text()
    assert readme.index(BEGIN) < readme.index(END)


def test_every_tool_orders_columns_alike() -> None:
    change = Change("c", rename={"b": "z"}, drop=["a"], add={"n": ("int64", 1)})
    assert change.columns(["a", "b", "c"]) == [("z", "b"), ("c", "c"), ("n", None)]
    ordered = Change("c", order=("c", "z"), rename={"b": "z"})
    assert ordered.columns(["b", "c"]) == [("c", "c"), ("z", "b")]
    assert "op.rename('b', to='z')" in instar.script(ordered)
    table = pyarrow.changed(pa.table({"b": [1], "c": ["x"]}), ordered, ["b", "c"])
    assert table.to_pydict() == {"c": ["x"], "z": [1]}


def test_the_sources_that_are_installed(tmp_path: Path) -> None:
    """What was built in the checkout is no part of them, and every module counts."""
    sources = copied(tmp_path)
    assert (sources / "instar" / "formats" / "schema.py").exists()
    assert not [path for path in sources.rglob("*") if path.suffix in (".so", ".pyc")]
    before = digest(sources)
    (sources / "cli" / "main.py").write_text("")
    assert digest(sources) != before
    assert not [name for name in clean_environment() if name.startswith("PYTHON")]


def test_a_case_that_there_is_not() -> None:
    with pytest.raises(ValueError, match="no case begins with 'oarquet'"):
        chosen(["oarquet"])
    assert {case.name for case in chosen(["json"])} == {"json-flat", "json-nested"}
    assert len({case.name for case in CASES}) == len(CASES)
    assert all(isinstance(target, Faster | Within | Memory) for case in CASES for target in case.targets)
