"""The command line as people and scripts meet it: every verb, its help, its JSON, its errors and exit codes, on each format."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from authoring import Author
from sales import FORMATS, SUFFIXES, with_sales, write
from support import Answer, data_tree, tree

from instar.cli.main import COMMANDS, main, run


# ---- every verb, on every format
@pytest.mark.parametrize("format", sorted(FORMATS))
def test_the_day_of_somebody_who_changes_a_schema(format: str, author: Author) -> None:
    data = author.data("sales")
    write(data / FORMATS[format])
    adopted = author.adopt("sales")
    assert (adopted["dataset"], adopted["subject"], adopted["version"], adopted["files"]) == ("sales", "sales", 1, 1)
    assert adopted["document"] == str(author.folder / "schemas" / "sales" / f"v1.{SUFFIXES[format]}")
    assert Path(adopted["document"]).is_file()
    before = tree(data)

    script = Path(author.do("revision", "sales", "-m", "Name it, at last!")["path"])
    assert script.name == "0002_name_it_at_last.py"
    assert author.do("history", "sales")["entries"][0] == {
        "version": 2, "message": "Name it, at last!", "script": f"sales/{script.name}", "registered": False, "operations": [],
    }  # fmt: skip
    text = script.read_text().replace("upgrade = [", 'upgrade = [\n    op.rename("note", to="remark"), op.drop("n"),')
    script.write_text(text.replace("downgrade = {}", 'downgrade = {"n": "0"}'))
    check = author.run("check")
    assert check.code == 2
    assert "instar register sales" in check.json["subjects"]["sales"][0]["problems"][0]
    assert author.do("register", "sales")["version"] == 2
    checked = author.do("check")
    assert checked["ok"]
    assert checked["subjects"]["sales"][0]["losses"][0]["path"] == "n"

    assert author.do("current", "sales") == [{"dataset": "sales", "newest": 2, "versions": {"1": 1}}]
    assert author.do("status", "sales")["pending"] == [{"version": 2, "message": "Name it, at last!"}]
    assert author.do("runs", "sales")["runs"] == []
    plan = author.do("plan", "sales")
    assert (plan["from"], plan["to"], plan["files"]["rewrite"]) == ({"1": 1}, 2, 1)
    assert plan["rows"] in (3, None)
    assert plan["way_back"]["downgrade_loses"]["1"][0]["path"] == "n"
    assert tree(data) == before

    report = author.do("upgrade", "sales")
    assert {"run", "dataset", "from", "to", "files", "rows_in", "rows_out", "bytes_in", "bytes_out", "seconds", "proof"} <= set(
        report
    )
    assert (report["rows_in"], report["rows_out"], report["from"], report["to"]) == (3, 3, {"1": 1}, 2)
    assert set(report["seconds"]) >= {"stage", "prove", "publish"}
    assert report["proof"]["verdict"] == "proved"
    assert report["proof"]["checks"][0]["file"] == FORMATS[format]
    assert {"user", "host", "versions", "git"} <= set(report["provenance"])
    assert author.do("current")[0]["versions"] == {"2": 1}
    assert author.do("stamp", "sales", "2") == {"dataset": "sales", "version": 2, "files": [FORMATS[format]]}
    error = author.refused("stamp", "sales", "1")
    assert error["where"]["file"] == FORMATS[format]
    down = author.do("downgrade", "sales", "-1")
    assert [loss["path"] for loss in down["losses"]] == ["n"]
    assert (down["from"], down["to"]) == ({"2": 1}, 1)
    author.do("rollback", "sales")
    author.do("rollback", "sales")
    assert tree(data) == before
    runs = author.do("runs", "sales")["runs"]
    assert [(r["verb"], r["status"], r["target"]) for r in runs] == [
        ("upgrade", "rolled back", 2),
        ("downgrade", "rolled back", 1),
        ("rollback", "finished", 2),
        ("rollback", "finished", 1),
    ]
    assert author.do("current")[0]["versions"] == {"1": 1}


@pytest.mark.parametrize("format", sorted(FORMATS))
def test_every_verb_speaks_to_people_on_stdout_and_is_silent_on_stderr(format: str, author: Author) -> None:
    with_sales(author, format)
    for verb, words in {
        "status sales": ["sales", "version", "pending: 2"],
        "status": ["sales"],
        "current": ["sales: version 1", "newest is 2"],
        "plan sales": ["disk", "time", "publish", "rollback", "n", "One step"],
        "plan sales -v": ['rename("note", to="remark")', FORMATS[format]],
        "check": ["1 → 2", "way back, n"],
        "show sales": ["sales version 2", "remark", "string?"],
        "diff sales": ["~ note → remark", "renamed", "- n"],
        "history sales": ["One step", "first version"],
        "history sales -v": ['drop("n")'],
        "upgrade sales": ["Proved", "upgraded to version 2", "rows     3 → 3", "instar rollback sales"],
        "verify sales": ["Proved", "3 rows in 1 file", "upgrade to version 2: 1 file from 1"],
        "downgrade sales 1": ["downgraded to version 1", "n: dropped"],
        "rollback sales": ["rolled back"],
        "runs sales": ["upgrade to 2", "finished", "instar rollback sales"],
        "stamp sales 2": ["recorded as version 2"],
        "upgrade sales 2": ["nothing to do"],
    }.items():
        answer = author.instar(*verb.split(), at=author.folder)
        assert answer.code == 0, (verb, answer.err)
        assert not answer.err, verb
        flat = " ".join(answer.out.split())
        for word in words:
            assert " ".join(word.split()) in flat, (verb, word, answer.out)


def test_progress_shows_on_a_terminal_and_leaves_stdout_alone(author: Author) -> None:
    pty = pytest.importorskip("pty", reason="no terminals on this system")
    with_sales(author)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "instar", "-C", str(author.folder), "upgrade", "sales"], stdout=subprocess.PIPE, stderr=theirs,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    while True:
        try:
            piece = os.read(ours, 1 << 16)
        except OSError:  # Linux: the other end is closed
            break
        if not piece:
            break
        shown += piece
    out, _ = process.communicate(timeout=60)
    os.close(ours)
    assert process.returncode == 0
    assert b"stage" in shown
    assert b"files" in shown
    assert b"upgraded to version 2" in out
    assert b"\x1b" not in out


# ---- help
@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_every_command_ends_with_examples(command: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert run([command, "--help"]) == 0
    text = capfd.readouterr().out
    assert text.startswith(f"Usage: instar {command}")
    examples = text.split("Examples:")[1].split("Options:")[0].strip().splitlines()
    assert examples
    assert all(line.strip().startswith(f"instar {command}") for line in examples)
    assert "--json" in text


def test_the_help_names_every_command(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    text = capfd.readouterr().out
    listed = text.split("Commands:\n")[1].split("\n\n")[0].splitlines()
    assert [line.split()[0] for line in listed if line[:3].strip()] == list(COMMANDS)
    assert run(["--version"]) == 0
    assert "instar" in capfd.readouterr().out


# ---- JSON
ONE_VALUE = {
    "init": "--from data/orders",
    "revision": "sales -m more",
    "register": "other data/orders/a.parquet",
    "check": "",
    "show": "sales",
    "diff": "sales",
    "status": "",
    "current": "",
    "plan": "sales",
    "upgrade": "sales",
    "verify": "sales",
    "audit": "sales --seconds 0.05 --max-slowdown 1000",
    "stamp": "sales 2",
    "downgrade": "sales 1",
    "rollback": "sales",
    "runs": "sales",
    "report": "sales",
    "gc": "sales",
    "history": "sales",
    "convert": "sales sales.avro --to avro",
    "read": "sales",
    "view": "sales",
    "completion": "bash",
}
"""A line for each command, in an order in which they all work."""


def test_every_command_answers_with_one_json_value(author: Author) -> None:
    assert set(ONE_VALUE) == set(COMMANDS)
    with_sales(author)
    write(author.data("orders") / "a.parquet")
    for command, arguments in ONE_VALUE.items():
        answer = author.run(command, *arguments.split())
        assert (answer.code, answer.err) == (2 if command == "check" else 0, ""), (command, answer.out)  # a draft is not registered
        json.loads(answer.out)


# ---- wrong use
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["upgrad", "sales"], "upgrade"),
        (["upgrade", "sales", "--nonsense"], "--nonsense"),
        (["upgrade", "sale"], "sales"),
        (["upgrade", "sales", "2", "--to", "2"], "twice"),
        (["upgrade", "sales", "two"], "two"),
        (["upgrade", "sales", "7"], "7"),
        (["upgrade", "sales", "+7"], "no version 8"),
        (["upgrade", "sales", "--memory", "much"], "much"),
        (["upgrade", "sales", "--workers", "0"], "0"),
        (["upgrade", "sales", "--method", "magic"], "magic"),
        (["upgrade", "sales", "-1"], "-1"),
        (["downgrade", "sales"], "VERSION"),
        (["downgrade", "sales", "0"], "0"),
        (["plan", "sales", "--to", "x"], "x"),
        (["register", "nothing"], "nothing"),
        (["register", "sales"], "revision"),
        (["register", "sales", "nowhere.avsc"], "nowhere.avsc"),
        (["revision", "nothing", "-m", "x"], "nothing"),
        (["revision", "sales"], "-m"),
        (["revision", "sales", "-m", "!?"], "message"),
        (["history", "nothing"], "nothing"),
        (["show", "nothing"], "nothing"),
        (["show", "sales", "x"], "x"),
        (["diff", "sales", "1", "9"], "9"),
        (["check", "nothing"], "nothing"),
        (["stamp", "sales", "9"], "9"),
        (["stamp", "sales", "x"], "x"),
        (["stamp", "sales", "1", "nowhere.parquet"], "nowhere.parquet"),
        (["runs", "nothing"], "nothing"),
        (["verify", "nothing"], "nothing"),
        (["verify", "sales"], "no finished run"),
        (["status", "nothing"], "nothing"),
        (["current", "nothing"], "nothing"),
        (["rollback", "nothing"], "nothing"),
        (["rollback", "sales"], "no run"),
        (["init"], "exists"),
        (["init", "--from", "nowhere"], "nowhere"),
        (["init", "--from", "data/sales"], "sales"),
        (["init", "--from", "migrations"], "migrations"),
        ([], ""),
    ],
    ids=" ".join,
)  # fmt: skip
def test_wrong_use_is_told_with_exit_2(arguments: list[str], says: str, shared: Author, instar: Callable[..., Answer]) -> None:
    before = data_tree(shared.folder)
    answer = instar(*arguments, "--json", at=shared.folder)
    assert answer.code == 2, answer.out + answer.err
    error = json.loads(answer.out)["error"]
    assert set(error) >= {"message", "hint", "where", "exit"}
    assert error["exit"] == 2
    assert says in error["message"] + error["hint"], error
    assert error["hint"], error
    assert not answer.err
    spoken = instar(*arguments, at=shared.folder)
    if arguments:
        assert (spoken.code, spoken.out) == (2, "")
        assert spoken.err.startswith("Error: ")
        assert error["hint"] in spoken.err
    assert data_tree(shared.folder) == before


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Author:
    """One project for the many tests that may change nothing."""
    folder = tmp_path_factory.mktemp("shared")

    def command(*arguments: str, at: Path) -> Answer:
        done = subprocess.run(
            [sys.executable, "-m", "instar", "-C", str(at), *arguments], capture_output=True, text=True, check=False
        )
        return Answer(done.returncode, done.stdout, done.stderr)

    author = Author(folder, command)
    with_sales(author)
    return author


def test_which_dataset_is_asked_where_there_are_several(author: Author) -> None:
    with_sales(author)
    assert author.do("plan")["dataset"] == "sales"
    write(author.data("orders") / "a.parquet")
    author.adopt("orders")
    error = author.refused("upgrade", code=2)
    assert "orders, sales" in error["message"]
    assert [d["dataset"] for d in author.do("status")] == ["orders", "sales"]
    assert author.do("status", "orders")["dataset"] == "orders"


def test_a_fault_of_ours_is_exit_70(author: Author, monkeypatch: pytest.MonkeyPatch) -> None:
    with_sales(author)
    monkeypatch.setattr("instar.transforms.dataset.Dataset.status", lambda self: 1 / 0)
    answer = author.run("status", "sales")
    assert answer.code == 70
    assert "ZeroDivisionError" in answer.json["error"]["message"]
    assert "-v" in answer.json["error"]["hint"]
    traced = author.run("status", "sales", "-v")
    assert traced.code == 70
    assert "Traceback" in traced.err
    assert traced.json["error"]["exit"] == 70


@pytest.mark.parametrize(
    ("verb", "number", "code", "said"),
    [
        ("status", signal.SIGINT, 130, "Interrupted\n"),
        ("status", signal.SIGTERM, 143, "Stopped by SIGTERM\n"),
        ("upgrade", signal.SIGINT, 130, "Error: interrupted\nNothing is half-done: the same command starts again"),
    ],
)
def test_a_signal_that_a_library_turns_into_an_error_of_its_own_is_still_an_interruption(
    verb: str,
    number: signal.Signals,
    code: int,
    said: str,
    author: Author,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """As DuckDB does, which was seen to answer a signal during a query so. What only reads leaves nothing of which to speak."""
    with_sales(author)

    def endless(dataset: object, *_: object, **__: object) -> None:
        try:
            os.kill(os.getpid(), number)
            time.sleep(60)
        except BaseException:
            raise RuntimeError("Query interrupted") from None

    monkeypatch.setattr(f"instar.transforms.dataset.Dataset.{verb}", endless)
    capfd.readouterr()
    kept = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        for more in (["--json"], []):
            with pytest.raises(SystemExit) as left:
                main(["-C", str(author.folder), verb, "sales", *more])
            assert left.value.code == code
    finally:
        for each, handler in kept.items():
            signal.signal(each, handler)
    answer = capfd.readouterr()
    error = json.loads(answer.out)["error"]
    assert (error["exit"], bool(error["hint"])) == (code, verb == "upgrade")
    assert answer.err.startswith(said)
    assert said.count("\n") == answer.err.count("\n") or verb == "upgrade"


def test_a_broken_pipe_is_no_traceback(author: Author) -> None:
    with_sales(author)
    command = f"{sys.executable} -m instar -C '{author.folder}' plan sales --json | head -c 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr
