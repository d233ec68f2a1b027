"""Publishing by both methods: what the dataset holds afterwards, what refuses, and what is taken back."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from instar.formats.errors import RunError
from instar.transforms.run.changes import change_set
from instar.transforms.run.effects import PosixEffects
from instar.transforms.run.journal import PublishBegun, Published, Removing, Replacing, Undone
from instar.transforms.run.listing import changed_since, listing, read_listing
from instar.transforms.run.preflight import probe
from instar.transforms.run.publish import publish
from instar.transforms.run.state import run_state

METHODS = ("exchange", "replace")


@pytest.mark.parametrize("method", METHODS)
def test_only_the_rewritten_files_change_and_side_files_go(lake, facts, side, method):
    old = facts(lake.dataset)
    _, publication = lake.publish(PosixEffects(), method=method)
    new = facts(lake.dataset)
    assert set(publication.changes.removed) == side
    assert set(new) == set(old) - side
    for path in lake.paths:
        assert new[path][0] != old[path][0]
        assert new[path][1:4] == old[path][1:4]  # mode, owner, group
        assert new[path][5] == old[path][5]  # extended attributes
    for path in set(new) - set(lake.paths):
        if not (lake.dataset / path).is_dir():
            assert new[path] == old[path]
        else:
            assert new[path][:4] + new[path][5:] == old[path][:4] + old[path][5:]


def test_exchange_keeps_the_times_of_folders_in_which_nothing_was_rewritten(lake, facts):
    old = facts(lake.dataset)
    lake.publish(PosixEffects())
    new = facts(lake.dataset)
    assert new["empty"] == old["empty"]
    assert new["empty/below"] == old["empty/below"]
    assert new["month=1/deep"][4] > old["month=1/deep"][4]
    assert new["."][4] > old["."][4]  # _metadata left it


def test_exchange_links_what_did_not_change(lake):
    old = {path: os.stat(lake.dataset / path).st_ino for path in ("README", "month=2/already new.parquet")}
    _, publication = lake.publish(PosixEffects())
    assert publication.copied == 0
    assert {path: os.stat(lake.dataset / path).st_ino for path in old} == old


@pytest.mark.parametrize("method", METHODS)
def test_the_snapshot_holds_the_old_files_and_the_listings_what_there_is(lake, facts, method):
    old = facts(lake.dataset)
    run, publication = lake.publish(PosixEffects(), method=method)
    for path in lake.paths:
        assert facts(run.snapshot)[path] == old[path]
    if method == "exchange":
        assert facts(run.snapshot) == old
    assert not run.stage.exists()
    assert changed_since(read_listing(run.after), listing(lake.dataset)) == ()
    assert publication.entries == read_listing(run.after)
    assert run_state(run).status == "finished"


def test_a_dataset_of_one_file_is_replaced(single, facts):
    old = facts(single.dataset)
    run, _ = single.publish(PosixEffects(), method="replace")
    assert single.dataset.read_bytes() == b"new old"
    assert facts(run.snapshot / "one.parquet") == old


def test_each_step_of_replace_is_in_the_journal(lake, side):
    run, _ = lake.publish(PosixEffects(), method="replace")
    events = [line.event for line in run_state(run).lines]
    steps = [event for event in events if isinstance(event, (Replacing, Removing))]
    assert [type(event) for event in events if event not in steps][-2:] == [PublishBegun, Published]
    assert {event.path for event in steps} == side | set(lake.paths)
    assert all(isinstance(step, Removing) for step in steps[: len(side)])  # what describes old bytes goes before they change


@pytest.mark.parametrize(
    ("method", "effect", "count"), [("exchange", "link", 3), ("exchange", "exchange", 1), ("replace", "replace", 3)]
)
def test_an_error_of_the_disk_is_taken_back_and_said(lake, quick, facts, method, effect, count):
    old, calls = facts(lake.dataset), []

    def full(self, *args):
        calls.append(args)
        if len(calls) == count:
            raise OSError(errno.ENOSPC, "No space left on device", str(args[0]))
        getattr(super(type(self), self), effect)(*args)

    run, journal, receipts = lake.staged(quick, method=method)
    effects: Any = type("Full", (type(quick),), {effect: full})()
    before = listing(lake.dataset)
    with pytest.raises(RunError, match="No space left on device") as caught:
        publish(lake.dataset, run, method, before, change_set(before, receipts), journal, effects)
    assert "free some space" in caught.value.hint
    assert facts(lake.dataset) == old
    assert run_state(run).status == "interrupted"
    assert (run_state(run).last(Undone) is not None) == (effect != "link")


def test_without_hard_links_files_are_copied_with_all_they_have(lake, facts):
    class NoLinks(PosixEffects):
        def link(self, source, target):
            raise OSError(errno.EPERM, "Operation not permitted")

    old = facts(lake.dataset)
    assert probe(lake.dataset, lake.state, NoLinks()).links is False
    run, publication = lake.publish(NoLinks())
    assert publication.copied == 5
    assert facts(run.snapshot) == old
    assert facts(lake.dataset)["README"] == old["README"]
    assert os.stat(lake.dataset / "README").st_ino != os.stat(run.snapshot / "README").st_ino


@pytest.mark.parametrize("damage", ["lost", "foreign"])
def test_a_stage_that_is_not_what_was_staged_is_refused(lake, quick, facts, damage):
    old = facts(lake.dataset)
    run, journal, receipts = lake.staged(quick)
    run.staged(lake.paths[0]).unlink() if damage == "lost" else run.staged("more").write_bytes(b"")
    before = listing(lake.dataset)
    with pytest.raises(RunError, match="the stage"):
        publish(lake.dataset, run, "exchange", before, change_set(before, receipts), journal, quick)
    assert facts(lake.dataset) == old


def test_a_symbolic_link_inside_is_refused_by_name(lake):
    (lake.dataset / "month=1" / "alias").symlink_to("a.parquet")
    with pytest.raises(RunError, match="month=1/alias is a symbolic link") as raised:
        listing(lake.dataset)
    assert str(lake.dataset / "month=1" / "alias") in raised.value.hint, "it may be in an old tree as well"


def test_a_name_that_is_no_utf8_is_carried(lake, quick, facts):
    try:
        Path(os.fsdecode(os.fsencode(lake.dataset) + b"/caf\xe9")).write_bytes(b"latin")
    except OSError:
        pytest.skip("this file system takes valid UTF-8 only")
    run, _ = lake.publish(quick)
    assert (lake.dataset / os.fsdecode(b"caf\xe9")).read_bytes() == b"latin"
    assert os.fsdecode(b"caf\xe9") in read_listing(run.after)
