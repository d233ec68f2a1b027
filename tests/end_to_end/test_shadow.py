"""`--shadow DIR`: a second directory gets the new tree; the first is only read."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from authoring import Author
from filling import small_disk
from support import tree

import instar
from instar.transforms.migrate import migrate
from instar.transforms.progress import Silent
from instar.transforms.run.effects import PosixEffects


def write(path: Path, first: int = 0, *, note: str = "note") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"n": list(range(first, first + 5)), note: [f"note {i}" for i in range(first, first + 5)]}), path)


@pytest.fixture
def sales(author: Author) -> Path:
    """Two versions; two files at the first, one at the second already, and what else a directory holds."""
    data = author.data("sales")
    write(data / "month=1" / "a.parquet", 0)
    write(data / "month=2" / "b.parquet", 10)
    author.adopt("sales")
    author.step("sales", 'op.rename("note", to="remark")')
    write(data / "month=2" / "already.parquet", 20, note="remark")
    (data / "_SUCCESS").touch()
    (data / "_metadata").write_bytes(b"of the old bytes")
    (data / "empty").mkdir()
    (data / "month=1" / "a.parquet").chmod(0o640)
    (data / "month=2").chmod(0o750)
    for number, path in enumerate(sorted([data, *data.rglob("*")], reverse=True)):
        os.utime(path, ns=(10**18, 10**18 + number * 1_000_000_007))
    return data


def shadow_of(author: Author) -> str:
    return str(author.folder / "data" / "next")


def untouched(data: Path) -> dict[str, Any]:
    """All there is of the first tree, and what stands beside it that belongs to it."""
    return {**tree(data, times=True), "itself": os.stat(data).st_mtime_ns, "state": sorted(data.parent.glob(".instar/sales/**/*"))}


def test_the_shadow_is_what_an_upgrade_would_have_made_and_the_first_is_untouched(author: Author, sales: Path) -> None:
    before = untouched(sales)
    report = author.do("upgrade", "sales", "--shadow", shadow_of(author))
    assert (report["method"], report["shadow"]) == ("shadow", shadow_of(author))
    assert report["proof"]["verdict"] == "proved"
    assert untouched(sales) == before
    made = tree(Path(shadow_of(author)), times=True)
    inodes = {entry[2] for path, entry in before.items() if isinstance(entry, tuple)}
    assert not inodes & {entry[2] for entry in made.values()}
    for path in ("month=2/already.parquet", "_SUCCESS", "empty"):
        assert made[path][:2] + made[path][3:] == before[path][:2] + before[path][3:]  # mode, bytes, time
    author.do("upgrade", "sales")
    assert {path: entry[:2] for path, entry in made.items()} == {path: entry[:2] for path, entry in tree(sales).items()}
    assert author.do("verify", "sales")["verdict"] == "proved"


def test_a_rollback_takes_the_shadow_away_and_keeps_it(author: Author, sales: Path) -> None:
    before, shadow = untouched(sales), Path(shadow_of(author))
    author.do("upgrade", "sales", "--shadow", str(shadow))
    made = tree(shadow, times=True)
    (run,) = author.do("runs", "sales", "--shadow", str(shadow))["runs"]
    assert run["way_back"] == f"instar rollback sales --shadow {shadow}"
    report = author.do("rollback", "sales", "--shadow", str(shadow))
    assert not shadow.exists()
    assert tree(Path(report["snapshot"]), times=True) == made
    assert untouched(sales) == before
    assert (report["to"], report["shadow"], report["dropped"]) == (None, str(shadow), [])
    assert (report["rows_in"], report["rows_out"]) == (None, 0)  # nobody had counted the file that was copied
    runs = author.do("runs", "sales", "--shadow", str(shadow))["runs"]
    assert [(run["verb"], run["status"], run["shadow"]) for run in runs] == [
        ("upgrade", "rolled back", str(shadow)), ("rollback", "finished", str(shadow)),
    ]  # fmt: skip
    error = author.refused("rollback", "sales", "--shadow", str(shadow), code=2)
    assert "no run to roll back" in error["message"]
    error = author.refused("rollback", "sales", runs[1]["run"], "--shadow", str(shadow), code=2)
    assert f"upgrade sales --shadow {shadow}" in error["hint"]
    author.do("upgrade", "sales", "--shadow", str(shadow))
    assert {p: e[:2] for p, e in tree(shadow).items()} == {p: e[:2] for p, e in made.items()}


def test_an_earlier_shadow_is_the_snapshot_of_the_next(author: Author, sales: Path) -> None:
    shadow = Path(shadow_of(author))
    author.do("upgrade", "sales", "--shadow", str(shadow))
    first = tree(shadow)
    write(sales / "month=3" / "c.parquet", 30)
    author.do("upgrade", "sales", "--shadow", str(shadow))
    assert pq.read_schema(shadow / "month=3" / "c.parquet").names == ["n", "remark"]
    second = tree(shadow)
    author.do("rollback", "sales", "--shadow", str(shadow))
    assert tree(shadow) == first
    author.do("rollback", "sales", "--shadow", str(shadow))
    assert not shadow.exists()
    author.do("upgrade", "sales", "--shadow", str(shadow))
    assert tree(shadow) == second


def test_what_came_into_the_shadow_is_not_lost(author: Author, sales: Path) -> None:
    shadow = Path(shadow_of(author))
    author.do("upgrade", "sales", "--shadow", str(shadow))
    write(shadow / "mine.parquet", 100, note="remark")
    error = author.refused("rollback", "sales", "--shadow", str(shadow))
    assert "mine.parquet" in error["message"]
    report = author.do("upgrade", "sales", "--shadow", str(shadow))
    assert not (shadow / "mine.parquet").exists()
    assert (Path(report["snapshot"]) / "mine.parquet").exists()
    assert any("mine.parquet" in warning for warning in report["warnings"])


def test_a_shadow_of_the_table_is_taken_without_being_asked_for(author: Author, sales: Path) -> None:
    with (author.folder / "instar.toml").open("a") as file:
        file.write('shadow = "data/next"\n')
    shadow, before = Path(shadow_of(author)), untouched(sales)
    plan = author.do("plan", "sales")
    assert (plan["method"]["name"], plan["shadow"]) == ("shadow", str(shadow))
    kept = sum((sales / path).stat().st_size for path in ("month=2/already.parquet", "_SUCCESS"))
    assert plan["disk"]["needed"] == plan["bytes_out"] + kept
    author.do("upgrade", "sales")
    assert shadow.is_dir()
    assert untouched(sales) == before
    assert author.do("verify", "sales")["verdict"] == "proved"
    status = author.do("status", "sales")
    assert [v["version"] for v in status["versions"]] == [1, 2]  # of the first
    assert status["shadow"] == {"path": str(shadow), "run": author.do("runs", "sales")["runs"][0]["run"], "version": 2}
    assert str(shadow) in author.instar("status", "sales", at=author.folder).out
    assert author.refused("upgrade", "sales", "--method", "exchange", code=2)
    author.do("rollback", "sales")
    assert not shadow.exists()
    assert author.do("status", "sales")["shadow"] == {"path": str(shadow), "run": None, "version": None}


@pytest.mark.parametrize(
    ("where", "why"),
    [
        ("sales/inside", "lies in the dataset"),
        (".", "lies in the dataset"),
        ("nowhere/next", "there is no folder"),
        ("taken", "is no shadow that Instar made"),
        ("file", "is no shadow that Instar made"),
    ],
)
def test_a_place_that_is_not_free_is_refused(where: str, why: str, author: Author, sales: Path) -> None:
    (sales.parent / "taken").mkdir()
    (sales.parent / "taken" / "mine").write_text("mine")
    (sales.parent / "file").write_text("mine")
    before = tree(author.folder, times=True)
    for verb in ("plan", "upgrade"):
        error = author.refused(verb, "sales", "--shadow", str(sales.parent / where), code=2)
        assert why in error["message"]
        assert tree(author.folder, times=True).keys() == before.keys()


def test_an_empty_directory_may_become_the_shadow(author: Author, sales: Path) -> None:
    shadow = Path(shadow_of(author))
    shadow.mkdir()
    author.do("upgrade", "sales", "--shadow", str(shadow))
    assert (shadow / "month=1" / "a.parquet").is_file()
    author.do("rollback", "sales", "--shadow", str(shadow))
    assert list(shadow.iterdir()) == []


def test_a_shadow_without_a_place_is_wrong_use(author: Author, sales: Path) -> None:
    assert "--shadow DIR" in author.refused("upgrade", "sales", "--method", "shadow", code=2)["hint"]


def test_json_and_names_with_versions(author: Author) -> None:
    """What the first's manifest knows counts; what the shadow's files are at stands in the shadow's own."""
    data = author.data("events")
    (data / "2024.ndjson").write_text('{"id": 1, "note": "a"}\n')
    author.adopt("events")
    author.step("events", 'op.map_values("note", {"a": "b"}), op.set_doc("note", "in capitals")')
    with (author.folder / "instar.toml").open("a") as file:
        file.write('name = "{stem}.v{version}{suffix}"\n')
        file.write('[datasets.later]\npath = "data/next"\nsubject = "events"\nformat = "json"\n')
    author.do("upgrade", "events", "--shadow", str(data.parent / "next"))
    assert [path.name for path in (data.parent / "next").iterdir()] == ["2024.v2.ndjson"]
    assert [path.name for path in data.iterdir()] == ["2024.ndjson"]
    assert [(v["version"], v["how"]) for v in author.do("status", "later")["versions"]] == [(2, {"manifest": 1})]
    assert author.do("status", "events")["versions"][0]["version"] == 1
    assert author.do("upgrade", "later")["status"] == "nothing to do"


