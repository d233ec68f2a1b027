"""A run that is killed, anywhere, and what the next command makes of it: the old tree, or the new one, whole."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import duckdb
import pytest

from instar.formats.errors import DataError, ProofError, RunError
from instar.transforms.run.changes import change_set
from instar.transforms.run.effects import PosixEffects
from instar.transforms.run.journal import Failed, Published, Stopped, Withdrawn, read_journal
from instar.transforms.run.listing import listing
from instar.transforms.run.publish import publish
from instar.transforms.run.settle import abandon, discard_new_files, is_interruption, settle
from instar.transforms.run.state import interrupted_run, list_runs

METHODS = ("exchange", "replace")


def contents(facts):
    """What does not depend on when it happened: bytes, modes, owners."""
    return {path: fact[:4] for path, fact in facts.items()}


def same_or_whole(lake, old, new, facts) -> None:
    """After a kill and what the next command makes of it: nothing was published, or all was."""
    (run,) = list_runs(lake.state)
    assert run.status in ("interrupted", "finished")
    assert contents(facts(lake.dataset)) == contents(old if run.status == "interrupted" else new)
    if run.status == "finished":
        assert not run.run.stage.exists()
        assert {path: facts(run.run.snapshot)[path] for path in lake.paths} == {path: old[path] for path in lake.paths}


@pytest.fixture(params=METHODS)
def published(request, new_lake, quick, facts):
    lake = new_lake("published")
    lake.publish(quick, method=request.param)
    return request.param, facts(lake.dataset)


def test_killed_at_every_effect_of_a_publish_the_old_tree_stands_or_the_new_one(new_lake, quick, facts, dying, killed, published):
    at, (method, new), ended = 0, published, set()
    while at := at + 1:
        lake = new_lake(f"{at}")
        old, effects = facts(lake.dataset), dying(quick, at)
        try:
            lake.publish(effects, method=method)
        except killed:
            if not list_runs(lake.state):
                continue
            settled = settle(lake.state, quick)
            same_or_whole(lake, old, new, facts)
            ended |= {each.what for each in settled}
            assert settle(lake.state, quick) == ()
        else:
            break
    assert at > 40
    assert ended == {"discarded", "finished"}  # the first where the journal could not yet say what the run was to do


def test_killed_again_while_it_is_settled(new_lake, quick, facts, dying, killed, published):
    method, new = published
    effects = dying(quick, 10**9)
    new_lake("whole").publish(effects, method=method)
    last = effects.names.index("exchange") + 1 if method == "exchange" else effects.names.index("replace") + 1
    for crash in (last, last + 1, last + 3):
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
                same_or_whole(lake, old, new, facts)
            else:
                break
        assert at > 2


KILLED = """
    import os, signal, sys
    from pathlib import Path
    from importlib.util import module_from_spec, spec_from_file_location
    from instar.transforms.run.effects import PosixEffects

    sys.path.insert(0, str(Path(sys.argv[1]).parents[2]))
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
    assert settled.what == "finished"
    like = new_lake("published")
    like.publish(PosixEffects(), method=method)
    assert contents(facts(dataset)) == contents(facts(like.dataset))


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


def test_a_file_that_somebody_replaced_in_a_half_published_dataset_is_newer_and_stays(lake, quick, dying, killed):
    with pytest.raises(killed):
        lake.publish(_dying_at(dying, quick, "replace", 3), method="replace")
    first = lake.dataset / lake.paths[0]
    other = first.with_name("other")
    other.write_bytes(b"somebody's")
    os.replace(other, first)
    (settled,) = settle(lake.state, quick)
    assert settled.what == "finished"
    assert first.read_bytes() == b"somebody's"
    assert all((lake.dataset / path).read_bytes().startswith(b"new") for path in lake.paths[1:])
    (run,) = list_runs(lake.state)
    assert [line.event.path for line in run.lines if isinstance(line.event, Withdrawn)] == [lake.paths[0]]


def test_a_dataset_that_was_moved_away_is_said_and_nothing_is_touched(lake, quick, dying, killed):
    with pytest.raises(killed):
        lake.publish(_dying_at(dying, quick, "exchange", 3))
    lake.dataset.rename(lake.dataset.parent / "elsewhere")
    with pytest.raises(RunError, match="neither the folder that run"):
        settle(lake.state, quick)
    assert any(run.run.stage.is_dir() for run in list_runs(lake.state))


@pytest.mark.parametrize(("effect", "status"), [(-1, "interrupted"), (3, "finished")])
def test_a_dataset_that_was_replaced_by_a_copy_of_itself_is_not_stuck(lake, quick, dying, killed, effect, status, facts):
    """Before the exchange, and after it: what stands there is somebody's, and stays."""
    with pytest.raises(killed):
        lake.publish(_dying_at(dying, quick, "exchange", effect))
    shutil.copytree(lake.dataset, lake.dataset.parent / "copy")
    lake.dataset.rename(lake.dataset.parent / "elsewhere")
    (lake.dataset.parent / "copy").rename(lake.dataset)
    now = facts(lake.dataset)
    settle(lake.state, quick)
    assert facts(lake.dataset) == now
    assert settle(lake.state, quick) == ()
    assert list_runs(lake.state)[0].status == status


