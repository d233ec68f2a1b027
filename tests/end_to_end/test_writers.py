"""Writers in processes of their own go on while runs publish: nothing that they have written is lost, or there twice."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest
from authoring import Author

from instar.transforms.job import Job, Options
from instar.transforms.migrate import migrate
from instar.transforms.project import open_project
from instar.transforms.report import RunReport
from instar.transforms.restore import restore
from instar.transforms.run.state import list_runs

WRITER = Path(__file__).resolve().parents[1] / "writer.py"
MODES = ("direct", "rename", "append")
RECORDS = 4
"""So many are written at a time."""
ALREADY = 20
"""Records that are there before anybody begins."""


@dataclass(frozen=True)
class Writer:
    """A writer at work; `log` is the file with the numbers of the records that it counts as written."""

    process: subprocess.Popen[str]
    log: Path

    def go_on(self) -> None:
        """Without waiting for it: it writes while others work, and is behind them or not, as it comes."""
        assert self.process.poll() is None
        assert self.process.stdin is not None
        self.process.stdin.write("more\n")
        self.process.stdin.flush()


@contextmanager
def writing(mode: str, data: Path, box: Path) -> Iterator[Writer]:
    log = box / f"{mode}.log"
    with subprocess.Popen([sys.executable, str(WRITER), mode, str(data), str(log)], stdin=subprocess.PIPE, text=True) as process:
        while not log.exists():  # the appender has opened its file, in the form that it knows
            assert process.poll() is None
            time.sleep(0.005)
        yield Writer(process, log)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(timeout=60) == 0


def publishes(
    job: Job, method: Literal["exchange", "replace"], count: int, writers: Sequence[Writer], every: int
) -> Iterator[RunReport]:
    """Runs that publish, to the second version and back by turns, back by a downgrade and by a rollback by turns. Each writer may
    write at one of `every` so many runs: the more files, the longer each takes."""
    for number in range(count):
        for turn, writer in enumerate(writers):
            if number % every == turn % every:
                writer.go_on()
        if number % 2 == 0:
            yield migrate(job, 2, Options(method=method), verb="upgrade")
        elif number % 4 == 1:
            yield migrate(job, 1, Options(method=method), verb="downgrade")
        else:
            yield restore(job, options=Options(method=method))


@pytest.mark.parametrize("method", ["exchange", "replace"])
@pytest.mark.parametrize(("count", "every"), [(8, 2), pytest.param(200, 5, marks=pytest.mark.slow)])
def test_every_record_that_was_written_while_runs_published_is_there_once(
    author: Author, tmp_path: Path, count: int, every: int, method: Literal["exchange", "replace"]
) -> None:
    data = author.data("sales")
    for name in ("a.ndjson", "append.ndjson"):
        numbers = range(ALREADY // 2) if name == "a.ndjson" else range(ALREADY // 2, ALREADY)
        (data / name).write_text("".join(json.dumps({"n": n, "note": f"note {n}"}) + "\n" for n in numbers))
    author.adopt("sales")
    author.step("sales", 'op.rename("note", to="remark")')
    job = open_project(author.folder).dataset("sales").job()
    with ExitStack() as stack:
        writers = [stack.enter_context(writing(mode, data, tmp_path)) for mode in MODES]
        done = list(publishes(job, method, count, writers, every))
    late = [change for report in done for change in report.late]
    print(f"{method}: {len(done)} publishes, {sum(report.rounds for report in done)} further rounds, {len(late)} left late")
    migrate(job, 2, Options(method=method), verb="upgrade")
    found = [record for path in sorted(data.glob("*.ndjson")) for record in map(json.loads, path.read_text().splitlines())]
    written = [int(line) for writer in writers for line in writer.log.read_text().splitlines()]
    assert len(written) == RECORDS * count // every * len(MODES)
    assert sorted(record["n"] for record in found) == [*range(ALREADY), *sorted(written)]
    assert all(record.keys() == {"n", "remark"} and record["remark"] == f"note {record['n']}" for record in found)
    status = author.do("status", "sales")
    assert (status["problems"], status["late"]) == ([], [])
    assert {run.status for run in list_runs(job.state)} <= {"finished", "rolled back"}