def test_what_is_done_to_the_first_while_it_is_copied_is_named(author: Author, sales: Path) -> None:
    (sales / "month=1" / "notes").write_text("first")
    (sales / "month=1" / "restless").write_text("again")
    (sales / "month=1" / "gone").write_text("soon")

    class Writer(PosixEffects):
        def copy(self, source: Path, target: Path) -> None:
            super().copy(source, target)
            if source.name == "_SUCCESS":
                write(sales / "month=1" / "late.parquet", 50)
                (sales / "month=1" / "gone").unlink()
                (sales / "month=1" / "notes").write_text("second")
                (sales / "month=1" / "a.parquet").unlink()
            if source.name == "restless":
                with (sales / "month=1" / "restless").open("a") as file:
                    file.write("again")

    shadow, before = Path(shadow_of(author)), untouched(sales)
    job = instar.open(author.folder).dataset("sales").shadowed(shadow).run_job()
    report = migrate(job, None, instar_options(), verb="upgrade", effects=Writer())
    assert {change.path: (change.what, change.why) for change in report.late} == {
        "month=1/a.parquet": ("removed", "the shadow has it still"),
        "month=1/gone": ("removed", "it is not in the shadow"),
        "month=1/late.parquet": ("added", "it is not in the shadow"),
        "month=1/notes": ("changed", "the shadow has it as it was when it was copied"),
        "month=1/restless": ("changed", "it is not in the shadow"),
    }
    assert report.dropped == ("_metadata",)
    assert pq.read_schema(shadow / "month=1" / "a.parquet").names == ["n", "remark"]
    assert (shadow / "month=1" / "notes").read_text() == "second"
    assert {path.name for path in (shadow / "month=1").iterdir()} & {"gone", "late.parquet", "restless"} == set()
    assert untouched(sales).keys() ^ before.keys() == {"month=1/a.parquet", "month=1/gone", "month=1/late.parquet"}
    author.do("upgrade", "sales", "--shadow", str(shadow))
    assert pq.read_schema(shadow / "month=1" / "late.parquet").names == ["n", "remark"]
    assert not (shadow / "month=1" / "a.parquet").exists()


