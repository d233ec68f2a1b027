"""Bits flipped in a staged file as it is, where its records are stored: what a disk does, or a writer beyond its page's end."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from tests.mutations.avro_container import taken_apart
from tests.mutations.neutral import first_difference
from tests.mutations.scenes import Scene

_TRIES = 30


def flipped(scene: Scene, chance: random.Random, path: Path) -> tuple[int | None, frozenset[str]] | None:
    """Writes such a file, and tells the first record that differs and its fields; no record where other readers refuse it.

    None where it holds the same.
    """
    data = scene.staged.read_bytes()
    areas = _areas(scene, data)
    for _ in range(_TRIES):
        start, end = chance.choice(areas)
        at = chance.randrange(start, end)
        path.write_bytes(data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :])
        found = _read(scene, path)
        if found is None:
            return None, frozenset()
        if difference := first_difference(scene.records, found):
            return difference
    return None


def _areas(scene: Scene, data: bytes) -> Sequence[tuple[int, int]]:
    """Where records are: Parquet's column chunks, Avro's blocks, all of JSON."""
    match scene.unit.format:
        case "parquet":
            footer = pq.read_metadata(scene.staged)
            chunks = [footer.row_group(i).column(j) for i in range(footer.num_row_groups) for j in range(footer.num_columns)]
            starts = [c.dictionary_page_offset if c.has_dictionary_page else c.data_page_offset for c in chunks]
            return [(start, start + c.total_compressed_size) for start, c in zip(starts, chunks, strict=True)]
        case "avro":
            return [(data.index(stored), data.index(stored) + len(stored)) for _, stored in taken_apart(data)[2]]
        case _:
            return [(0, len(data))]


def _read(scene: Scene, path: Path) -> list[Any] | None:
    """The records; None where there are none to be read."""
    try:
        return scene.read(path)
    except Exception:
        return None
