"""Runs that leave records out, cut off and gone on with; and such runs in batches."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from authoring import Author
from filling import Filling, make_room, small_disk
from support import data_tree

LONG = "x" * 1000
BAD = 100
"""Records of a file that cannot be migrated, with a kilobyte of text each, beside as many good ones without."""


def write(folder: Path, files: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(files):
        records = [{"n": i, "amount": LONG if i % 2 else "1"} for i in range(2 * BAD)]
        (folder / f"{number}.ndjson").write_text("".join(json.dumps(record) + "\n" for record in records))


def sales(author: Author, files: int) -> Path:
    folder = author.data("sales")
    write(folder, files)
    author.adopt("sales")
    author.step("sales", 'op.cast("amount", "int64"),')
    return folder


@pytest.fixture
def disk(author: Author) -> Iterator[Path]:
    with small_disk(author.folder / "data", "3m") as folder:
        yield folder


def full(author: Author, disk: Path, effects: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """An upgrade that finds the disk full; what plan says then that the next one would go on with."""
    before = data_tree(disk / "sales")
    monkeypatch.setattr("instar.transforms.migrate.PosixEffects", lambda: effects)
    error = author.refused("upgrade", "sales", "--on-error", "quarantine")
    assert effects.filled
    assert "No space left" in error["message"]
    assert "free some space" in error["hint"].lower()
    assert data_tree(disk / "sales") == before
    make_room(disk)
    return author.do("plan", "sales", "--on-error", "quarantine")["resumes"]


def test_a_full_disk_where_they_are_written(author: Author, disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = sales(author, 2)
    before = data_tree(folder)
    alone = Filling(disk, lambda name, path: name == "made" and path.name == "quarantine", leave=BAD * 500)
    assert full(author, disk, alone, monkeypatch)["reused"] == 0
    run = next((disk / ".instar" / "sales" / "runs").iterdir())
    assert not list(run.rglob("*.part"))
    together = Filling(disk, lambda name, path: path.name.startswith("quarantine.ndjson"), leave=BAD * 500)
    assert full(author, disk, together, monkeypatch)["reused"] == 2
    report = author.do("upgrade", "sales", "--on-error", "quarantine")
    assert (report["rows_in"], report["rows_out"], report["rows_quarantined"]) == (4 * BAD, 2 * BAD, 2 * BAD)
    (file,) = report["quarantine"]["written"]
    entries = [json.loads(line) for line in Path(file).read_text().splitlines()]
    assert [(e["file"], e["position"]) for e in entries] == [(f"{n}.ndjson", i) for n in (0, 1) for i in range(1, 2 * BAD, 2)]
    assert author.run("verify", "sales").code == 0
    author.do("rollback", "sales")
    assert data_tree(folder) == before


def test_what_was_left_out_is_staged_again_where_it_may_not_be_any_more(author: Author, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = sales(author, 1)
    before = data_tree(folder)

    def full(*_: object) -> None:
        from instar import RunError

        raise RunError("the disk is full", hint="Make room.")

    with monkeypatch.context() as patch:
        patch.setattr("instar.transforms.migrate.gather", full)
        author.refused("upgrade", "sales", "--on-error", "quarantine")
    assert author.refused("upgrade", "sales")["where"]["row"] == 1
    assert data_tree(folder) == before


def test_batches_count_together(author: Author) -> None:
    sales(author, 3)
    more = ("--batch-files", "1", "--on-error", "quarantine", "--max-errors")
    error = author.refused("upgrade", "sales", *more, str(2 * BAD))
    assert error["message"].startswith(f"{3 * BAD} of {6 * BAD} records, those of earlier batches included, cannot be migrated")
    assert "2 earlier batches are published (2 files)" in error["hint"]
    again = author.refused("upgrade", "sales", *more, str(2 * BAD))  # which goes on with the series
    assert again["message"] == error["message"]
    report = author.do("upgrade", "sales", *more, str(3 * BAD))
    assert report["rows_quarantined"] == BAD


def test_a_share_is_of_all_batches_so_far(author: Author) -> None:
    folder = sales(author, 2)
    (folder / "0.ndjson").write_text('{"n": 1, "amount": "1"}\n' * 3 * BAD)
    more = ("--batch-files", "1", "--on-error", "quarantine", "--max-errors")
    assert "1 batch is published" in author.refused("upgrade", "sales", *more, "19%")["hint"]
    assert author.do("upgrade", "sales", *more, "20%")["rows_quarantined"] == BAD  # half of what the last batch has
