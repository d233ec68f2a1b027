"""`import instar` inside somebody's ETL code: the same verbs, the same reports, nothing printed, nothing heavy imported."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from authoring import Author
from support import tree

import instar
from instar.transforms.configuration import DatasetSettings
from instar.transforms.job import DEFAULT_MEMORY, with_options

HEAVY = (
    "pyarrow", "duckdb", "fastavro", "jsonschema", "jsonschema_rs", "msgspec", "sqlglot", "rich", "numpy", "pandas",
    "zstandard", "cramjam", "deflate",
)  # fmt: skip


@pytest.fixture
def sales(author: Author) -> Path:
    data = author.data("sales")
    pq.write_table(pa.table({"n": [1, 2, 3], "note": ["x", None, "z"]}), data / "a.parquet")
    author.adopt("sales")
    author.step("sales", 'op.rename("note", to="remark"), op.cast("n", "string")')
    return data


def comparable(report: dict[str, Any]) -> dict[str, Any]:
    """As JSON, without what differs from run to run."""
    return _timeless(json.loads(json.dumps(report)))


def _timeless(value: Any) -> Any:
    if isinstance(value, list):
        return [_timeless(each) for each in value]
    if not isinstance(value, dict):
        return value
    differs = ("seconds", "run", "undoes", "snapshot", "by", "provenance", "plan", "at")
    return {key: _timeless(each) for key, each in value.items() if key not in differs}


def test_the_verbs_answer_with_the_reports_of_the_command_line_and_print_nothing(
    author: Author, sales: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    told = {verb: author.do(verb, "sales") for verb in ("status", "plan", "upgrade", "rollback")}
    before = tree(sales)
    capfd.readouterr()

    dataset = instar.open(author.folder).dataset("sales")
    status = dataset.status().as_json()
    assert "old files are kept" in status.pop("warnings")[0]  # of the rollback, which is a run of its own
    assert told["status"].pop("warnings") == []
    assert comparable(status) == told["status"]
    plan = dataset.plan()
    assert plan.hash == told["plan"]["hash"]
    assert tree(sales) == before
    report = dataset.upgrade()
    assert comparable(report.as_json()) == comparable(told["upgrade"])
    assert json.loads(json.dumps(report.as_json()))["proof"]["verdict"] == "proved"
    assert report.proof is not None
    assert report.rows_in == report.rows_out == 3
    assert [(v.version, v.files) for v in dataset.status().versions] == [(2, 1)]
    assert comparable(dataset.rollback().as_json()) == comparable(told["rollback"])
    assert tree(sales) == before
    assert dataset.upgrade("+1").target == 2
    assert dataset.downgrade("-1").target == 1
    assert dataset.upgrade(2).target == 2
    assert dataset.downgrade(1).status == "done"
    assert dataset.downgrade(1).status == "nothing to do"
    assert dataset.stamp(1).files == ("a.parquet",)
    assert len(dataset.runs().runs) == 8  # two of them rollbacks
    said = capfd.readouterr()
    assert (said.out, said.err) == ("", "")


def test_errors_are_raised_not_printed_and_never_exit(author: Author, sales: Path, capfd: pytest.CaptureFixture[str]) -> None:
    capfd.readouterr()
    project = instar.open(str(author.folder))
    with pytest.raises(instar.InstarError, match="no dataset 'sale'") as caught:
        project.dataset("sale")
    assert caught.value.exit_code == 2
    assert "sales" in caught.value.hint
    (sales / "b.parquet").write_bytes(b"PAR1")
    with pytest.raises(instar.InstarError) as caught:
        project.dataset("sales").upgrade()
    assert caught.value.exit_code == 1
    assert caught.value.where is not None
    assert caught.value.where.file == "b.parquet"
    with pytest.raises(instar.InstarError):
        instar.open(author.folder / "nowhere")
    assert capfd.readouterr() == ("", "")


def test_a_project_can_be_made_by_calls_alone(tmp_path: Path) -> None:
    data = tmp_path / "lake" / "sales"
    data.mkdir(parents=True)
    pq.write_table(pa.table({"n": [1]}), data / "a.parquet")
    (tmp_path / "p").mkdir()
    adopted = instar.init(tmp_path / "p", source=data)
    assert (adopted.dataset, adopted.version) == ("sales", 1)
    project = instar.open(tmp_path / "p")
    script = project.revision("sales", "Name it!")
    assert script.name == "0002_name_it.py"
    script.write_text('"""Name it."""\nfrom instar import op\nupgrade = [op.rename("n", to="number")]\n')
    assert project.register("sales").version == 2
    assert project.check().ok
    assert [e.version for e in project.history("sales").entries] == [2, 1]
    project.dataset("sales").upgrade()
    assert pq.read_schema(data / "a.parquet").names == ["number"]


def test_what_the_caller_says_goes_before_what_instar_toml_says() -> None:
    settings = DatasetSettings(Path("/x"), "x", "parquet", memory=2_000_000_000, workers=4)
    told = with_options(instar.Options(workers=1, memory=DEFAULT_MEMORY), settings)
    assert (told.workers, told.memory) == (1, DEFAULT_MEMORY)
    assert (with_options(instar.Options(), settings).workers, with_options(instar.Options(), settings).memory) == (4, 2_000_000_000)
    default = with_options(instar.Options(), DatasetSettings(Path("/x"), "x", "parquet"))
    assert (default.workers, default.memory) == (1, DEFAULT_MEMORY)


@pytest.mark.parametrize(
    "code",
    [
        "import instar; dir(instar); instar.__version__; instar.InstarError",
        "import instar; instar.open",
        "from instar.cli.main import run; run(['--help'])",
        "from instar.cli.main import run; [run([c, '--help']) for c in ('init', 'upgrade', 'plan', 'status')]",
        "from instar.cli.main import run; run(['-C', '/', 'status'])",
    ],
)
def test_nothing_heavy_is_imported_before_it_is_used(code: str) -> None:
    found = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print('HEAVY', sorted(set({HEAVY!r}) & set(sys.modules)))"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.splitlines()[-1] == "HEAVY []", found.stdout + found.stderr


def test_the_public_names_are_there() -> None:
    assert {"open", "init", "op", "Options", "InstarError", "Dataset", "Project"} <= set(dir(instar))
    assert all(getattr(instar, name) for name in instar.__all__)
    with pytest.raises(AttributeError):
        instar.nothing  # type: ignore[attr-defined]  # noqa: B018
