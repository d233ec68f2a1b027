"""`instar gc --backup`: copies that are what the snapshots were, wherever they are made, however often it takes."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from authoring import Author, said
from killing import Killed, dying
from support import tree

from instar.formats.errors import RunError
from instar.formats.manifest import content_hash
from instar.transforms.gc import gc
from instar.transforms.job import Job
from instar.transforms.project import open_project
from instar.transforms.restore import restore
from instar.transforms.run.effects import PosixEffects
from instar.transforms.run.state import State


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a dataset at version 1 of three."""
    author = Author(tmp_path_factory.mktemp("backup") / "team", said)
    data = author.data("sales")
    for number in (1, 2):
        (data / f"month={number}" / "deep").mkdir(parents=True)
        pq.write_table(pa.table({"n": [number], "note": ["x" * 500]}), data / f"month={number}" / "deep" / "ä 'a.parquet")
    (data / "month=1" / "empty").mkdir()
    (data / "README").write_text("of last year\n")
    os.chmod(data / "README", 0o640)
    os.utime(data / "README", ns=(1, 10**18))
    author.adopt("sales")
    author.step("sales", 'op.rename("note", to="remark")')
    author.step("sales", 'op.rename("remark", to="text")')
    return author.folder


@pytest.fixture
def sales(author: Author, team: Path) -> Path:
    """The dataset, in a project of its own."""
    shutil.copytree(team, author.folder, dirs_exist_ok=True)
    return author.data("sales")


@pytest.fixture
def runs(author: Author, sales: Path) -> list[str]:
    return [author.do("upgrade", "sales", str(version))["run"] for version in (2, 3)]


@pytest.fixture
def nas(author: Author) -> Path:
    folder = author.folder / "nas"
    folder.mkdir()
    return folder


def state(author: Author) -> State:
    return State(author.folder / "data" / ".instar" / "sales")


def job_of(author: Author) -> Job:
    return open_project(author.folder).dataset("sales").job()


def full(folder: Path) -> dict[str, Any]:
    """Contents, modes and times."""
    return {path: (*entry[:2], entry[3]) for path, entry in tree(folder, times=True).items()}


def test_what_goes_is_copied_first_with_all_that_says_what_it_was(author: Author, runs: list[str], nas: Path) -> None:
    snapshot = state(author).run(runs[0]).snapshot
    before = full(snapshot)
    report = author.do("gc", "sales", "--keep", "1", "--backup", str(nas))
    copy = nas / "sales" / runs[0]
    assert report["copied"] == [str(copy)]
    assert not snapshot.exists()
    assert full(copy / "snapshot") == before
    assert sorted(path.name for path in copy.iterdir()) == sorted(
        ["README.txt", "after.json", "backup.json", "before.json", "journal.jsonl", "plan.json", "report.json", "snapshot"]
    )
    manifest = json.loads((copy / "backup.json").read_text())
    assert manifest["run"] == runs[0]
    assert manifest["files"]["README"]["mode"] == "0o640"
    assert all(content_hash(copy / "snapshot" / p) == f["hash"] for p, f in manifest["files"].items() if not p.endswith("/"))
    assert runs[0] in (copy / "README.txt").read_text()
    way = next(r["way_back"] for r in author.do("runs", "sales")["runs"] if r["run"] == runs[0])
    assert str(copy) in way
    assert str(copy) in author.refused("verify", "sales", runs[0])["hint"]


def test_copies_alone_remove_nothing_and_are_made_once(author: Author, runs: list[str], nas: Path) -> None:
    kept = tree(state(author).runs)
    snapshots = {path: entry for path, entry in kept.items() if "/snapshot" in path}
    report = author.do("gc", "sales", "--backup", str(nas))
    assert report["action"] == "backed up"
    assert [k["backup"] for k in report["kept"]] == report["copied"] == [str(nas / "sales" / run) for run in runs]
    assert any("same" in w or "itself" in w for w in report["warnings"])  # it is one disk here
    assert {path: entry for path, entry in tree(state(author).runs).items() if "/snapshot" in path} == snapshots
    copies = tree(nas, times=True)
    again = author.do("gc", "sales", "--keep", "1", "--backup", str(nas))
    assert again["copied"] == [str(nas / "sales" / runs[0])]
    assert tree(nas, times=True) == copies


def test_a_dry_run_writes_nothing_anywhere(author: Author, runs: list[str], nas: Path) -> None:
    before = tree(author.folder, times=True)
    author.do("gc", "sales", "--keep", "1", "--backup", str(nas), "--dry-run")
    assert tree(author.folder, times=True) == before


def test_places_that_are_none(author: Author, runs: list[str], nas: Path) -> None:
    before = tree(author.folder)
    (author.folder / "link").symlink_to(author.folder / "data" / "sales")
    for place in ("data/sales", "data/sales/month=1", "data", "data/.instar", "data/.instar/sales/runs", "link"):
        error = author.refused("gc", "sales", "--backup", str(author.folder / place), code=2)
        assert "inside" in error["message"], place
    (author.folder / "link").unlink()
    assert "mkdir" in author.refused("gc", "sales", "--backup", str(nas / "not" / "there"), code=2)["hint"]
    assert "no folder" in author.refused("gc", "sales", "--backup", str(author.folder / "instar.toml"), code=2)["message"]
    assert tree(author.folder) == before


def test_no_room_is_said_before_the_first_byte(author: Author, runs: list[str], nas: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(nas)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
    error = author.refused("gc", "sales", "--keep", "1", "--backup", str(nas))
    assert "1,000 are free" in error["message"]
    assert not list(nas.iterdir())
    assert state(author).run(runs[0]).snapshot.exists()


@pytest.mark.parametrize("change", ["changed", "missing", "more"])
def test_another_copy_that_differs_is_refused_and_nothing_removed(change: str, author: Author, runs: list[str], nas: Path) -> None:
    author.do("gc", "sales", "--backup", str(nas))
    readme = nas / "sales" / runs[0] / "snapshot" / "README"
    match change:
        case "changed":
            readme.write_text("of LAST year\n")
        case "missing":
            readme.unlink()
        case _:
            readme = readme.with_name("more")
            readme.write_text("")
    before = tree(nas)
    error = author.refused("gc", "sales", "--keep", "1", "--backup", str(nas))
    assert readme.name in error["message"]
    assert tree(nas) == before
    assert state(author).run(runs[0]).snapshot.exists()


def test_a_snapshot_that_is_not_what_the_run_found_is_refused(author: Author, runs: list[str], nas: Path) -> None:
    damaged = state(author).run(runs[0]).snapshot / "month=2" / "deep" / "ä 'a.parquet"
    known = damaged.stat()
    data = bytearray(damaged.read_bytes())
    data[len(data) // 2] ^= 1
    damaged.write_bytes(data)
    os.utime(damaged, ns=(known.st_atime_ns, known.st_mtime_ns))
    error = author.refused("gc", "sales", "--keep", "1", "--backup", str(nas))
    assert "month=2/deep/ä 'a.parquet" in error["message"]
    assert not list(nas.iterdir())
    damaged.unlink()
    assert "month=2/deep/ä 'a.parquet" in author.refused("gc", "sales", "--keep", "1", "--backup", str(nas))["message"]
    assert damaged.parent.exists()


def test_a_disk_that_keeps_something_else_is_found_out(author: Author, runs: list[str], nas: Path) -> None:
    class Lying(PosixEffects):
        """Writes one bit wrong, as bad memory or a bad cable does."""

        def copy(self, source: Path, target: Path) -> None:
            super().copy(source, target)
            if target.name == "README":
                target.write_bytes(target.read_bytes().replace(b"y", b"Y"))

    with pytest.raises(RunError, match="README is another there"):
        gc(job_of(author), keep=1, backup=nas, effects=Lying())
    assert state(author).run(runs[0]).snapshot.exists()
    author.do("gc", "sales", "--keep", "1", "--backup", str(nas))  # the wrong file is copied again
    assert (nas / "sales" / runs[0] / "snapshot" / "README").read_text() == "of last year\n"


def test_a_file_system_that_has_no_owners_and_modes_keeps_the_bytes(author: Author, runs: list[str], nas: Path) -> None:
    class Plain(PosixEffects):
        def dress(self, path: Path, like: Path) -> None:
            if path.is_relative_to(nas):
                raise OSError(errno.EPERM, os.strerror(errno.EPERM), str(path))
            super().dress(path, like)

    snapshot = state(author).run(runs[0]).snapshot
    wanted = {path: (entry[1], entry[3]) for path, entry in tree(snapshot, times=True).items()}
    gc(job_of(author), keep=1, backup=nas, effects=Plain())
    copy = nas / "sales" / runs[0] / "snapshot"
    assert {path: (entry[1], entry[3]) for path, entry in tree(copy, times=True).items()} == wanted


def test_names_that_are_one_name_there_are_found_out(author: Author, sales: Path, nas: Path) -> None:
    """On a file system that does not tell upper from lower case, one file would take the other's place."""

    class CaseBlind(PosixEffects):
        def copy(self, source: Path, target: Path) -> None:
            super().copy(source, target)
            if target.name == "Readme":
                os.replace(target, target.with_name("README"))

    (sales / "Readme").write_text("another one\n")
    run = author.do("upgrade", "sales", "2")["run"]
    with pytest.raises(RunError, match="README is another there"):
        gc(job_of(author), keep=0, last=True, backup=nas, effects=CaseBlind())
    assert state(author).run(run).snapshot.exists()


# ---- back
def test_a_removed_snapshot_is_put_back_from_its_copy_and_rolled_back_exactly(author: Author, sales: Path, nas: Path) -> None:
    before = full(sales)
    runs = [author.do("upgrade", "sales", version)["run"] for version in ("2", "3")]
    upgraded = full(sales)
    author.do("gc", "sales", "--keep", "0", "--last", "--backup", str(nas))
    copies = tree(nas, times=True)
    error = author.refused("rollback", "sales")
    assert f"--from {nas}" in error["hint"]
    assert "there is no copy" in author.refused("rollback", "sales", "--from", str(author.folder), code=2)["message"]
    assert full(sales) == upgraded
    assert author.do("rollback", "sales", "--from", str(nas))["undoes"] == runs[1:]
    assert author.do("rollback", "sales", "--from", str(nas))["undoes"] == runs[:1]
    assert full(sales) == before
    assert tree(nas, times=True) == copies
    assert author.do("status", "sales")["versions"][0]["version"] == 1


def test_all_the_copies_that_a_rollback_needs_are_put_back(author: Author, sales: Path, runs: list[str], nas: Path) -> None:
    first = full(state(author).run(runs[1]).snapshot)
    author.step("sales", 'op.add("more", "string", default="-")')
    author.do("upgrade", "sales")
    author.do("gc", "sales", "--keep", "0", "--last", "--backup", str(nas))
    author.do("rollback", "sales", "--to", runs[0], "--from", str(nas))
    assert full(sales) == first


def test_a_copy_that_kept_neither_times_nor_modes_brings_both_back(author: Author, sales: Path, nas: Path) -> None:
    os.chmod(sales / "month=1" / "deep" / "ä 'a.parquet", 0o640)
    before = full(sales)
    run = author.do("upgrade", "sales", "2")["run"]
    author.do("gc", "sales", "--keep", "0", "--last", "--backup", str(nas))
    for path in (nas / "sales" / run / "snapshot").rglob("*"):
        path.chmod(0o755)
        os.utime(path, (5, 5))
    author.do("rollback", "sales", "--from", str(nas))
    assert full(sales) == before


@pytest.mark.parametrize("damage", ["changed", "missing", "another run's"])
def test_a_damaged_copy_is_refused_and_changes_nothing(
    damage: str, author: Author, sales: Path, runs: list[str], nas: Path
) -> None:
    author.do("gc", "sales", "--keep", "0", "--last", "--backup", str(nas))
    copy = nas / "sales" / runs[1]
    named = copy / "snapshot" / "month=1" / "deep" / "ä 'a.parquet"
    if damage == "changed":
        named.write_bytes(named.read_bytes()[:-1] + b"x")
    elif damage == "missing":
        named.unlink()
    else:
        shutil.rmtree(copy)
        shutil.copytree(nas / "sales" / runs[0], copy)
    before = full(sales)
    error = author.refused("rollback", "sales", "--from", str(nas))
    assert "month=1/deep/ä 'a.parquet" in error["message"]
    assert full(sales) == before
    assert not state(author).run(runs[1]).snapshot.exists()


def test_what_a_killed_rollback_had_fetched_is_used_or_goes(author: Author, sales: Path, runs: list[str], nas: Path) -> None:
    old, job = full(state(author).run(runs[1]).snapshot), job_of(author)
    author.do("gc", "sales", "--keep", "0", "--last", "--backup", str(nas))
    fetched, at = state(author).run(runs[1]).fetched, 1
    while not (fetched / "README").exists():
        with pytest.raises(Killed):
            restore(job, backup=nas, effects=dying(at))
        at += 1
    assert [(k["what"], k["removed"]) for k in author.do("gc", "sales")["kept"]] == [("fetched", False)]
    assert author.do("gc", "sales", "--keep", "3")["freed"] > 0
    assert not fetched.exists()
    with pytest.raises(Killed):
        restore(job, backup=nas, effects=dying(at))
    author.do("rollback", "sales", "--from", str(nas))
    assert full(sales) == old


def test_a_half_removed_snapshot_is_put_back_whole(author: Author, sales: Path, runs: list[str], nas: Path) -> None:
    old = full(state(author).run(runs[1]).snapshot)
    author.do("gc", "sales", "--keep", "1", "--backup", str(nas))
    snapshot, at = state(author).run(runs[1]).snapshot, 1
    author.do("gc", "sales", "--backup", str(nas))
    while full(snapshot) == old:
        with pytest.raises(Killed):
            gc(job_of(author), keep=0, last=True, effects=dying(at))
        at += 1
    assert snapshot.exists()
    assert "removed by" in author.refused("rollback", "sales")["message"]
    author.do("rollback", "sales", "--from", str(nas))
    assert full(sales) == old


def test_a_copy_put_back_by_hand_is_used(author: Author, sales: Path, nas: Path) -> None:
    before = full(sales)
    run = author.do("upgrade", "sales", "2")["run"]
    author.do("gc", "sales", "--keep", "0", "--last", "--backup", str(nas))
    shutil.copytree(nas / "sales" / run / "snapshot", state(author).run(run).snapshot)  # with times and modes, as cp -a
    assert author.do("verify", "sales")["verdict"] == "proved"
    author.do("rollback", "sales")
    assert full(sales) == before
