"""A user's own command is a gate: it sees the dataset as it would be, and says by its exit code whether it may be published."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from authoring import Author
from gating import command, orders, records, runs, setting, write
from killing import Killed, dying
from support import tree

from instar.transforms.job import Options
from instar.transforms.migrate import migrate
from instar.transforms.project import open_project

LOOKS = """
import json, os, sys
new = os.environ["INSTAR_NEW"]
found = {}
for folder, _, names in os.walk(new):
    for name in names:
        path = os.path.join(folder, name)
        found[os.path.relpath(path, new)] = os.path.getsize(path)
said = {key: value for key, value in os.environ.items() if key.startswith("INSTAR_")}
print(json.dumps({"files": found, "env": said, "cwd": os.getcwd(), "args": sys.argv[1:], "in": sys.stdin.read()}), flush=True)
print("to stderr", file=sys.stderr)
"""
WAITS = """
import os, signal, sys, time
if os.path.exists("go"):
    sys.exit(0)
{handler}
open("pid", "w").write(str(os.getpid()))
time.sleep(60)
"""


def log_of(run: Path) -> str:
    return (run / "test.log").read_text()


def test_the_command_sees_both_trees_and_the_facts_of_the_run(author: Author) -> None:
    folder = orders(author)
    (folder / "README").write_text("hello")
    (folder / "empty").mkdir()
    command(author, LOOKS, "one two", "*")
    assert author.do("plan", "orders")["gates"]["test"][1:] == ["app.py", "one two", "*"]
    report = author.do("upgrade", "orders")
    (run,) = runs(author)
    said = json.loads(log_of(run).splitlines()[0])
    sizes = {path.name: path.stat().st_size for path in folder.iterdir() if path.is_file()}
    assert said["files"] == sizes  # as they are published now
    assert {key: value for key, value in said["env"].items() if key not in os.environ} == {
        "INSTAR_OLD": str(folder), "INSTAR_NEW": str(run / "preview"), "INSTAR_DATASET": "orders", "INSTAR_FROM": "1",
        "INSTAR_TO": "2", "INSTAR_RUN": report["run"],
    }  # fmt: skip
    assert (said["cwd"], said["args"], said["in"]) == (str(author.folder), ["one two", "*"], "")
    assert log_of(run).splitlines()[1] == "to stderr"
    assert not (run / "preview").exists()
    (gate,) = report["gates"]
    assert (gate["kind"], gate["verdict"], gate["detail"]["exit"]) == ("command", "passed", 0)


def test_a_command_that_fails_stops_the_run_and_its_end_is_shown(author: Author) -> None:
    folder = orders(author)
    command(author, "import sys\nfor i in range(100): print('line', i)\nsys.exit(3)")
    before = tree(folder, times=True)
    error = author.refused("upgrade", "orders")
    lines = error["message"].splitlines()
    (run,) = runs(author)
    assert lines[0].endswith(f"app.py` ended with exit code 3; all that it said is in {run / 'test.log'}")
    assert lines[1:] == [f"    line {i}" for i in range(80, 100)]
    assert tree(folder, times=True) == before
    assert sorted(path.name for path in run.iterdir()) == ["journal.jsonl", "plan.json", "report.json", "test.log"]
    assert len(log_of(run).splitlines()) == 100


def test_a_command_that_is_ended_by_a_signal_says_so(author: Author) -> None:
    orders(author)
    command(author, "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    assert "was ended by SIGKILL" in author.refused("upgrade", "orders")["message"]


@pytest.mark.parametrize("program", ["nowhere-to-be-found", "./nothing", "instar.toml"])
def test_a_command_that_is_not_there_is_said_before_anything_is_staged(program: str, author: Author) -> None:
    orders(author)
    setting(author, f'test = ["{program}", "x"]')
    error = author.refused("upgrade", "orders", code=2)
    assert program in error["message"]
    assert runs(author) == []


def test_a_command_that_writes_to_the_staged_files_is_found_out(author: Author) -> None:
    folder = orders(author)
    command(author, "import os; open(os.environ['INSTAR_NEW'] + '/1.parquet', 'ab').write(b'x')")
    before = tree(folder, times=True)
    assert author.refused("upgrade", "orders")["message"].endswith("changed what was staged: 1.parquet")
    assert tree(folder, times=True) == before


def test_in_batches_it_sees_the_tree_after_each(author: Author) -> None:
    folder = orders(author)
    command(author, LOOKS)
    old = {path.name: path.stat().st_size for path in folder.iterdir()}
    author.do("upgrade", "orders", "--batch-files", "2")
    first, second = (json.loads(log_of(run).splitlines()[0])["files"] for run in runs(author))
    new = {path.name: path.stat().st_size for path in folder.iterdir()}
    assert first == {**new, "2.parquet": old["2.parquet"]}
    assert second == new


def test_a_renamed_file_is_seen_under_its_new_name(author: Author) -> None:
    orders(author)
    setting(author, 'name = "{stem}.v{version}{suffix}"')
    command(author, LOOKS)
    author.do("upgrade", "orders")
    assert sorted(json.loads(log_of(runs(author)[0]).splitlines()[0])["files"]) == [f"{i}.v2.parquet" for i in range(3)]


def test_a_dataset_of_one_file_is_seen_as_a_file(author: Author) -> None:
    data = author.folder / "data"
    data.mkdir()
    file = write(data / "orders.parquet", records(0))
    author.do("init", "--from", "data/orders.parquet", "--name", "orders")
    author.step("orders", 'op.rename("by", to="buyer"),')
    command(author, "import os; print(os.environ['INSTAR_OLD'], os.path.isfile(os.environ['INSTAR_NEW']))")
    report = author.do("upgrade", "orders", "--workers", "1")
    assert Path(report["gates"][0]["detail"]["log"]).read_text() == f"{file} True\n"


# ---- interrupted
def started(author: Author, handler: str = "") -> tuple[subprocess.Popen[str], int]:
    """An upgrade whose test command is at work, and that one's process id."""
    command(author, WAITS.format(handler=handler))
    process = subprocess.Popen(
        [sys.executable, "-m", "instar", "upgrade", "orders", "--json"], cwd=author.folder, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not (author.folder / "pid").exists() or not (author.folder / "pid").read_text():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return process, int((author.folder / "pid").read_text())


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{pid}/stat").exists() and ") Z " in Path(f"/proc/{pid}/stat").read_text()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_reaches_the_command_and_the_same_upgrade_goes_on(number: signal.Signals, code: int, author: Author) -> None:
    folder = orders(author)
    before = tree(folder)
    process, pid = started(author, "signal.signal(signal.SIGINT, lambda *_: (print('tidied up', flush=True), sys.exit(5)))")
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == code
    assert is_gone(pid)
    (run,) = runs(author)
    assert log_of(run) == "tidied up\n"
    assert not (run / "preview").exists()
    assert tree(folder) == before
    finished(author)


