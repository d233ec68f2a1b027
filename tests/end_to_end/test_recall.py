"""JSON files say nothing of their version: what a killed run knew of them is found again in its journal."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest
from authoring import Author
from support import tree

from instar.formats.errors import RunError
from instar.transforms import migrate, restore
from instar.transforms.project import open_project
from instar.transforms.run.effects import PosixEffects


@pytest.fixture
def notes(author: Author) -> Path:
    """Records of version 2 fit version 1 as well: what they have more is an unregistered key there."""
    data = author.data("notes")
    for name in "ab":
        (data / f"{name}.ndjson").write_text("".join(json.dumps({"n": n}) + "\n" for n in range(3)))
    author.adopt("notes")
    author.step("notes", 'op.add("note", "string", default="-")')
    return data


def versions(author: Author) -> dict[str, int]:
    return author.do("current", "notes")[0]["versions"]


def test_after_a_kill_between_publishing_and_remembering(notes: Path, author: Author, monkeypatch: pytest.MonkeyPatch) -> None:
    old = tree(notes)
    with monkeypatch.context() as killed:
        killed.setattr(migrate, "remember_versions", lambda *_: None)
        author.do("upgrade", "notes")
    new = tree(notes)
    assert versions(author) != {"2": 2}, "the test needs files that do not tell their version"
    assert author.do("upgrade", "notes")["status"] == "nothing to do"
    assert versions(author) == {"2": 2}
    assert tree(notes) == new
    with monkeypatch.context() as killed:
        killed.setattr(restore, "remember_restored", lambda *_: None)
        author.do("rollback", "notes")
    assert tree(notes) == old
    author.do("upgrade", "notes")
    assert tree(notes) == new


def test_on_a_full_disk_nothing_begins_before_it_is_remembered(
    notes: Path, author: Author, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(PosixEffects):
        def create(self, path: Path, data: bytes) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    with monkeypatch.context() as killed:
        killed.setattr(migrate, "remember_versions", lambda *_: None)
        author.do("upgrade", "notes")
    new = tree(notes)
    with pytest.raises(RunError, match="could not be recorded: No space left"):
        restore.restore(open_project(author.folder).dataset("notes").job(), effects=Full())
    assert tree(notes) == new
    assert author.do("rollback", "notes")["status"] == "done"


def test_what_a_person_said_since_stays(notes: Path, author: Author, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as killed:
        killed.setattr(migrate, "remember_versions", lambda *_: None)
        author.do("upgrade", "notes")
    author.do("stamp", "notes", "1", "a.ndjson")
    assert versions(author) == {"1": 1, "2": 1}
    (notes / "b.ndjson").write_text('{"n": 7, "note": "mine"}\n')
    author.do("stamp", "notes", "1", "b.ndjson")
    assert versions(author) == {"1": 2}
