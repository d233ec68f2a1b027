"""Log lines, the files they go to, and metrics, each for itself."""

from __future__ import annotations

import errno
import json
import os
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from instar.cli import sink
from instar.cli.log import Log
from instar.cli.metrics import METRICS, Metrics, Sample, merged, parsed, rendered, samples
from instar.cli.sink import ToFile
from instar.formats.errors import UsageError
from instar.transforms.events import Begun, Ended, Errored, FileStaged, RunBegun

MOMENT = datetime(2026, 11, 22, 3, 14, 47, 123456, tzinfo=UTC)
RUN = RunBegun("20261122-031447-123456", {"1": 2}, 2, "exchange", "ab", 2, 8, 900, 1, "ada", "lake", "1.0")


class Kept:
    """A sink that keeps its lines."""

    on_stderr = False

    def __init__(self) -> None:
        self.lines: list[str] = []

    def write(self, line: str) -> None:
        self.lines.append(line)

    def close(self) -> str:
        return ""


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


# ---- lines
def test_a_line_is_one_object_with_time_level_event_run_and_dataset() -> None:
    kept = Kept()
    log = Log(kept, "json", now=lambda: MOMENT)
    log.event(Begun("upgrade", "flüge", "flights"))
    log.event(RUN)
    log.event(FileStaged('a "b"\n\udcff.parquet', 3, 3, 10, 12, 0.123456))
    lines = [json.loads(line) for line in kept.lines]
    assert lines[0] == {
        "ts": "2026-11-22T03:14:47.123Z", "level": "info", "event": "begun", "run": None, "dataset": "flüge", "verb": "upgrade",
        "subject": "flights",
    }  # fmt: skip
    assert (lines[1]["run"], lines[1]["from"], lines[1]["user"]) == (RUN.run, {"1": 2}, "ada")
    assert (lines[2]["run"], lines[2]["file"], lines[2]["seconds"]) == (RUN.run, 'a "b"\n\udcff.parquet', 0.123)
    assert all("\n" not in line and line.isascii() for line in kept.lines)


def test_a_line_of_text_has_bare_words_and_quotes_the_others() -> None:
    kept = Kept()
    log = Log(kept, "text", now=lambda: MOMENT)
    log.event(Begun("upgrade", "flights", ""))
    log.event(Errored("DataError", "it's \x1b[31mred", "Look.\nThen go on.", file="a b=1/c.parquet", row=0))
    assert kept.lines == [
        "2026-11-22T03:14:47.123Z INFO begun dataset=flights verb=upgrade",
        '2026-11-22T03:14:47.123Z ERROR error dataset=flights kind=DataError message="it\'s \\u001b[31mred" '
        + r'hint="Look.\nThen go on." file="a b=1/c.parquet" row=0',
    ]


def test_a_long_step_is_told_of_every_half_minute() -> None:
    kept, clock = Kept(), Clock()
    log = Log(kept, "json", now=lambda: MOMENT, clock=clock)
    log.step("stage", files=9, size=900)
    for second in range(0, 100, 10):
        clock.seconds = float(second)
        log.advance(files=1, rows=5, size=100)
    told = [json.loads(line) for line in kept.lines[1:]]
    assert [(line["event"], line["seconds"], line["files"], line["rows"], line["bytes"]) for line in told] == [
        ("progress", 30.0, 4, 20, 400), ("progress", 60.0, 7, 35, 700), ("progress", 90.0, 10, 50, 1000),
    ]  # fmt: skip
    log.step("prove", files=9, size=900)
    clock.seconds = 130.0
    log.advance(files=1)
    assert json.loads(kept.lines[-1]) | {"ts": ""} == {
        "ts": "", "level": "info", "event": "progress", "run": None, "dataset": None, "step": "prove", "files": 1, "rows": 0,
        "bytes": 0, "seconds": 40.0,
    }  # fmt: skip


