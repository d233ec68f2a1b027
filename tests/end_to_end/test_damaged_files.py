"""Truncations and flipped bits in files of every format: each is refused by name, or migrated to what other readers find in it."""

from __future__ import annotations

import json
import select
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import damaged
import independent
import pytest
from authoring import Author
from damaged import KINDS, Kind
from support import Answer

from instar.formats.format import FORMATS

WORKER = Path(__file__).resolve().parents[1] / "damaged_worker.py"
SECONDS = 60  # a case takes a twentieth of one
MEGABYTES = 900


@dataclass
class Victims:
    """A process that migrates what it is given, in a project for each format."""

    projects: Callable[[str], Path]
    process: subprocess.Popen[str] = field(init=False)

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen([sys.executable, str(WORKER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def upgrade(self, kind: Kind, data: bytes) -> dict[str, Any]:
        """What the run answered; exit -1 where it took too long, or the process died."""
        assert self.process.stdin
        assert self.process.stdout
        asked = {"project": str(self.projects(kind.format)), "name": kind.name, "data": data.hex()}
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        ready, _, _ = select.select([self.process.stdout], [], [], SECONDS)
        line = self.process.stdout.readline() if ready else ""
        if line:
            return json.loads(line)
        self.stop()
        self.start()
        return {"exit": -1, "said": "it hung" if not ready else "it died", "megabytes": 0}

    def file(self, kind: Kind) -> Path:
        """The file that the last run was given, as it is now."""
        return self.projects(kind.format) / "data" / "f" / kind.name

    def stop(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def victims(tmp_path: Path, instar: Callable[..., Answer]) -> Iterator[Victims]:
    """All kinds of a format have one schema, and so one project."""

    @cache
    def project(format: str) -> Path:
        folder = tmp_path / format
        folder.mkdir()
        author, kind = Author(folder, instar), next(kind for kind in KINDS.values() if kind.format == format)
        (author.data("f") / kind.name).write_bytes(kind.whole())
        author.adopt("f")
        author.step("f", damaged.STEP)
        return folder

    made = Victims(project)
    yield made
    made.stop()


def judged(kind: Kind, victims: Victims, number: int) -> tuple[str, str]:
    """What became of the damaged file of that number ("refused", "migrated"), and what is wrong with that, if anything."""
    what, data = damaged.damage(kind, number)
    answer = victims.upgrade(kind, data)
    wrong = fault(kind, victims.file(kind), data, answer)
    return ("refused" if answer["exit"] else "migrated"), wrong and f"{kind.name} {number}, {what}: {wrong}"


def fault(kind: Kind, path: Path, data: bytes, answer: dict[str, Any]) -> str:
    if answer["exit"] not in (0, 1):
        return f"exit {answer['exit']}: {answer['said'][-600:]}"
    if answer["megabytes"] > MEGABYTES:
        return f"it took {answer['megabytes']} MB"
    if answer["files"] != [kind.name]:
        return f"the dataset holds {answer['files']}"
    if answer["exit"]:
        error = json.loads(answer["said"])["error"]
        named = any(
            kind.name in (each["where"].get("file", ""), *each["message"].split(": ")) for each in (error, *error.get("errors", ()))
        )
        return ("" if named else f"the error names no file: {error}") or (
            "" if path.read_bytes() == data else "refused, but changed"
        )
    return difference(kind, path, data)


def difference(kind: Kind, new: Path, data: bytes) -> str:
    """How the migrated file differs from what other readers make of the damaged one.

    Damage in what is copied is copied: who refuses the new file must refuse the old one, too.
    """
    old = new.parent.parent / kind.name
    old.write_bytes(data)
    before, after = independent.read(old, kind.format), independent.read(new, kind.format)
    if before.keys() != after.keys():
        return f"it is text for {sorted(before)}, and now for {sorted(after)}"
    unchanged = new.read_bytes() == data
    for reader, rows in before.items():
        now = after[reader]
        if isinstance(rows, independent.UnreadError) or isinstance(now, independent.UnreadError):
            if type(rows) is not type(now) or kind.format != "parquet":
                return f"migrated, but {reader} says of the old file {str(rows)[:300]}, and of the new {str(now)[:300]}"
            continue
        if unchanged:
            return "" if not rows else f"left as it was, with {len(rows)} records"
        expected = [independent.migrated(row) for row in rows]
        if expected != now:
            pairs = [(a, b) for a, b in zip(expected, now, strict=False) if a != b]
            return f"{len(expected)} records became {len(now)}, the first unlike: {str(pairs[:1])[:900]}"
    return ""


def test_a_few_damaged_files_of_each_format(victims: Victims) -> None:
    """The bounded part: each kind is met by some numbers."""
    for format in FORMATS:
        kinds = [kind for kind in KINDS.values() if kind.format == format]
        found = [judged(kinds[number % len(kinds)], victims, number) for number in range(16)]
        assert not [wrong for _, wrong in found if wrong]
        assert {outcome for outcome, _ in found} == {"refused", "migrated"}


def test_a_footer_without_a_codec_is_refused_and_damage_in_what_is_dropped_goes_with_it(victims: Victims) -> None:
    """Numbers that a longer run met: gzip's chunk loses its codec's field, and a text that is no UTF-8 is dropped."""
    outcomes = {name: judged(KINDS[name], victims, number) for name, number in (("gzip.parquet", 27), ("null.avro", 66))}
    assert outcomes == {"gzip.parquet": ("refused", ""), "null.avro": ("migrated", "")}


def test_files_that_only_the_proofs_readers_refuse_are_all_named(author: Author) -> None:
    """Footers with a field that is of another type: pyarrow passes over it, DuckDB does not."""
    found = {"one.parquet": (KINDS["plain-crc.parquet"], 328), "other.parquet": (KINDS["brotli.parquet"], 207)}
    for name, (kind, _) in found.items():
        (author.data("f") / name).write_bytes(kind.whole())
    author.adopt("f")
    author.step("f", damaged.STEP)
    for name, (kind, number) in found.items():
        (author.data("f") / name).write_bytes(damaged.damage(kind, number)[1])
    error = author.refused("upgrade", "f")
    assert "it is damaged" in error["hint"]
    messages = [each["message"] for each in error["errors"]]
    assert len(messages) == 2
    assert all(any(f"{name}: it cannot be compared with its old form" in message for message in messages) for name in found)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(KINDS))
def test_two_hundred_damaged_files_of_each_kind(name: str, victims: Victims) -> None:
    kind = KINDS[name]
    found = [judged(kind, victims, number) for number in range(200)]
    wrong = [wrong for _, wrong in found if wrong]
    assert not wrong, "\n".join(wrong)
    outcomes = Counter(outcome for outcome, _ in found)
    print(f"{name}: {outcomes['refused']} refused, {outcomes['migrated']} migrated")
    assert outcomes["refused"] > (20 if not kind.checked else 150)
