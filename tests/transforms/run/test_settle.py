"""A run that is killed, anywhere, and what the next command makes of it: the old tree, exactly."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from instar.formats.errors import RunError
from instar.transforms.run.effects import PosixEffects
from instar.transforms.run.journal import Failed, Published, read_journal
from instar.transforms.run.rollback import rollback
from instar.transforms.run.settle import abandon, settle
from instar.transforms.run.state import list_runs

METHODS = ("exchange", "replace")


def nothing_left(lake) -> bool:
    return all(run.settled and not run.run.stage.exists() for run in list_runs(lake.state))


@pytest.mark.parametrize("method", METHODS)
def test_killed_at_every_effect_of_a_publish_the_old_tree_comes_back(new_lake, quick, facts, dying, killed, method):
    at = 0
    while at := at + 1:
        lake = new_lake(f"{at}")
        old, effects = facts(lake.dataset), dying(quick, at)
        try:
            lake.publish(effects, method=method)
        except killed:
            settled = settle(lake.state, quick)
            assert facts(lake.dataset) == old, (at, effects.names[-1])
            assert {each.what for each in settled} <= {"undone", "discarded"}
            assert nothing_left(lake)
            assert settle(lake.state, quick) == ()
        else:
            break
    assert at > 40


@pytest.mark.parametrize("method", METHODS)
def test_killed_again_while_it_is_settled(new_lake, quick, facts, dying, killed, method):
    lake = new_lake("whole")
    effects = dying(quick, 10**9)
    lake.publish(effects, method=method)
    last_steps = (
        [effects.names.index("exchange") + 3] if method == "exchange" else [len(effects.names) - 6, len(effects.names) - 12]
    )
    for crash in last_steps:
        at = 0
        while at := at + 1:
            lake = new_lake(f"{crash}-{at}")
            old = facts(lake.dataset)
            with pytest.raises(killed):
                lake.publish(dying(quick, crash), method=method)
            try:
                settle(lake.state, dying(quick, at))
            except killed:
                settle(lake.state, quick)
                assert facts(lake.dataset) == old, (crash, at)
                assert nothing_left(lake)
            else:
                break
        assert at > 5


@pytest.mark.parametrize("method", METHODS)
def test_killed_at_every_effect_of_a_rollback(new_lake, quick, facts, dying, killed, method):
    at = 0
    while at := at + 1:
        lake = new_lake(f"{at}")
        old = facts(lake.dataset)
        lake.publish(quick, method=method)
        new = facts(lake.dataset)
        try:
            rollback(lake.state, dying(quick, at), facts={})
        except killed:
            settled = settle(lake.state, quick)
            begun = len(settled) > 0
            assert facts(lake.dataset) == (old if begun else new), at
            assert list_runs(lake.state)[0].status == ("rolled back" if begun else "finished")
            assert nothing_left(lake)
        else:
            break
    assert at > 10


KILLED = """
    import os, signal, sys
    from pathlib import Path
    from importlib.util import module_from_spec, spec_from_file_location
    from instar.transforms.run.effects import PosixEffects

    spec = spec_from_file_location("lakes", sys.argv[1])
    lakes = module_from_spec(spec)
    sys.modules["lakes"] = lakes
    spec.loader.exec_module(lakes)

    class Killed(PosixEffects):
        calls = 0
        def {effect}(self, *args):
            super().{effect}(*args)
            Killed.calls += 1
            if Killed.calls == {count}:
                os.kill(os.getpid(), signal.SIGKILL)

    lakes.make_lake(Path(sys.argv[2])).publish(Killed(), method="{method}")
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
@pytest.mark.parametrize(
    ("method", "effect", "count"),
    [("exchange", "exchange", 1), ("exchange", "rename", 1), ("replace", "replace", 2), ("replace", "unlink", 1)],
)
def test_kill_9_in_the_midst_of_publishing(tmp_path, new_lake, facts, method, effect, count):
    old = facts(new_lake("like").dataset)
    (tmp_path / "lake").mkdir()
    script = textwrap.dedent(KILLED.format(method=method, effect=effect, count=count))
    conftest = Path(__file__).with_name("conftest.py")
    ended = subprocess.run([sys.executable, "-c", script, str(conftest), str(tmp_path / "lake")], check=False)
    assert ended.returncode == -signal.SIGKILL
    dataset = tmp_path / "lake" / "flights"
    (run,) = list_runs(type(new_lake("other").state).beside(dataset))
    assert run.status == "half-published"
    assert facts(dataset) != old
    (settled,) = settle(type(new_lake("another").state).beside(dataset), PosixEffects())
    assert settled.what == "undone"
    assert facts(dataset) == old