# ---- the file of a log
def test_a_log_is_appended_to(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    for line in ("one", "two"):
        file = ToFile(path)
        file.write(line)
        assert file.close() == ""
    assert path.read_text() == "one\ntwo\n"


def test_what_a_full_disk_cuts_off_is_counted_and_the_next_line_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, room, write = tmp_path / "log", 6, os.write

    def limited(file: int, data: bytes) -> int:
        nonlocal room
        if not room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = write(file, data[:room])
        room -= written
        return written

    monkeypatch.setattr(sink.os, "write", limited)
    file = ToFile(path)
    for line in ("one", "two", "three"):
        file.write(line)
    room = 100
    file.write("four")
    assert path.read_text() == "one\ntw\nfour\n"
    assert file.close() == f"2 lines of the log could not be written to {path}: No space left on device"


def test_a_full_device_stops_nothing(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full on this system")
    file = ToFile(Path("/dev/full"))
    file.write("one")
    assert file.close() == "1 line of the log could not be written to /dev/full: No space left on device"


@pytest.mark.parametrize("place", ["nowhere/log", "folder", "file/log"])
def test_a_place_where_no_log_can_be_is_wrong_use(place: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="the log cannot be written"):
        ToFile(tmp_path / place)


# ---- metrics
BEGUN = Begun("upgrade", "flights", "flights")
DONE = Ended("done", 0, "r", 4.5, {"stage": 1.25}, {"rewritten": 2}, 8, 7, 900, 800, "proved", 0, 1)
WRONG = Ended("failed", 1, "r", 1.0, errors=3)


def of(all: tuple[Sample, ...], dataset: str = "flights", verb: str = "upgrade") -> dict[str, float]:
    """The values of a dataset's verb by name and further labels."""
    return {
        " ".join([s.name.removeprefix("instar_"), *(v for _, v in s.labels[3:])]): s.value for s in all if s.of == (dataset, verb)
    }


def test_what_a_command_gives() -> None:
    assert of(samples(BEGUN, DONE, at=1000.5)) == {
        "run_exit_code": 0, "run_end_timestamp_seconds": 1000.5, "last_success_timestamp_seconds": 1000.5,
        "run_duration_seconds": 4.5, "run_step_seconds stage": 1.25, "run_files rewritten": 2, "run_rows in": 8, "run_rows out": 7,
        "run_bytes in": 900, "run_bytes out": 800, "run_errors": 0, "run_slow_files": 1, "run_quarantined_rows": 0,
    }  # fmt: skip
    assert "last_success_timestamp_seconds" not in of(samples(BEGUN, WRONG, at=1.0))


def test_the_last_success_outlives_failures_and_others_are_kept() -> None:
    first = merged((), samples(BEGUN, DONE, at=1000.0))
    other = merged(first, samples(Begun("verify", "flights", "flights"), DONE, at=1100.0))
    failed = of(merged(other, samples(BEGUN, WRONG, at=2000.0)))
    assert (failed["run_exit_code"], failed["last_success_timestamp_seconds"], failed["run_errors"]) == (1, 1000.0, 3)
    assert "run_step_seconds stage" not in failed
    again = merged(merged(other, samples(BEGUN, WRONG, at=2000.0)), samples(BEGUN, WRONG, at=3000.0))
    assert of(again)["last_success_timestamp_seconds"] == 1000.0
    assert of(again, verb="verify")["last_success_timestamp_seconds"] == 1100.0
    assert of(merged(again, samples(BEGUN, DONE, at=4000.0)))["last_success_timestamp_seconds"] == 4000.0


def test_a_command_that_found_the_dataset_locked_says_only_that() -> None:
    first = merged((), samples(BEGUN, DONE, at=1000.0))
    locked = merged(first, samples(BEGUN, Ended("locked", 3, None, 0.1, errors=1), at=2000.0))
    assert of(locked) == of(first) | {"run_exit_code": 3, "run_end_timestamp_seconds": 2000.0}


def test_a_command_that_failed_before_it_knew_its_dataset_leaves_no_series_behind() -> None:
    first = merged((), samples(BEGUN, DONE, at=1000.0))
    for unknown in (Begun("upgrade", "", ""), Begun("upgrade", "flights", "")):
        failed = merged(first, samples(unknown, WRONG, at=2000.0))
        assert {s.labels[:3] for s in failed} == {s.labels[:3] for s in first}
        assert of(failed)["run_exit_code"] == 1
    alone = merged((), samples(Begun("upgrade", "", ""), WRONG, at=1.0))
    assert of(alone, dataset="")["run_exit_code"] == 1
    assert {s.of for s in merged(alone, samples(BEGUN, DONE, at=2.0))} == {("flights", "upgrade")}


def test_the_text_is_prometheus_text_and_is_read_back() -> None:
    odd = Begun("convert", 'a "b"\\n\n/{x="y"} ü', "")
    given = merged(merged((), samples(BEGUN, DONE, at=1795319480.6641)), samples(odd, WRONG, at=7.0))
    text = rendered(given)
    blocks = re.findall(r"# HELP (\w+) [^\n]+\n# TYPE \1 gauge\n((?:\1\{[^\n]+\} [0-9.]+\n)+)", text)
    assert "".join(f"# HELP {name} {METRICS[name]}\n# TYPE {name} gauge\n{lines}" for name, lines in blocks) == text
    assert [name for name, _ in blocks] == list(METRICS)
    assert text.count('dataset="a \\"b\\"\\\\n\\n/{x=\\"y\\"} ü"') == sum(s.of[1] == "convert" for s in given)
    assert "1795319480.664\n" in text
    back = parsed(text)
    assert {(s.name, s.labels) for s in back} == {(s.name, s.labels) for s in given}
    assert rendered(back) == text
    with pytest.raises(ValueError, match="node_load1"):
        parsed(text + "node_load1 0.5\n")


def written(path: Path, *, at: float) -> None:
    metrics = Metrics(path, clock=lambda: at)
    metrics.event(BEGUN)
    metrics.event(DONE)
    assert metrics.problem == ""


def test_the_file_is_replaced_whole_with_the_modes_people_expect(tmp_path: Path) -> None:
    path = tmp_path / "instar.prom"
    (tmp_path / "link.prom").symlink_to(path)
    mask = os.umask(0o022)
    try:
        written(tmp_path / "link.prom", at=1.0)
        assert path.stat().st_mode & 0o777 == 0o644
        path.chmod(0o640)
        with path.open() as before:
            written(tmp_path / "link.prom", at=2.0)
            assert of(parsed(before.read()))["run_end_timestamp_seconds"] == 1.0
    finally:
        os.umask(mask)
    assert path.stat().st_mode & 0o777 == 0o640
    assert of(parsed(path.read_text()))["run_end_timestamp_seconds"] == 2.0
    assert (tmp_path / "link.prom").is_symlink()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["instar.prom", "link.prom"]


def test_what_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.prom"
    path.write_text("node_load1 0.5\n")
    for place in (path, tmp_path, tmp_path / "nowhere" / "x.prom", Path("/dev/null")):
        with pytest.raises(UsageError, match=re.escape(str(place))):
            Metrics(place)
    assert path.read_text() == "node_load1 0.5\n"
    late = Metrics(tmp_path / "instar.prom")
    late.event(BEGUN)
    (tmp_path / "instar.prom").write_text("node_load1 0.5\n")
    late.event(DONE)
    assert "holds something else" in late.problem
    assert (tmp_path / "instar.prom").read_text() == "node_load1 0.5\n"


def test_metrics_that_cannot_be_written_are_a_problem_not_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    metrics = Metrics(tmp_path / "instar.prom")
    metrics.event(BEGUN)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("instar.cli.metrics.os.fsync", full)
    metrics.event(DONE)
    assert metrics.problem == f"the metrics could not be written to {tmp_path / 'instar.prom'}: No space left on device"
    assert list(tmp_path.iterdir()) == []
