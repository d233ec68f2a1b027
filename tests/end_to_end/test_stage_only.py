"""`upgrade --stage-only`: staged, proved and asked of all gates; published by the next upgrade, or discarded."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from authoring import Author
from gating import SAME_ROWS, SUFFIXES, check, command, orders, records, runs, write
from killing import Killed, Quick
from support import tree

from instar.transforms.job import Options
from instar.transforms.migrate import migrate
from instar.transforms.project import open_project


def staged(author: Author, *more: str) -> Any:
    report = author.do("upgrade", "orders", "--stage-only", *more)
    assert report["status"] == "staged"
    return report


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_is_staged_waits_and_is_published_by_the_next_upgrade(suffix: str, author: Author) -> None:
    folder = orders(author, suffix)
    check(author, "rows", SAME_ROWS)
    before = tree(folder, times=True)
    report = staged(author)
    (run,) = runs(author)
    assert tree(folder, times=True) == before
    assert (report["run"], report["stage"], report["snapshot"]) == (run.name, str(run / "stage"), None)
    assert (report["proof"]["verdict"], report["gates"][0]["verdict"]) == ("proved", "passed")
    kept = json.loads((run / "report.json").read_text())
    assert (kept["status"], kept["gates"]) == ("staged", report["gates"])
    assert sorted(path.name for path in (run / "stage").iterdir()) == [f"{i}.{suffix}" for i in range(3)]

    (entry,) = author.do("runs", "orders")["runs"]
    assert entry["status"] == "staged"
    assert entry["way_back"] == "instar upgrade orders 2 publishes it; instar rollback orders discards it"
    status = author.do("status", "orders")
    assert (len(status["staged"]), status["interrupted"]) == (1, [])
    assert author.do("plan", "orders")["resumes"] == {"run": run.name, "reused": 3, "again": {}}
    found = author.do("verify", "orders")
    assert (found["run"], found["verdict"], found["gates"][0]["verdict"]) == (run.name, "proved", "passed")
    properties = author.do("report", "orders")["properties"]
    assert (properties["missing"], properties["unread"]) == (None, [])
    assert [each["path"] for each in properties["files"]] == [f"{i}.{suffix}" for i in range(3)]
    assert all(each["after"]["bytes"] == len((run / "stage" / each["path"]).read_bytes()) for each in properties["files"])
    assert tree(folder, times=True) == before

    files = {path.name: path.read_bytes() for path in (run / "stage").iterdir()}
    done = author.do("upgrade", "orders")
    assert (done["status"], done["run"], done["resumed"]["reused"]) == ("done", run.name, 3)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == files
    assert [entry["status"] for entry in author.do("runs", "orders")["runs"]] == ["finished"]
    author.do("rollback", "orders")
    assert {name: entry[:2] for name, entry in tree(folder, times=True).items()} == {n: e[:2] for n, e in before.items()}


@pytest.mark.parametrize("way", [("rollback", "orders"), ("gc", "orders", "--interrupted")])
def test_what_is_staged_can_be_discarded(way: tuple[str, ...], author: Author) -> None:
    folder = orders(author)
    before = tree(folder, times=True)
    staged(author)
    author.do(*way)
    (run,) = runs(author)
    assert not (run / "stage").exists()
    assert tree(folder, times=True) == before
    (entry,) = author.do("runs", "orders")["runs"]
    assert (entry["status"], entry["way_back"]) == ("discarded", "nothing to undo")
    assert "Staged, and discarded since" in author.instar("report", "orders", run.name, at=author.folder).out
    assert author.do("status", "orders")["staged"] == []
    assert author.do("upgrade", "orders")["resumed"] is None
    assert len(runs(author)) == 2


def test_what_has_changed_since_is_staged_anew(author: Author) -> None:
    folder = orders(author)
    staged(author)
    write(folder / "1.parquet", records(40))
    problems = author.run("verify", "orders").json["unproved"]
    assert [(p["path"], "changed since it was staged" in p["problem"]) for p in problems] == [("1.parquet", True)]
    report = author.do("upgrade", "orders")
    assert (report["resumed"]["reused"], report["resumed"]["again"]) == (2, {"the source changed": 1})
    assert author.do("verify", "orders")["verdict"] == "proved"


def test_a_staged_file_that_somebody_changed_is_found_and_staged_anew(author: Author) -> None:
    orders(author)
    staged(author)
    (run,) = runs(author)
    file = run / "stage" / "1.parquet"
    data = bytearray(file.read_bytes())
    data[40] ^= 1
    known = file.stat()
    file.write_bytes(data)
    os.utime(file, ns=(known.st_atime_ns, known.st_mtime_ns))
    answer = author.run("verify", "orders")
    assert answer.code == 1
    assert {"path": "1.parquet", "problem": "what was staged of it was changed since"} in answer.json["problems"]
    assert author.do("upgrade", "orders")["resumed"]["reused"] == 2
    assert author.do("verify", "orders")["verdict"] == "proved"


def test_an_edited_script_or_another_version_stages_all_anew(author: Author) -> None:
    orders(author)
    author.step("orders", 'op.rename("km", to="kilometres"),')
    staged(author, "--to", "2")
    report = author.do("upgrade", "orders")
    assert (report["to"], report["resumed"]["reused"]) == (3, 0)


def test_what_a_gate_refuses_is_kept_to_look_at_and_never_published(author: Author) -> None:
    folder = orders(author)
    file = check(author, "no", "SELECT id FROM new")
    command(author, "import sys; print('no'); sys.exit(1)")
    before = tree(folder, times=True)
    error = author.refused("upgrade", "orders", "--stage-only")
    (run,) = runs(author)
    assert error["message"] == "2 gates say no to what was staged"
    assert str(run / "stage") in error["hint"]
    assert f"instar verify orders {run.name}" in error["hint"]
    assert [gate["verdict"] for gate in json.loads((run / "report.json").read_text())["gates"]] == ["failed", "failed"]
    assert author.run("verify", "orders").code == 1
    assert "Staged and proved, but a check said no: not published" in author.instar("report", "orders", at=author.folder).out
    assert author.do("status", "orders")["staged"]
    assert author.refused("upgrade", "orders")["errors"]
    assert tree(folder, times=True) == before
    assert [entry["status"] for entry in author.do("runs", "orders")["runs"]] == ["failed"]
    file.unlink()
    (author.folder / "app.py").write_text("")
    assert author.do("upgrade", "orders")["status"] == "done"


def test_it_can_be_staged_again_and_a_shadow_too(author: Author) -> None:
    orders(author)
    assert staged(author)["run"] == staged(author)["run"]
    shadow = ("--shadow", "data/second")
    report = staged(author, *shadow)
    place = author.folder / "data" / "second"
    assert not place.exists()
    assert author.do("verify", "orders", *shadow)["run"] == report["run"]
    assert author.do("upgrade", "orders", *shadow)["run"] == report["run"]
    assert len(list(place.iterdir())) == 3


def test_nothing_to_do_is_nothing_to_stage(author: Author) -> None:
    orders(author)
    author.do("upgrade", "orders")
    assert author.do("upgrade", "orders", "--stage-only")["status"] == "nothing to do"


def test_batches_cannot_be_staged_only(author: Author) -> None:
    orders(author)
    assert "--stage-only" in author.refused("upgrade", "orders", "--stage-only", "--batch-files", "1", code=2)["hint"]
    assert runs(author) == []


def test_records_in_quarantine_are_written_down(author: Author) -> None:
    folder = orders(author, "ndjson", step='op.cast("by", "int64"),')
    write(folder / "0.ndjson", [{"id": 0, "miles": 1.5, "by": "17"}, {"id": 1, "miles": 1.5, "by": "x"}])
    report = staged(author, "--on-error", "quarantine")
    (path,) = report["quarantine"]["written"]
    assert len(Path(path).read_text().splitlines()) == 9
    assert author.do("upgrade", "orders", "--on-error", "quarantine")["rows_quarantined"] == 9
    assert len(Path(path).read_text().splitlines()) == 9


def test_it_is_said_to_people(author: Author) -> None:
    orders(author)
    said = author.instar("upgrade", "orders", "--stage-only", at=author.folder).out
    (run,) = runs(author)
    assert "orders staged to version 2: 3 files from 1" in said
    assert f"run      {run.name}, not published" in said
    assert f"look     instar verify orders {run.name}\npublish  instar upgrade orders 2\ndiscard  instar rollback orders\n" in said
    told = author.instar("report", "orders", at=author.folder).out
    assert "Staged and proved, not yet published" in told
    assert "next     instar upgrade orders 2 publishes it; instar rollback orders discards it" in told
    log = author.instar("upgrade", "orders", "--stage-only", "--log", "json", at=author.folder).err.splitlines()
    assert json.loads(log[-1])["status"] == "staged"


class Ending(Quick):
    """A process that dies right before its journal says that the run is held back; or finds the disk full then."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def append(self, path: Path, data: bytes) -> None:
        if b'"HeldBack"' in data or (isinstance(self.error, Killed) and self.error.args):
            self.error.args = ("dead",)
            raise self.error
        super().append(path, data)


@pytest.mark.parametrize("error", [Killed(), OSError(28, "No space left on device")])
def test_cut_off_before_it_could_say_so_it_is_an_interrupted_run(error: BaseException, author: Author) -> None:
    folder = orders(author)
    before = tree(folder, times=True)
    job = open_project(author.folder).dataset("orders").run_job()
    with pytest.raises(BaseException, match=r"dead|No space"):
        migrate(job, None, Options(stage_only=True), verb="upgrade", effects=Ending(error))
    assert tree(folder, times=True) == before
    (entry,) = author.do("runs", "orders")["runs"]
    assert entry["status"] == "interrupted"
    assert author.do("upgrade", "orders")["resumed"]["reused"] == 3
