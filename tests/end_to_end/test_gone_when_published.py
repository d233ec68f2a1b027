"""A file that goes, or is another, just after it was published: the run is done, and says nothing of what nobody has looked at."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from authoring import Author
from killing import Quick

from instar.formats.manifest import Manifest
from instar.transforms.job import Options, inventory_of
from instar.transforms.migrate import migrate
from instar.transforms.project import open_project
from instar.transforms.remember import remember_adopted
from instar.transforms.report import RunReport
from instar.transforms.restore import restore
from instar.transforms.run.effects import PosixEffects
from instar.transforms.run.journal import Method


class Acting(PosixEffects):
    """Somebody acts when the tree or the file that was replaced is put by, or the stage is cleared away."""

    def __init__(self, act: Callable[[], None], method: Method) -> None:
        self.act: Callable[[], None] | None = act
        self.method = method

    def rename(self, source: Path, target: Path) -> None:
        super().rename(source, target)
        if self.method == "exchange" and target.name == "snapshot":
            self.acted()

    def remove_folder(self, path: Path) -> None:
        super().remove_folder(path)
        if self.method == "replace" and path.name == "stage":
            self.acted()

    def acted(self) -> None:
        if self.act:
            act, self.act = self.act, None
            act()


@pytest.fixture
def notes(author: Author) -> Path:
    """Records of version 2 fit version 1 as well, so that only the manifest tells what a file is."""
    data = author.data("notes")
    for name in "ab":
        (data / f"{name}.ndjson").write_text(json.dumps({"n": 1}) + "\n")
    author.adopt("notes")
    author.step("notes", 'op.add("note", "string", default="-")')
    return data


def run(author: Author, verb: str, method: Method, act: Callable[[], None]) -> RunReport:
    job, options = open_project(author.folder).dataset("notes").job(), Options(method=method, workers=1)
    effects = Acting(act, method)
    report = (
        restore(job, options=options, effects=effects)
        if verb == "rollback"
        else migrate(job, None, options, verb=verb, effects=effects)
    )
    assert effects.act is None, "nobody has acted"
    return report


@pytest.mark.parametrize("method", ["exchange", "replace"])
@pytest.mark.parametrize("verb", ["upgrade", "rollback"])
def test_it_goes(notes: Path, author: Author, verb: str, method: Method) -> None:
    if verb == "rollback":
        author.do("upgrade", "notes")
    assert run(author, verb, method, (notes / "a.ndjson").unlink).status == "done"
    assert [path.name for path in notes.iterdir()] == ["b.ndjson"]
    assert author.do("current", "notes")[0]["versions"] == {"2" if verb == "upgrade" else "1": 1}


@pytest.mark.parametrize("method", ["exchange", "replace"])
@pytest.mark.parametrize("verb", ["upgrade", "rollback"])
def test_it_is_another(notes: Path, author: Author, verb: str, method: Method) -> None:
    """One of the very same size: what the manifest says of the run's file must not be said of it."""
    if verb == "rollback":
        author.do("upgrade", "notes")

    def act() -> None:
        text = (notes / "a.ndjson").read_text()
        (author.folder / "part").write_text(text.replace("1", "2"))
        (author.folder / "part").replace(notes / "a.ndjson")

    assert run(author, verb, method, act).status == "done"
    known = (notes / "a.ndjson").stat()
    manifest = Manifest.load(notes.parent / ".instar" / "notes")
    assert manifest.entry_for(notes, "a.ndjson", known.st_size, known.st_mtime_ns) is None
    known = (notes / "b.ndjson").stat()
    assert manifest.entry_for(notes, "b.ndjson", known.st_size, known.st_mtime_ns) is not None


def test_what_is_another_when_it_is_adopted_is_not_remembered(author: Author, notes: Path) -> None:
    job = open_project(author.folder).dataset("notes").job()
    found, state = inventory_of(job, manifest=Manifest()), notes.parent / ".instar" / "notes"
    (state / "manifest.json").unlink()
    found = replace(found, files=tuple(replace(file, version=1, problem=None) for file in found.files))
    (notes / "a.ndjson").write_text("{}\n")
    remember_adopted(job, found, Quick())
    assert set(Manifest.load(state).entries) == {"b.ndjson"}
