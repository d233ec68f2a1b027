"""One corruption by its number, and whether a proof found it, and the record."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from instar.formats.path import parse_path
from instar.transforms.proof.integrity import prove_file
from instar.transforms.run.unit import FileProof
from tests.mutations.flips import flipped
from tests.mutations.kinds import KINDS
from tests.mutations.neutral import first_difference
from tests.mutations.scenes import Scene

FLIPPED = "bits flipped"


@dataclass(frozen=True)
class Corrupted:
    """A corrupted copy of a scene's staged file. `row` is the first record that differs, and `fields` those of its fields that do;
    no row where the file cannot be read any more."""

    scene: Scene
    kind: str
    path: Path
    row: int | None
    fields: frozenset[str]

    def proof(self, level: Literal["auto", "full"]) -> FileProof:
        return prove_file(replace(self.scene.unit, staged=str(self.path)), self.scene.receipt, level=level)


def kinds(format: str) -> list[str]:
    return [*KINDS[format], FLIPPED]


def corrupted(format: str, scenes: Sequence[Scene], number: int, path: Path) -> Corrupted:
    """The corruption of this number, always the same, in a file at `path`: the kinds come in turn, all else by chance."""
    chance, names = random.Random(f"{format} {number}"), kinds(format)
    kind = names[number % len(names)]
    while True:
        scene = chance.choice(scenes)
        if kind == FLIPPED:
            found = flipped(scene, chance, path)
            if found is not None:
                return Corrupted(scene, kind, path, *found)
            continue
        made = KINDS[format][kind](scene.records, scene.root, chance)
        if made is None:
            continue
        difference = first_difference(scene.records, made)
        if difference is not None:
            scene.write(path, made)
            return Corrupted(scene, kind, path, *difference)


def is_located(corruption: Corrupted, proof: FileProof) -> bool:
    """Does a failed proof name the record, and a field that differs in it? Where the file cannot be read: does it say where?"""
    if corruption.row is None:
        return any(word in line for line in proof.failures for word in ("row group", "block", "record", "column", "page"))
    failed = [column for column in proof.columns if column.problem and column.row == corruption.row]
    tops = {str(parse_path(column.path)[0]) if column.path else "" for column in failed}
    return bool(tops & (corruption.fields | {""}))