def test_files_written_into_a_half_published_tree_are_not_hidden(lake, quick, dying, killed):
    effects = dying(quick, 10**9)
    with pytest.raises(killed):
        lake.publish(_dying_at(dying, quick, "exchange", 3))
    (lake.dataset / "arrived.parquet").write_bytes(b"while nobody looked")
    (settled,) = settle(lake.state, quick)
    assert settled.what == "finished"
    assert (lake.dataset / "arrived.parquet").exists()
    assert (lake.dataset / lake.paths[0]).read_bytes().startswith(b"new")
    (run,) = list_runs(lake.state)
    assert run.last(Published) is not None
    assert run.run.snapshot.is_dir()
    assert effects.count == 0


def test_a_file_that_somebody_replaced_in_a_half_published_dataset_is_refused_by_name(lake, quick, dying, killed):
    with pytest.raises(killed):
        lake.publish(_dying_at(dying, quick, "replace", 3), method="replace")
    first = lake.dataset / lake.paths[0]
    other = first.with_name("other")
    other.write_bytes(b"somebody's")
    os.replace(other, first)
    with pytest.raises(RunError, match=r"a\.parquet") as caught:
        settle(lake.state, quick)
    assert "aside" in caught.value.hint
    assert first.read_bytes() == b"somebody's"
    first.rename(lake.dataset.parent / "aside")
    settle(lake.state, quick)
    assert first.read_bytes().startswith(b"old")


def test_a_dataset_that_was_moved_away_is_said_and_nothing_is_touched(lake, quick, dying, killed):
    with pytest.raises(killed):
        lake.publish(_dying_at(dying, quick, "exchange", 3))
    lake.dataset.rename(lake.dataset.parent / "elsewhere")
    with pytest.raises(RunError, match="neither the folder that run"):
        settle(lake.state, quick)
    assert any(run.run.stage.is_dir() for run in list_runs(lake.state))


def test_an_interrupted_stage_is_discarded(lake, quick, facts):
    old = facts(lake.dataset)
    run, _, _ = lake.staged(quick)
    (settled,) = settle(lake.state, quick)
    assert settled.what == "discarded"
    assert not run.stage.exists()
    assert list_runs(lake.state)[0].status == "interrupted"
    assert facts(lake.dataset) == old


def test_a_run_that_died_before_its_first_line_is_settled(lake, quick):
    (lake.state.runs / "20261121-210500-0000" / "stage").mkdir(parents=True)
    (settled,) = settle(lake.state, quick)
    assert settled.what == "discarded"
    assert settle(lake.state, quick) == ()


def test_a_failed_run_is_recorded_and_its_stage_discarded(lake, quick, facts):
    old = facts(lake.dataset)
    run, journal, _ = lake.staged(quick)
    abandon(run, journal, quick, RunError("the disk is full", hint="Free some."))
    (state,) = list_runs(lake.state)
    assert (state.status, state.settled) == ("failed", True)
    assert state.last(Failed) == Failed("RunError", "the disk is full", "Free some.")
    assert not run.stage.exists()
    assert settle(lake.state, quick) == ()
    assert facts(lake.dataset) == old
    assert len(read_journal(run.journal)) == 3


def test_a_read_only_folder_in_the_stage_can_be_discarded(lake, quick):
    run, _, _ = lake.staged(quick)
    run.staged("month=1").chmod(0o500)
    settle(lake.state, quick)
    assert not run.stage.exists()


def _dying_at(dying, quick, effect, after):
    """Effects that die `after` effects after the first `effect` (itself being the first)."""

    class At(dying):
        def __getattr__(self, name):
            if name == effect and self.at == 10**9:
                self.at = self.count + after
            return super().__getattr__(name)

    return At(quick, 10**9)