def test_a_command_that_does_not_listen_is_ended(author: Author, monkeypatch: pytest.MonkeyPatch) -> None:
    from instar.transforms import gate_command

    monkeypatch.setattr(gate_command, "_PATIENCE", ((signal.SIGINT, 0.2), (signal.SIGTERM, 0.2)))
    deaf = "[signal.signal(s, signal.SIG_IGN) for s in (signal.SIGINT, signal.SIGTERM)]"
    process = subprocess.Popen([sys.executable, "-c", f"import signal, time; {deaf}; print(1, flush=True); time.sleep(60)"],
                               stdout=subprocess.PIPE, process_group=0)  # fmt: skip
    assert process.stdout is not None
    process.stdout.readline()
    gate_command._end(process)
    process.stdout.close()
    assert process.returncode == -signal.SIGKILL


def test_killed_while_the_command_runs_the_same_upgrade_goes_on(author: Author) -> None:
    folder = orders(author)
    before = tree(folder)
    process, pid = started(author)
    process.kill()
    process.communicate(timeout=60)
    os.kill(pid, signal.SIGKILL)
    (run,) = runs(author)
    assert (run / "preview").is_dir()
    assert tree(folder) == before
    finished(author)


def finished(author: Author) -> None:
    """The same command once more, with a command that says yes: what was staged is used."""
    (author.folder / "go").touch()
    report: Any = author.do("upgrade", "orders")
    (run,) = runs(author)
    assert (report["run"], report["resumed"]["reused"], report["gates"][0]["verdict"]) == (run.name, 3, "passed")
    assert not (run / "preview").exists()
    assert author.do("verify", "orders")["verdict"] == "proved"


@pytest.mark.parametrize(
    ("every", "stage_only"),
    [(37, False), pytest.param(1, False, marks=pytest.mark.slow), pytest.param(1, True, marks=pytest.mark.slow)],
)
def test_killed_at_any_effect_the_next_upgrade_goes_on(every: int, stage_only: bool, author: Author, tmp_path: Path) -> None:
    orders(author)
    command(author, "import os; assert len(os.listdir(os.environ['INSTAR_NEW'])) == 3")
    at, ended = 1, False
    while not ended:
        place = tmp_path / f"at{at}"
        shutil.copytree(author.folder, place)
        data = place / "data" / "orders"
        old = {path.name: path.read_bytes() for path in data.iterdir()}
        try:
            job = open_project(place).dataset("orders").run_job()
            migrate(job, None, Options(stage_only=stage_only), verb="upgrade", effects=dying(at))
            ended = True
        except Killed:
            pass
        now = {path.name: path.read_bytes() for path in data.iterdir()}
        assert not stage_only or now == old, at
        report = Author(place, author.instar).do("upgrade", "orders")
        assert report["status"] in ("done", "nothing to do"), at
        assert Author(place, author.instar).do("status", "orders")["versions"][0]["version"] == 2
        assert not list(place.glob("data/.instar/orders/runs/*/preview")), at
        at += every
