"""Commands run as jobs: what they log, what they measure and how they exit, by real command lines."""

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
from instar.cli.exits import EXITS
from instar.cli.interruption import CODES
from instar.cli.metrics import parsed
from instar.formats import errors
from instar.transforms.execution import holding
from instar.transforms.run.effects import PosixEffects


@pytest.fixture
def sales(author: Author) -> Path:
    data = author.data("sales")
    for part, rows in enumerate((3, 5)):
        (data / f"part={part}").mkdir()
        pq.write_table(pa.table({"n": list(range(rows)), "note": ["x"] * rows}), data / f"part={part}" / "a.parquet")
    author.adopt("sales")
    author.step("sales", 'op.rename("note", to="remark")')
    return data


def lines(text: str) -> list[dict[str, Any]]:
    """The lines of a log, each of which has what every line has, the last one being the end."""
    found = [json.loads(line) for line in text.splitlines()]
    for line in found:
        assert list(line)[:5] == ["ts", "level", "event", "run", "dataset"]
        assert line["ts"].endswith("Z")
    assert [line["event"] for line in found].index("ended") == len(found) - 1
    assert found[0]["event"] == "begun"
    return found


def measured(path: Path, verb: str = "upgrade") -> dict[str, float]:
    return {
        " ".join([s.name.removeprefix("instar_"), *(v for _, v in s.labels[3:])]): s.value
        for s in parsed(path.read_text())
        if s.of == ("sales", verb)
    }


# ---- the log
def test_the_log_is_on_stderr_and_the_answer_on_stdout(author: Author, sales: Path) -> None:
    answer = author.run("upgrade", "sales", "--log", "json", "--workers", "2")
    assert answer.code == 0
    found = lines(answer.err)
    assert answer.json["run"] == found[-1]["run"]
    assert {line["dataset"] for line in found} == {"sales"}
    events = [line["event"] for line in found]
    assert {event: events.count(event) for event in events} == {
        "begun": 1, "run_begun": 1, "step_begun": 5, "step_ended": 5, "file_staged": 2, "file_proved": 2, "published": 1,
        "ended": 1,
    }  # fmt: skip
    assert {line["file"] for line in found if line["event"] == "file_staged"} == {"part=0/a.parquet", "part=1/a.parquet"}
    assert (found[-1]["status"], found[-1]["exit"], found[-1]["rows_out"]) == ("done", 0, 8)
    assert found[-1]["files"] == answer.json["files"]
    spoken = author.instar("rollback", "sales", "--log", "text", at=author.folder)
    assert "rolled back" in spoken.out
    assert [line.split()[1:3] for line in spoken.err.splitlines()][-1] == ["INFO", "ended"]


def test_a_log_file_takes_the_runs_of_all_jobs_and_leaves_stderr_alone(author: Author, sales: Path, tmp_path: Path) -> None:
    log = tmp_path / "instar.jsonl"
    out, nas = str(tmp_path / "out"), str(tmp_path)
    for line in ("upgrade sales", "verify sales", f"convert sales {out} --to avro", f"gc sales --backup {nas}", "rollback sales"):
        answer = author.run(*line.split(), "--log-file", str(log))
        assert (answer.code, answer.err) == (0, "")
    every = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["verb"] for line in every if line["event"] == "begun"] == [
        "upgrade", "verify", "convert", "gc", "rollback",
    ]  # fmt: skip
    assert [(line["status"], line["exit"]) for line in every if line["event"] == "ended"] == [("done", 0)] * 5
    assert sum(line["event"] == "file_converted" for line in every) == 2


def test_an_error_is_in_the_log_once_and_nothing_else_is_on_stderr(author: Author, sales: Path) -> None:
    author.step("sales", 'op.cast("remark", "int64")')
    before = tree(sales)
    answer = author.instar("upgrade", "sales", "--log", "json", at=author.folder)
    assert (answer.code, answer.out) == (1, "")
    found = lines(answer.err)
    wrong = [line for line in found if line["event"] == "error"]
    assert {(line["level"], line["kind"], line["path"]) for line in wrong} == {("error", "DataError", "remark")}
    assert {line["file"] for line in wrong} == {"part=0/a.parquet", "part=1/a.parquet"}
    assert (found[-1]["status"], found[-1]["exit"], found[-1]["errors"]) == ("failed", 1, len(wrong))
    assert tree(sales) == before
    both = author.run("upgrade", "sales", "--log", "json")
    assert both.json["error"]["exit"] == 1
    lines(both.err)


