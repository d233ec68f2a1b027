"""Rollback brings every byte, mode and time back, or refuses by name."""

from __future__ import annotations

import os
import shutil

import pytest

from instar.formats.errors import RunError, UsageError
from instar.transforms.run.effects import PosixEffects
from instar.transforms.run.journal import RollbackBegun, RolledBack
from instar.transforms.run.rollback import rollback, rollback_target
from instar.transforms.run.settle import settle
from instar.transforms.run.state import list_runs

METHODS = ("exchange", "replace")
LATER = "20261121-210501-0002"


@pytest.mark.parametrize("method", METHODS)
def test_everything_is_as_it_was(lake, facts, method):
    old = facts(lake.dataset)
    inodes = {path: os.stat(lake.dataset / path).st_ino for path in old}
    run, _ = lake.publish(PosixEffects(), method=method)
    back = rollback(lake.state, PosixEffects(), facts={"user": "ada"})
    assert facts(lake.dataset) == old
    assert {path: os.stat(lake.dataset / path).st_ino for path in old} == inodes
    assert back.status == "rolled back"
    assert back.last(RollbackBegun) == RollbackBegun({"user": "ada"})
    assert back.last(RolledBack) is not None
    assert not run.stage.exists()
    assert not run.snapshot.exists()
    assert settle(lake.state, PosixEffects()) == ()


def test_one_file(single, facts):
    old = facts(single.dataset)
    single.publish(PosixEffects(), method="replace")
    rollback(single.state, PosixEffects(), facts={})
    assert facts(single.dataset) == old


@pytest.mark.parametrize("method", METHODS)
def test_runs_go_back_one_after_another(lake, quick, facts, method):
    first = facts(lake.dataset)
    run, _ = lake.publish(quick, method=method)
    second = facts(lake.dataset)
    later, _ = lake.publish(quick, LATER, method)
    with pytest.raises(RunError, match=f"{later.id} came after it"):
        rollback(lake.state, quick, id=run.id, facts={})
    assert rollback_target(lake.state).id == later.id
    rollback(lake.state, quick, facts={})
    assert facts(lake.dataset) == second
    rollback(lake.state, quick, id=run.id, facts={})
    assert facts(lake.dataset) == first
    assert [state.status for state in list_runs(lake.state)] == ["rolled back", "rolled back"]
    with pytest.raises(UsageError, match="no run to roll back"):
        rollback(lake.state, quick, facts={})
    with pytest.raises(UsageError, match="no run 'x'"):
        rollback(lake.state, quick, id="x", facts={})


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("what", ["added", "removed", "changed", "side", "folder"])
def test_refused_by_name_when_the_dataset_changed_since(lake, quick, facts, method, what):
    lake.publish(quick, method=method)
    path = {
        "added": lake.dataset / "month=2" / "new.parquet",
        "removed": lake.dataset / lake.paths[0],
        "changed": lake.dataset / lake.paths[1],
        "side": lake.dataset / "README",
        "folder": lake.dataset / "month=3",
    }[what]
    if what == "folder":
        path.mkdir()
    elif what == "removed":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-1] + b"!" if path.exists() else b"added")
    new = facts(lake.dataset)
    with pytest.raises(RunError, match="no longer as run") as caught:
        rollback(lake.state, quick, facts={})
    assert path.name in str(caught.value)
    assert "downgrade" in caught.value.hint
    assert facts(lake.dataset) == new
    assert list_runs(lake.state)[0].status == "finished"


@pytest.mark.parametrize("method", METHODS)
def test_a_file_of_the_same_bytes_has_not_changed(lake, quick, facts, method):
    old = facts(lake.dataset)
    lake.publish(quick, method=method)
    for path in lake.paths:
        copy = (lake.dataset / path).with_name("copy")
        shutil.copyfile(lake.dataset / path, copy)
        os.replace(copy, lake.dataset / path)
    rollback(lake.state, quick, facts={})
    assert facts(lake.dataset) == old


@pytest.mark.parametrize("method", METHODS)
def test_a_damaged_snapshot_is_refused_by_name(lake, quick, facts, method):
    run, _ = lake.publish(quick, method=method)
    (run.snapshot / lake.paths[2]).unlink()
    new = facts(lake.dataset)
    with pytest.raises(RunError, match=r"b\.parquet was removed"):
        rollback(lake.state, quick, facts={})
    assert facts(lake.dataset) == new


def test_a_file_that_comes_in_the_moment_of_a_rollback_is_not_lost(lake, quick, facts):
    lake.publish(quick)

    class Writer(type(quick)):
        def exchange(self, one, other):
            if not (one / "late.parquet").exists():
                (one / "late.parquet").write_bytes(b"late")
            super().exchange(one, other)

    with pytest.raises(RunError, match=r"late\.parquet was added"):
        rollback(lake.state, Writer(), facts={})
    assert (lake.dataset / "late.parquet").exists()
    assert (lake.dataset / lake.paths[0]).read_bytes().startswith(b"new")
    assert list_runs(lake.state)[0].status == "finished"


def test_a_file_that_comes_after_the_dataset_was_looked_at_is_not_lost(lake, quick):
    lake.publish(quick)

    class Writer(type(quick)):
        def append(self, path, data):
            (lake.dataset / "late.parquet").write_bytes(b"late")
            super().append(path, data)

    with pytest.raises(RunError, match=r"late\.parquet was added"):
        rollback(lake.state, Writer(), facts={})
    assert (lake.dataset / "late.parquet").exists()
    assert (lake.dataset / lake.paths[0]).read_bytes().startswith(b"new")


def test_what_cannot_be_listed_after_the_exchange_is_put_where_it_stood(lake, quick):
    lake.publish(quick)

    class Linker(type(quick)):
        def exchange(self, one, other):
            if not (one / "link").is_symlink() and not (other / "link").is_symlink():
                (one / "link").symlink_to("nowhere")
            super().exchange(one, other)

    with pytest.raises(RunError, match="link is a symbolic link"):
        rollback(lake.state, Linker(), facts={})
    assert (lake.dataset / "link").is_symlink()
    assert (lake.dataset / lake.paths[0]).read_bytes().startswith(b"new")
    assert list_runs(lake.state)[0].status == "finished"


def test_a_run_that_failed_cannot_be_rolled_back(lake, quick):
    run, _, _ = lake.staged(quick)
    lake.publish(quick, LATER)
    with pytest.raises(RunError, match="it is interrupted"):
        rollback(lake.state, quick, id=run.id, facts={})


def test_without_hard_links_too(lake, facts):
    class NoLinks(PosixEffects):
        def link(self, source, target):
            raise OSError(1, "Operation not permitted")

    old = facts(lake.dataset)
    for method in METHODS:
        lake.publish(NoLinks(), f"20261121-210500-{method}", method)
        rollback(lake.state, NoLinks(), facts={})
        assert facts(lake.dataset) == old


def test_new_files_that_cannot_be_removed_now_are_removed_later(lake, quick, facts):
    class Stuck(type(quick)):
        def unlink(self, path):
            raise PermissionError(1, "Operation not permitted", str(path))

    old = facts(lake.dataset)
    run, _ = lake.publish(quick)
    assert rollback(lake.state, Stuck(), facts={}).status == "rolled back"
    assert facts(lake.dataset) == old
    assert run.snapshot.exists()
    (settled,) = settle(lake.state, quick)
    assert settled.what == "discarded"
    assert not run.snapshot.exists()
    assert facts(lake.dataset) == old