def test_an_interrupted_stage_is_kept(lake, quick, facts):
    old = facts(lake.dataset)
    run, _, _ = lake.staged(quick)
    assert settle(lake.state, quick) == ()
    assert run.staged(lake.paths[0]).is_file()
    assert list_runs(lake.state)[0].status == "interrupted"
    assert facts(lake.dataset) == old


def test_a_dataset_that_changed_after_a_kill_is_put_back_and_the_stage_stays(lake, quick, dying, killed):
    with pytest.raises(killed):
        lake.publish(_dying_at(dying, quick, "exchange", 0))
    (lake.dataset / lake.paths[0]).write_bytes(b"somebody's")
    (settled,) = settle(lake.state, quick)
    assert settled.what == "undone"
    assert (lake.dataset / lake.paths[0]).read_bytes() == b"somebody's"
    (run,) = list_runs(lake.state)
    assert (run.status, run.settled) == ("interrupted", False)
    assert run.run.staged(lake.paths[0]).is_file()
    assert settle(lake.state, quick) == ()


@pytest.mark.parametrize("error", [ProofError("they differ"), DataError("no number"), ValueError("a fault")])
def test_a_failed_run_is_recorded_and_its_stage_discarded(lake, quick, facts, error):
    old = facts(lake.dataset)
    run, journal, _ = lake.staged(quick)
    abandon(run, journal, quick, error)
    (state,) = list_runs(lake.state)
    assert (state.status, state.settled) == ("failed", True)
    assert state.last(Failed) == Failed(type(error).__name__, str(error), "")
    assert not run.stage.exists()
    assert settle(lake.state, quick) == ()
    assert facts(lake.dataset) == old
    assert len(read_journal(run.journal)) == 3


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (RunError("the disk is full", hint="Free some."), "RunError", "the disk is full"),
        (KeyboardInterrupt(), "KeyboardInterrupt", ""),
        (RuntimeError("Query interrupted"), "Interrupted", ""),  # DuckDB's, for a signal
    ],
)
def test_a_stopped_run_keeps_its_stage(lake, quick, error, kind, said):
    run, journal, _ = lake.staged(quick)
    abandon(run, journal, quick, error)
    (state,) = list_runs(lake.state)
    assert (state.status, state.settled) == ("interrupted", False)
    stopped = state.last(Stopped)
    assert stopped is not None
    assert (stopped.kind, stopped.message) == (kind, said)
    assert run.staged(lake.paths[0]).is_file()
    assert settle(lake.state, quick) == ()


def test_a_read_only_folder_in_the_stage_can_be_discarded(lake, quick):
    run, journal, _ = lake.staged(quick)
    run.staged("month=1").chmod(0o500)
    discard_new_files(run, journal, quick, "no more wanted")
    assert not run.stage.exists()


def _dying_at(dying, quick, effect, after):
    """Effects that die `after` effects after the first `effect` (itself being the first)."""

    class At(dying):
        def __getattr__(self, name):
            if name == effect and self.at == 10**9:
                self.at = self.count + after
            return super().__getattr__(name)

    return At(quick, 10**9)


def test_what_somebody_wrote_into_the_new_tree_before_it_was_taken_back_is_kept(lake, quick):
    """For a moment the new tree stood there; then the old one had changed, and both were swapped back."""

    class Writers(type(quick)):
        def exchange(self, one, other):
            if not (lake.dataset / "old.parquet").exists() and not (other / "old.parquet").exists():
                (one / "old.parquet").write_bytes(b"comes just before")
                super().exchange(one, other)
                (one / "new.parquet").write_bytes(b"comes just after")
            else:
                super().exchange(one, other)

    run, journal, receipts = lake.staged(quick)
    before = listing(lake.dataset)
    try:
        publish(lake.dataset, run, "exchange", before, change_set(before, receipts), journal, Writers())
    except RunError as error:
        abandon(run, journal, quick, error)
    settle(lake.state, quick)
    for name in (b"comes just before", b"comes just after"):
        places = [path for path in (lake.dataset.parent).rglob("*.parquet") if path.is_file() and path.read_bytes() == name]
        assert places, name
    assert interrupted_run(lake.state) is None


@pytest.mark.parametrize(
    ("error", "stopped"),
    [
        (KeyboardInterrupt(), True),
        (duckdb.InterruptException("INTERRUPT Error: Interrupted!"), True),
        (RuntimeError("Query interrupted"), True),
        (duckdb.ConversionException("Could not convert string 'interrupted by client' to INT32"), False),
        (RunError("the interrupted run is gone"), False),
    ],
)
def test_an_error_that_quotes_the_word_is_no_signal(error: BaseException, stopped: bool) -> None:
    assert is_interruption(error) is stopped
