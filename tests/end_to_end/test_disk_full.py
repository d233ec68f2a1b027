"""A disk that is full: a run says so and leaves the data as they were; once there is room, the same command goes on."""

from __future__ import annotations

import errno
import json
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from authoring import Author
from filling import Filling, Used, make_room, small_disk
from killing import Quick
from support import tree

FILES, LETTERS = 3, random.Random(7)
NAMES = {"parquet": "a.parquet", "avro": "a.avro", "json": "a.ndjson"}
AVRO: dict[str, Any] = {
    "type": "record", "name": "Sale", "fields": [{"name": "n", "type": "long"}, {"name": "note", "type": "string"}],
}  # fmt: skip
SIZE = 40_000
"""About so many bytes has each file: several pages, which is what a disk of memory counts in."""


def text(length: int) -> str:
    """Which no codec makes shorter than three quarters."""
    return "".join(LETTERS.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-", k=length))


def write(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    records = [{"n": i, "note": text(1000)} for i in range(SIZE // 1000)]
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(records), path, compression="none", use_dictionary=False)
    elif path.suffix == ".avro":
        with path.open("wb") as file:
            fastavro.writer(file, AVRO, records)
    else:
        path.write_text("".join(json.dumps(record) + "\n" for record in records))


def fill_with(data: Path, format: str) -> None:
    """A dataset that has, beside data, a file which every new tree takes along."""
    for number in range(FILES):
        write(data / f"month={number}" / NAMES[format])
    (data / "README").write_text(text(SIZE))


def adopt(author: Author) -> None:
    author.adopt("sales")
    author.step("sales", 'op.rename("note", to="remark"), op.add("currency", "string", default="EUR")')


@pytest.fixture
def disk(author: Author) -> Iterator[Path]:
    """The project's data folder on a disk of two megabytes."""
    with small_disk(author.folder / "data", "2m") as folder:
        yield folder


def using(monkeypatch: pytest.MonkeyPatch, effects: Any) -> None:
    """What every following command changes the disk by."""
    for module in ("migrate", "restore", "gc"):
        monkeypatch.setattr(f"instar.transforms.{module}.PosixEffects", lambda: effects)


def staged(author: Author) -> dict[str, Any]:
    """Files in the stage of an interrupted run, with what tells whether they are the very same."""
    runs = author.folder / "data" / ".instar" / "sales" / "runs"
    stage = next(iter(sorted(runs.glob("*/stage"), reverse=True)), None)
    ends = tuple(NAMES.values())
    return {} if stage is None else {path: entry for path, entry in tree(stage, times=True).items() if path.endswith(ends)}


def full(author: Author, *more: str) -> dict[str, Any]:
    """An upgrade that finds the disk full, says what to do, and leaves the data as they are."""
    data = author.folder / "data" / "sales"
    before = tree(data, times=True)
    error = author.refused("upgrade", "sales", *more)
    assert "No space left" in error["message"] or any("No space left" in each["message"] for each in error.get("errors", ())), error
    assert "free some space" in error["hint"].lower(), error
    assert tree(data, times=True) == before
    return error


AT_STAGE = ("at stage", lambda name, path: name == "made" and path.name == "stage", 1.5)
AT_SNAPSHOT = ("at snapshot", lambda name, path: name == "copy", 0.5)
AT_PUBLISH = ("at publish", lambda name, path: name == "create" and path.name == "before.json", 0)


BOTH = ("exchange", "replace")
QUICK = {("parquet", "exchange"), ("parquet", "replace"), ("avro", "exchange"), ("json", "replace")}


@pytest.mark.parametrize(
    ("format", "method"),
    [pytest.param(f, m, marks=() if (f, m) in QUICK else pytest.mark.slow) for f in sorted(NAMES) for m in BOTH],
)
def test_full_at_stage_at_snapshot_and_at_publish(
    format: str, method: str, author: Author, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One upgrade, which meets a full disk three times, each time further on; what was staged is not staged again."""
    data = disk / "sales"
    fill_with(data, format)
    adopt(author)
    kept: list[dict[str, Any]] = []
    for _, moment, leave in (AT_STAGE, AT_SNAPSHOT, AT_PUBLISH):
        effects = Filling(disk, moment, int(leave * SIZE), links=False)
        using(monkeypatch, effects)
        full(author, "--method", method)
        assert effects.filled
        assert author.do("status", "sales")["problems"] == []
        make_room(disk)
        kept.append(staged(author))
        assert author.do("plan", "sales")["resumes"]["reused"] == len(kept[-1])
    assert 0 < len(kept[0]) < FILES
    assert kept[0].items() <= kept[1].items() == kept[2].items()
    assert len(kept[1]) == FILES
    report = author.do("upgrade", "sales", "--method", method)
    assert {path: entry for path, entry in tree(data, times=True).items() if path in kept[1]} == kept[1]
    assert (report["method"], report["files"]["rewritten"], report["proof"]["verdict"]) == (method, FILES, "proved")
    author.do("rollback", "sales")
    assert author.do("status", "sales")["versions"][0]["version"] == 1


@pytest.mark.parametrize("format", ["parquet", *(pytest.param(f, marks=pytest.mark.slow) for f in ("avro", "json"))])
def test_full_where_workers_write(format: str, author: Author, disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error of a worker, which wrote half a file, is the same as one met in this process; and so is what is left of it."""
    fill_with(disk / "sales", format)
    adopt(author)
    using(monkeypatch, Filling(disk, AT_STAGE[1], SIZE // 2))
    error = full(author, "--workers", "2")
    assert NAMES[format] in error["message"]
    make_room(disk)
    assert author.do("upgrade", "sales")["proof"]["verdict"] == "proved"


# ---- at every effect that takes space
def small(author: Author, format: str) -> Path:
    data = author.data("sales")
    for number in (1, 2):
        path = data / f"month={number}" / NAMES[format]
        path.parent.mkdir()
        if format == "json":
            path.write_text('{"n": 1, "note": "x"}\n')
        else:
            write(path)
    adopt(author)
    return data


@pytest.mark.parametrize(
    ("format", "method", "number", "step"),
    [
        ("json", "exchange", errno.ENOSPC, 4),
        ("parquet", "replace", errno.EDQUOT, 5),
        *(pytest.param(f, m, errno.ENOSPC, 1, marks=pytest.mark.slow) for f in sorted(NAMES) for m in BOTH),
    ],
)
def test_from_any_effect_on_no_space_is_left(
    format: str, method: str, number: int, step: int, author: Author, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever of a run finds the disk full or the quota used up: the data is as it was or, told so, as it should become."""
    data = small(author, format)
    before = tree(data)
    author.do("upgrade", "sales", "--method", method)
    wanted = tree(data)
    author.do("rollback", "sales")
    assert tree(data) == before
    at, told = 1 + (number == errno.EDQUOT), set[str]()
    while True:
        effects = Used(at, number)
        using(monkeypatch, effects)
        answer = author.run("upgrade", "sales", "--method", method)
        if answer.code == 0:
            assert effects.count < at, "an effect that failed was passed over"
            break
        error = answer.json["error"]
        assert answer.code == 1, (at, error)
        assert os.strerror(number) in error["message"], (at, error)
        assert "space" in error["hint"] or "repeat the command" in error["hint"], (at, error)
        told.add(error["message"].partition(":")[0])
        published = "are published" in error["message"]
        assert tree(data) == (wanted if published else before), (at, error)
        using(monkeypatch, Quick())
        again = author.do("upgrade", "sales", "--method", method)["status"]
        if "so did taking it back" not in error["message"]:  # else the next command settles that first, in either direction
            assert again == ("nothing to do" if published else "done"), (at, error)
        assert tree(data) == wanted, (at, error)
        assert author.do("status", "sales")["problems"] == []
        author.do("rollback", "sales")
        assert tree(data) == before, at
        at += step
    assert len(told) >= 3, told
