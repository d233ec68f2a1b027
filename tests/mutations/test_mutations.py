"""The mutation test of the proof: whatever one thing is wrong in a staged file, both levels find it and name the record.

A case has a number: `INSTAR_MUTATION=parquet:271 pytest tests/mutations` repeats one. INSTAR_MUTATIONS says how many of a format.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from instar.transforms.proof.integrity import prove_file
from tests.mutations.corrupted import corrupted, is_located, kinds
from tests.mutations.neutral import first_difference
from tests.mutations.scenes import Scene, scenes

FORMATS = ("parquet", "avro", "json")
LEVELS = ("auto", "full")
FEW = 22
COUNT = int(os.environ.get("INSTAR_MUTATIONS", FEW))
MANY = 1000
ONE = os.environ.get("INSTAR_MUTATION", "")

Scenes = Callable[[str], list[Scene]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Scenes:
    """The scenes of a format, made once."""
    known: dict[str, list[Scene]] = {}

    def of(format: str) -> list[Scene]:
        if format not in known:
            known[format] = scenes(format, tmp_path_factory.mktemp(format))
        return known[format]

    return of


@pytest.mark.parametrize("format", FORMATS)
def test_what_is_right_proves_whoever_wrote_it(format: str, made: Scenes) -> None:
    """The staged file, and the same records written as the corrupted ones are: what is found in those is the corruption."""
    for scene in made(format):
        again = scene.staged.with_name("again")
        scene.write(again, scene.records)
        assert first_difference(scene.records, scene.read(again)) is None
        for level in LEVELS:
            for staged in (scene.staged, again):
                proof = prove_file(replace(scene.unit, staged=str(staged)), scene.receipt, level=level)
                assert (proof.verdict, proof.failures) == ("proved", ()), (scene.name, level)


@pytest.mark.parametrize("format", FORMATS)
def test_every_kind_of_corruption_is_tried(format: str) -> None:
    assert len(kinds(format)) <= COUNT


@pytest.mark.parametrize("format", FORMATS)
def test_one_corruption_is_found_and_its_record_named(format: str, made: Scenes, tmp_path: Path) -> None:
    chosen = [int(number) for of, _, number in [ONE.partition(":")] if of == format]
    if ONE and not chosen:
        pytest.skip(f"INSTAR_MUTATION asks for {ONE} alone")
    both = bool(chosen) or COUNT > FEW
    all_are_found(format, made(format), chosen or range(COUNT), tmp_path / "corrupted", both=both)


@pytest.mark.slow
@pytest.mark.parametrize("format", FORMATS)
def test_a_thousand_corruptions_are_found_and_their_records_named(format: str, made: Scenes, tmp_path: Path) -> None:
    all_are_found(format, made(format), range(MANY), tmp_path / "corrupted", both=True)


def all_are_found(format: str, made: list[Scene], numbers: range | list[int], path: Path, *, both: bool) -> None:
    """Says of all that were not, and of those of which no record was named, what they were. `both`: each is proved at both levels,
    else at one of them in turn."""
    found, missed = Counter[tuple[str, str]](), list[str]()
    for number in numbers:
        corruption = corrupted(format, made, number, path)
        for level in LEVELS if both else (LEVELS[number % 2],):
            proof = corruption.proof(level)
            located = proof.verdict == "failed" and is_located(corruption, proof)
            found[level, "located" if located else proof.verdict] += 1
            if not located:
                place = f"{corruption.scene.name}, record {corruption.row}, {sorted(corruption.fields)}"
                missed.append(f"{format}:{number} {corruption.kind} ({level}; {place}): {proof.failures[:3] or 'proved'}")
    assert not missed, f"{dict(found)}\n" + "\n".join(missed)
