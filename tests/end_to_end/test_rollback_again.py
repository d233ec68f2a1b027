"""A rollback that was cut off, and is said again: it is brought to its end, and takes back no run more than it was to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from authoring import Author
from killing import Killed
from support import tree

import instar
from instar.transforms.restore import restore
from instar.transforms.run.effects import PosixEffects


class Dying(PosixEffects):
    """Dies right before a line with this event would be written into a journal."""

    def __init__(self, event: str) -> None:
        self.event, self.dead = event, False

    def __getattribute__(self, name: str) -> Any:
        if not name.startswith("_") and name not in ("event", "dead") and self.dead:
            raise Killed
        return super().__getattribute__(name)

    def append(self, path: Path, data: bytes) -> None:
        if f'"event": "{self.event}"'.encode() in data:
            self.dead = True
            raise Killed
        super().append(path, data)


@pytest.fixture
def notes(author: Author) -> Path:
    """Upgraded twice: two runs that could be taken back."""
    data = author.data("notes")
    for name in "ab":
        (data / f"{name}.ndjson").write_text("".join(json.dumps({"n": n}) + "\n" for n in range(3)))
    author.adopt("notes")
    author.step("notes", 'op.add("note", "string", default="-")')
    author.step("notes", 'op.rename("n", to="number")')
    return data


@pytest.mark.parametrize(
    ("event", "said", "method"),
    [
        ("Restored", "nothing", "exchange"),
        ("PublishBegun", "nothing", "replace"),
        ("Published", "nothing", "exchange"),
        ("Published", "nothing", "replace"),
        ("Published", "run", "exchange"),
        ("Published", "to", "replace"),
    ],
)
def test_said_again_it_comes_to_the_same_end(author: Author, notes: Path, event: str, said: str, method: str) -> None:
    first = author.do("upgrade", "notes", "2", "--method", method)["run"]
    before = tree(notes)
    second = author.do("upgrade", "notes", "3", "--method", method)["run"]
    run, to = {"nothing": (None, None), "run": (second, None), "to": (None, first)}[said]
    job = instar.open(author.folder).dataset("notes").job()
    with pytest.raises(Killed):
        restore(job, run, to=to, effects=Dying(event))
    last = author.do("runs", "notes")["runs"][-1]
    goes_on = {"interrupted": "the same command goes on with it; nothing has changed"}
    assert last["way_back"] == goes_on.get(last["status"], "the next command that writes brings it to an end")
    warnings = author.do("plan", "notes")["warnings"]
    assert any(f"{last['run']} was cut off while it published" in text for text in warnings) == (last["status"] == "half-published")
    report = restore(job, run, to=to)
    assert (report.status, report.undoes, report.target) == ("done", (second,), 2)
    assert report.files["restored"] == 2
    assert tree(notes) == before
    assert [run["status"] for run in author.do("runs", "notes")["runs"]] == ["finished", "rolled back", "finished"]
    assert author.do("current", "notes")[0]["versions"] == {"2": 2}
    assert author.do("rollback", "notes")["undoes"] == [first]  # said once more, it means the run before


def test_what_is_left_to_take_back_is_taken_back(author: Author, notes: Path) -> None:
    """A rollback of one run was cut off, and then all are to be taken back."""
    before = tree(notes)
    first = author.do("upgrade", "notes", "2")["run"]
    second = author.do("upgrade", "notes", "3")["run"]
    job = instar.open(author.folder).dataset("notes").job()
    with pytest.raises(Killed):
        restore(job, effects=Dying("Published"))
    report = restore(job, first)
    assert report.undoes == (first,)
    assert f"run {author.do('runs', 'notes')['runs'][2]['run']} was cut off" in report.notes[-1]
    assert tree(notes) == before
    assert second != first