def test_what_goes_wrong_before_there_is_a_dataset_is_logged_too(author: Author, sales: Path, tmp_path: Path) -> None:
    metrics = tmp_path / "instar.prom"
    answer = author.instar("upgrade", "sale", "--log", "json", "--metrics", str(metrics), at=author.folder)
    found = lines(answer.err)
    assert answer.code == 2
    assert [line["event"] for line in found] == ["begun", "error", "ended"]
    assert (found[0]["dataset"], found[0]["verb"], found[1]["kind"], found[2]["exit"]) == ("sale", "upgrade", "UsageError", 2)
    assert {(s.of, s.value) for s in parsed(metrics.read_text()) if s.name == "instar_run_exit_code"} == {
        (("sale", "upgrade"), 2.0)
    }
    (author.folder / "instar.toml").write_text("no toml")
    answer = author.instar("upgrade", "sales", "--log", "json", at=author.folder)
    assert [line["event"] for line in lines(answer.err)] == ["begun", "error", "ended"]


def test_a_fault_is_logged_with_its_traceback(author: Author, sales: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("instar.transforms.migrate.plan_of", lambda *_, **__: 1 / 0)
    for more in ((), ("-v",)):
        answer = author.instar("upgrade", "sales", "--log", "json", *more, at=author.folder)
        found = lines(answer.err)
        (wrong,) = [line for line in found if line["event"] == "error"]
        assert answer.code == found[-1]["exit"] == 70
        assert wrong["kind"] == "ZeroDivisionError"
        assert "ZeroDivisionError: division by zero" in wrong["traceback"]


def test_a_log_that_nobody_reads_or_that_has_no_room_ends_no_run(author: Author, sales: Path) -> None:
    command = [sys.executable, "-m", "instar", "-C", str(author.folder)]
    process = subprocess.Popen(
        [*command, "upgrade", "sales", "--log", "json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    process.stderr.close()  # as a log shipper does that dies
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "upgraded to version 2" in out
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full on this system")
    answer = author.instar("rollback", "sales", "--log-file", "/dev/full", at=author.folder)
    assert answer.code == 0
    assert "rolled back" in answer.out
    assert answer.err.startswith("Warning: ")
    assert "of the log could not be written to /dev/full: No space left on device" in answer.err
    assert answer.err.count("\n") == 1


def test_a_signal_is_the_end_that_the_log_tells(author: Author, sales: Path, tmp_path: Path) -> None:
    """A function of the migration sends it, in the middle of staging."""
    author.step("sales", 'op.derive("again", "int64", sql="n")')
    script = next((author.folder / "migrations" / "sales").glob("0003*.py"))
    stop = f"import os, signal\nif os.path.exists({str(tmp_path / 'stop')!r}):\n    os.kill(os.getpid(), signal.SIGTERM)\n"
    script.write_text(script.read_text().replace("from instar import op\n", f"from instar import op\n\n{stop}"))
    (tmp_path / "stop").touch()
    before = tree(sales)
    done = subprocess.run(
        [sys.executable, "-m", "instar", "-C", str(author.folder), "upgrade", "sales", "--log", "json",
         "--metrics", str(tmp_path / "m")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    found = lines(done.stderr)
    assert done.returncode == 143
    assert (found[-1]["status"], found[-1]["exit"]) == ("interrupted", 143)
    assert (found[-2]["event"], "stopped by SIGTERM. " in found[-2]["message"]) == ("warning", True)
    assert measured(tmp_path / "m")["run_exit_code"] == 143
    assert tree(sales) == before


# ---- metrics
def test_metrics_follow_a_dataset_through_success_failure_and_lock(author: Author, sales: Path, tmp_path: Path) -> None:
    path = tmp_path / "instar.prom"
    report = author.do("upgrade", "sales", "--metrics", str(path))
    first = measured(path)
    assert (first["run_exit_code"], first["run_rows in"], first["run_rows out"]) == (0, 8, 8)
    assert (first["run_bytes in"], first["run_bytes out"]) == (report["bytes_in"], report["bytes_out"])
    assert first["run_files rewritten"] == 2
    assert {name.split()[1] for name in first if name.startswith("run_step_seconds")} == set(report["seconds"])
    assert first["last_success_timestamp_seconds"] == first["run_end_timestamp_seconds"]

    author.step("sales", 'op.cast("remark", "int64")')
    author.refused("upgrade", "sales", "--metrics", str(path))
    second = measured(path)
    assert (second["run_exit_code"], second["run_errors"], second["run_rows out"]) == (1, 2, 0)
    assert second["last_success_timestamp_seconds"] == first["last_success_timestamp_seconds"]
    assert second["run_end_timestamp_seconds"] > first["run_end_timestamp_seconds"]

    with holding(instar.open(author.folder).dataset("sales").job(), "upgrade", PosixEffects()):
        author.refused("upgrade", "sales", "--metrics", str(path), code=3)
    third = measured(path)
    assert third == second | {"run_exit_code": 3, "run_end_timestamp_seconds": third["run_end_timestamp_seconds"]}
    author.do("verify", "sales", "--metrics", str(path))
    assert measured(path) == third
    assert measured(path, "verify")["run_exit_code"] == 0


def test_a_place_for_log_or_metrics_that_cannot_be_is_told_before_anything_is_done(author: Author, sales: Path) -> None:
    before = tree(author.folder)
    for option in ("--log-file", "--metrics"):
        error = author.refused("upgrade", "sales", option, str(author.folder / "nowhere" / "x"), code=2)
        assert "nowhere" in error["message"]
    assert tree(author.folder) == before


def test_metrics_that_cannot_be_written_at_the_end_are_a_warning(
    author: Author, sales: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("instar.cli.metrics.os.replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    answer = author.instar("verify", "sales", "--metrics", str(tmp_path / "m.prom"), at=author.folder)
    assert answer.code == 2  # nothing was run yet
    assert "Warning: the metrics could not be written" in answer.err
    assert not list(tmp_path.glob("*m.prom*"))
    logged = author.instar("verify", "sales", "--log", "json", "--metrics", str(tmp_path / "m.prom"), at=author.folder)
    assert [line["event"] for line in lines(logged.err)] == ["begun", "error", "warning", "ended"]


# ---- exit codes
def test_every_error_of_ours_exits_with_a_code_of_the_contract() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.InstarError)]
    assert len(kinds) >= 13
    assert {kind.exit_code for kind in kinds} == {1, 2, 3}
    assert {0, 1, 2, 3, 70, *CODES.values()} == set(EXITS)


def test_the_help_has_the_exit_codes(author: Author) -> None:
    out = author.instar("--help", at=author.folder).out
    shown = out.split("Exit codes:\n")[1].splitlines()
    assert {int(line.split()[0]): line.split(maxsplit=1)[1] for line in shown} == EXITS


def test_commands_exit_as_the_contract_says(author: Author, sales: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert author.run("upgrade", "sales").code == 0
    assert author.run("upgrade", "sales").code == 0  # nothing to do
    assert author.run("upgrade", "sales", "9").code == 2
    assert author.run("upgrade", "--nonsense").code == 2
    with holding(instar.open(author.folder).dataset("sales").job(), "upgrade", PosixEffects()):
        for verb in ("upgrade sales", "downgrade sales 1", "rollback sales", "stamp sales 2"):
            assert author.run(*verb.split()).code == 3, verb
    (sales / "part=0" / "a.parquet").write_bytes(b"PAR1 no PAR1")
    assert author.run("verify", "sales").code == 1
    assert author.run("upgrade", "sales").code == 1
    monkeypatch.setattr("instar.transforms.verify.verify", lambda *_: 1 / 0)
    assert author.run("verify", "sales").code == 70