def test_what_comes_to_the_first_before_it_is_copied_is_in_the_shadow(author: Author, sales: Path) -> None:
    class Writer(Silent):
        def step(self, name: str, *, files: int, size: int) -> None:
            if name == "prove" and not (sales / "month=1" / "late.parquet").exists():
                write(sales / "month=1" / "late.parquet", 50)
                (sales / "half.parquet").write_bytes(b"PAR1 and no more yet")

    shadow = Path(shadow_of(author))
    job = instar.open(author.folder).dataset("sales").shadowed(shadow).run_job()
    report = migrate(job, None, instar_options(), verb="upgrade", progress=Writer())
    assert pq.read_schema(shadow / "month=1" / "late.parquet").names == ["n", "remark"]
    assert {change.path: change.why for change in report.late} == {
        "half.parquet": "it is being written, and it is not in the shadow"
    }
    assert not (shadow / "half.parquet").exists()
    assert report.rounds == 1


def instar_options() -> Any:
    from instar.transforms.job import Options

    return Options()


@pytest.fixture
def elsewhere(author: Author) -> Iterator[Path]:
    """A file system of its own, on which the dataset is: a mount point."""
    with small_disk(author.data("sales"), "8m") as data:
        yield data


def test_a_mount_point_has_a_shadow_on_another_file_system(author: Author, elsewhere: Path) -> None:
    write(elsewhere / "a.parquet")
    write(elsewhere / "b" / "_not data")
    author.adopt("sales")
    author.step("sales", 'op.rename("note", to="remark")')
    error = author.refused("upgrade", "sales")
    assert "mount point" in error["message"]
    assert "--shadow" in error["hint"]
    before = tree(elsewhere, times=True)
    author.do("upgrade", "sales", "--shadow", shadow_of(author))
    assert tree(elsewhere, times=True) == before
    assert pq.read_schema(Path(shadow_of(author)) / "a.parquet").names == ["n", "remark"]
    author.do("upgrade", "sales", "--shadow", shadow_of(author))
    assert json.loads(author.instar("runs", "sales", "--shadow", shadow_of(author), "--json", at=author.folder).out)["runs"][1]


def test_what_a_shadow_replaced_can_be_copied_away_and_brought_back(author: Author, sales: Path, tmp_path: Path) -> None:
    shadow, copies = Path(shadow_of(author)), tmp_path / "copies"
    copies.mkdir()
    with (author.folder / "instar.toml").open("a") as file:
        file.write('shadow = "data/next"\n')
    author.do("upgrade", "sales")
    first = tree(shadow)
    write(sales / "month=3" / "c.parquet", 30)
    author.do("upgrade", "sales")
    author.do("gc", "sales", "--keep", "0", "--last", "--backup", str(copies))
    author.refused("rollback", "sales")
    author.do("rollback", "sales", "--from", str(copies))
    assert tree(shadow) == first
