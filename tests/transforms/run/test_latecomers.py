"""Writers do not stop for a publish: what they do to the dataset meanwhile stands afterwards, at every moment and after a kill."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
from killing import Quick

from instar.formats.errors import RunError
from instar.transforms.run.changes import change_set
from instar.transforms.run.journal import Carried, Withdrawn
from instar.transforms.run.listing import changed_since, listing, read_listing
from instar.transforms.run.publish import publish
from instar.transforms.run.settle import FOREIGN, abandon, settle
from instar.transforms.run.state import interrupted_run, list_runs, run_state

METHODS = ("exchange", "replace")
STAGED = "month=2/b.parquet"
KEPT = "month=2/already new.parquet"


def by_temporary_name(path: Path, data: bytes) -> None:
    other = path.with_name(".being written")
    other.write_bytes(data)
    os.replace(other, path)


def append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b" and more")


DEEDS: dict[str, Any] = {
    "add": lambda tree: (tree / "month=2" / "late.parquet").write_bytes(b"late"),
    "add in a new folder": lambda tree: ((tree / "month=3").mkdir(), (tree / "month=3" / "late.parquet").write_bytes(b"late")),
    "replace": lambda tree: by_temporary_name(tree / STAGED, b"somebody's"),
    "append": lambda tree: append(tree / STAGED),
    "append to what stays": lambda tree: append(tree / KEPT),
    "replace what stays": lambda tree: by_temporary_name(tree / KEPT, b"somebody's"),
    "remove": lambda tree: (tree / STAGED).unlink(),
    "remove what stays": lambda tree: (tree / KEPT).unlink(),
    "rename": lambda tree: (tree / STAGED).rename(tree / "month=2" / "renamed.parquet"),
    "rename what stays": lambda tree: (tree / KEPT).rename(tree / "month=2" / "renamed.parquet"),
    "remove a folder": lambda tree: ((tree / "empty" / "below").rmdir(), (tree / "empty").rmdir()),
}


def contents(tree: Path) -> dict[str, bytes]:
    return {path.relative_to(tree).as_posix(): path.read_bytes() if path.is_file() else b"" for path in tree.rglob("*")}


def wanted(lake, deed: str) -> dict[str, bytes]:
    """The tree as it is when the writer came first and what he has touched was left to him."""
    old = contents(lake.dataset)
    DEEDS[deed](lake.dataset)
    new = contents(lake.dataset)
    left = {path: data for path, data in new.items() if path not in lake.side}
    return {path: b"new " + data if path in lake.paths and data == old.get(path) else data for path, data in left.items()}


class Acting:
    """Effects of a run in whose course somebody acts once, before or after the n-th effect of a name."""

    def __init__(self, effects: Any, name: str, count: int, act: Any, *, after: bool) -> None:
        self.effects, self.name, self.left, self.act, self.after = effects, name, count, act, after

    def __getattr__(self, name: str) -> Any:
        def effect(*args: Any) -> None:
            self.left -= name == self.name
            due = name == self.name and self.left == 0
            if due and not self.after:
                self.act()
            getattr(self.effects, name)(*args)
            if due and self.after:
                self.act()

        return effect


@pytest.fixture
def expected(new_lake, side):
    def expect(deed: str) -> dict[str, bytes]:
        lake = new_lake("expected " + deed)
        object.__setattr__(lake, "side", side)
        return wanted(lake, deed)

    return expect


def _withdrawn(run) -> set[str]:
    return {line.event.path for line in run_state(run).lines if isinstance(line.event, Withdrawn)}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("deed", DEEDS)
def test_what_changed_while_a_run_worked_stays_as_it_is(lake, quick, expected, method, deed):
    before = listing(lake.dataset)
    run, journal, receipts = lake.staged(quick, method=method)
    DEEDS[deed](lake.dataset)
    made = publish(lake.dataset, run, method, before, change_set(before, receipts), journal, quick)
    assert contents(lake.dataset) == expected(deed)
    assert made.late
    assert _withdrawn(run) == set(lake.paths) - set(made.changes.written)
    assert changed_since(read_listing(run.after), listing(lake.dataset)) == ()


@pytest.mark.parametrize("deed", DEEDS)
@pytest.mark.parametrize(("name", "after"), [("dress", False), ("exchange", False), ("exchange", True), ("rename", False)])
def test_what_is_done_to_the_old_tree_in_the_moment_of_the_exchange_is_done_to_the_new_one(
    lake, quick, expected, deed, name, after
):
    here = os.open(lake.dataset, os.O_RDONLY)  # a writer who has the directory open

    def act() -> None:
        DEEDS[deed](Path(f"/proc/self/fd/{here}"))

    wanted = expected(deed)
    run, made = lake.publish(Acting(quick, name, 1, act, after=after))
    os.close(here)
    if name == "rename":  # the old tree was looked at before: it is told of, and picked up by the next run
        return
    assert contents(lake.dataset) == wanted
    assert made.late
    assert _withdrawn(run) == set(lake.paths) - set(made.changes.written)
    assert changed_since(read_listing(run.after), listing(lake.dataset)) == ()
    assert changed_since(read_listing(run.before), listing(run.snapshot)) == ()


@pytest.mark.parametrize("deed", DEEDS)
def test_killed_at_every_effect_after_the_exchange_the_next_command_carries_over_the_same(
    new_lake, quick, dying, killed, expected, deed
):
    wanted, at, tried = expected(deed), 0, 0
    while at := at + 1:
        lake = new_lake(f"{at}")
        here = os.open(lake.dataset, os.O_RDONLY)

        def act(here: int = here) -> None:
            DEEDS[deed](Path(f"/proc/self/fd/{here}"))

        class Late(dying):
            begun = False

            def __getattr__(self, name: str) -> Any:
                done = super().__getattr__(name)
                if name != "exchange":
                    return done

                def exchange(*args: Any) -> None:
                    if self.begun:
                        done(*args)
                        return
                    self.begun = True
                    act()
                    done(*args)
                    self.count, self.at = 0, at

                return exchange

        try:
            lake.publish(Late(quick, 10**9))
        except killed:
            tried += 1
            (settled,) = settle(lake.state, quick)
            assert settled.what == "finished"
            assert contents(lake.dataset) == wanted
            assert settle(lake.state, quick) == ()
            (run,) = list_runs(lake.state)
            assert {path.name for path in run.run.path.iterdir()} == {
                "plan.json", "journal.jsonl", "before.json", "after.json", "snapshot",
            }  # fmt: skip
            assert changed_since(read_listing(run.run.before), listing(run.run.snapshot)) == ()
        else:
            break
        finally:
            os.close(here)
    assert tried >= 8


@pytest.mark.parametrize("deed", ["add", "replace", "append", "remove", "rename", "append to what stays", "replace what stays"])
def test_a_file_that_changes_between_two_steps_of_replace_stays_and_the_others_are_replaced(lake, quick, expected, deed):
    wanted = expected(deed)
    acting = Acting(quick, "replace", 1, lambda: DEEDS[deed](lake.dataset), after=False)
    run, made = lake.publish(acting, method="replace")
    assert contents(lake.dataset) == wanted
    assert made.late or STAGED not in DEEDS[deed].__code__.co_names
    assert changed_since({p: e for p, e in read_listing(run.after).items() if p in lake.paths}, {
        p: e for p, e in listing(lake.dataset).items() if p in lake.paths}) == ()  # fmt: skip


@pytest.mark.parametrize("deed", ["append", "rename"])
def test_what_is_done_to_a_file_in_the_moment_in_which_it_is_replaced(lake, quick, expected, deed):
    """Between the last look at it and the replacing: the old file is in the snapshot, and has another name, too."""
    wanted = expected(deed)

    class Writer(type(quick)):
        def replace(self, source: Path, target: Path) -> None:
            if target.name == "b.parquet" and source.name == target.name:
                DEEDS[deed](lake.dataset)
            super().replace(source, target)

    run, made = lake.publish(Writer(), method="replace")
    assert contents(lake.dataset) == wanted
    assert [str(change) for change in made.late] == [f"{STAGED} was {'changed' if deed == 'append' else 'removed'}"]
    events = [line.event for line in run_state(run).lines]
    assert [event.path for event in events if isinstance(event, Withdrawn)] == [STAGED]
    assert [event.path for event in events if isinstance(event, Carried)] == [STAGED]


def while_announced(quick, act) -> Any:
    """Effects during which somebody acts when the replacing of a file has been announced and is on its way to the disk."""

    class Writer(type(quick)):
        acted = False

        def append(self, path: Path, data: bytes) -> None:
            super().append(path, data)
            if not self.acted and b'"Replacing", "path": "month=2/b.parquet"' in data:
                self.acted = True
                act()

    return Writer()


@pytest.mark.parametrize("deed", ["replace", "remove", "append", "rename"])
def test_a_file_that_changes_when_its_replacing_was_announced_stays(lake, quick, expected, deed):
    wanted = expected(deed)
    run, made = lake.publish(while_announced(quick, lambda: DEEDS[deed](lake.dataset)), method="replace")
    assert contents(lake.dataset) == wanted
    assert made.late
    assert _withdrawn(run) == {STAGED}


@pytest.mark.parametrize("deed", ["replace", "remove", "rename"])
def test_what_a_writer_did_then_stays_where_the_publish_is_taken_back(lake, quick, deed):
    """The disk fails at the very end of it."""
    old = contents(lake.dataset)
    effects = while_announced(quick, lambda: DEEDS[deed](lake.dataset))

    def fails(path: Path) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))

    effects.remove_folder = fails
    with pytest.raises(RunError):
        lake.publish(effects, method="replace")
    new = contents(lake.dataset)
    assert {path: data for path, data in new.items() if path in old and path != STAGED} == {
        path: data for path, data in old.items() if path != STAGED
    }
    assert new.get(STAGED) == (b"somebody's" if deed == "replace" else None)
    assert new.keys() - old.keys() == ({"month=2/renamed.parquet"} if deed == "rename" else set())


def test_a_name_that_is_taken_in_both_trees_keeps_both(lake, quick):
    here = os.open(lake.dataset, os.O_RDONLY)

    def act() -> None:
        (Path(f"/proc/self/fd/{here}") / "late.parquet").write_bytes(b"in the old directory")
        (lake.dataset / "late.parquet").write_bytes(b"in the new one")

    run, _ = lake.publish(Acting(quick, "exchange", 1, act, after=True))
    os.close(here)
    assert (lake.dataset / "late.parquet").read_bytes() == b"in the new one"
    assert (run.snapshot / "late.parquet").read_bytes() == b"in the old directory"


class Full(Quick):
    """Effects of a disk that is full once the trees were exchanged; then somebody acts, for as long as the new one stands."""

    def __init__(self, act: Any, *, then: bool = False) -> None:
        self.act, self.exchanged, self.failed, self.then = act, False, False, then

    def exchange(self, one: Path, other: Path) -> None:
        if self.exchanged and self.then:
            self.act()
        super().exchange(one, other)
        if not self.exchanged and not self.then:
            self.act()
        self.exchanged = True

    def append(self, path: Path, data: bytes) -> None:
        if self.exchanged and not self.failed:
            self.failed = True
            raise OSError(errno.ENOSPC, "no space")
        super().append(path, data)


@pytest.mark.parametrize(("deed", "then"), [*((deed, False) for deed in DEEDS), ("add", True), ("append", True)])
def test_what_is_done_to_the_new_tree_before_it_is_taken_back_is_done_to_the_old_one(lake, quick, deed, then):
    old, seen = contents(lake.dataset), list[dict[str, bytes]]()

    def act() -> None:
        seen.append(contents(lake.dataset))
        DEEDS[deed](lake.dataset)
        seen.append(contents(lake.dataset))

    before = listing(lake.dataset)
    effects = Full(act, then=then)
    run, journal, receipts = lake.staged(effects)
    with pytest.raises(RunError) as raised:
        publish(lake.dataset, run, "exchange", before, change_set(before, receipts), journal, effects)
    abandon(run, journal, quick, raised.value)
    new, now = seen
    left = {path: data for path, data in old.items() if path not in new or path in now}
    assert contents(lake.dataset) == {**left, **{path: data for path, data in now.items() if data != new.get(path)}}
    assert settle(lake.state, quick) == ()
    assert interrupted_run(lake.state) is not None


@pytest.mark.parametrize("killed_then", [False, True])
def test_what_has_no_place_in_the_old_tree_is_kept_and_said(lake, quick, killed_then):
    here = os.open(lake.dataset, os.O_RDONLY)

    def act() -> None:
        (lake.dataset / "late.parquet").write_bytes(b"in the new tree")
        (Path(f"/proc/self/fd/{here}") / "late.parquet").write_bytes(b"in the old directory")

    before, effects = listing(lake.dataset), Full(act)
    run, journal, receipts = lake.staged(effects)
    with pytest.raises(RunError) as raised:
        publish(lake.dataset, run, "exchange", before, change_set(before, receipts), journal, effects)
    os.close(here)
    if killed_then:
        (settled,) = settle(lake.state, quick)
        assert f"{run.stage} {FOREIGN}" in str(settled)
    else:
        abandon(run, journal, quick, raised.value)
        assert raised.value.__notes__ == [f"{run.stage} {FOREIGN}"]
    assert (lake.dataset / "late.parquet").read_bytes() == b"in the old directory"
    assert (run.stage / "late.parquet").read_bytes() == b"in the new tree"
    assert interrupted_run(lake.state) is None
    assert settle(lake.state, quick) == ()
