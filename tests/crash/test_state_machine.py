"""Commands, faults and a person's work in any order: what a model kept by hand says is on disk after each of them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from machine.person import make_template
from machine.play import Play

PLACES = [(format, one) for format in ("json", "parquet", "avro") for one in (False, True)]


def played(folder: Path, format: str, one: bool, seeds: range, steps: int) -> None:
    make_template(folder / "template", format, one=one)
    for seed in seeds:
        box = folder / "box"
        shutil.copytree(folder / "template", box)
        play = Play(box, format, seed, one=one)
        try:
            for _ in range(steps):
                play.step()
            play.settle()
        except BaseException as error:
            error.add_note(f"{format}, seed {seed}:\n" + "\n".join(play.trace).encode("ascii", "backslashreplace").decode())
            raise
        shutil.rmtree(box)


@pytest.mark.parametrize(("format", "one"), [("json", False)])
def test_a_few_sequences(tmp_path: Path, format: str, one: bool) -> None:
    played(tmp_path, format, one, range(2), 12)


@pytest.mark.slow
@pytest.mark.parametrize(("format", "one"), PLACES)
def test_many_sequences(tmp_path: Path, format: str, one: bool, record_property: Callable[[str, object], None]) -> None:
    first = 0 if "INSTAR_EXAMPLES" not in os.environ else Random().randrange(10**6)
    record_property("crash", f"sequences of commands and faults, {format}{', one file' if one else ''}: seeds from {first}")
    played(tmp_path, format, one, range(first, first + 20), 25)
