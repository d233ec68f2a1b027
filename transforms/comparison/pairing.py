"""Which file of one side belongs to which of the other: by its path, else by its name without what tells format and version."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from instar.formats.partitions import partitions_of

_ENDINGS = re.compile(r"(\.(parquet|parq|pq|avro|ndjson|jsonl|geojson|json|snappy|zstd|gzip|gz|zst|v[0-9]+))+$", re.IGNORECASE)


@dataclass(frozen=True)
class Pairing:
    """Pairs of (old path, new path), what has no partner, and old paths for which several would do, as (old, those)."""

    pairs: tuple[tuple[str, str], ...]
    missing: tuple[str, ...]
    extra: tuple[str, ...]


def paired(old: Sequence[str], new: Sequence[str]) -> Pairing:
    """Pairs the relative paths of two sides. One file on each side is a pair, whatever their names, but in no other partition.

    A name without format and version that stands for several files pairs none of them: who could say which?
    """
    if len(old) == len(new) == 1 and _in_one_partition(old[0], new[0]):
        return Pairing(((old[0], new[0]),), (), ())
    same = set(old) & set(new)
    rest_old, rest_new = ([path for path in side if path not in same] for side in (old, new))
    stems_old, stems_new = _by_stem(rest_old), _by_stem(rest_new)
    found = {
        paths[0]: stems_new[stem][0] for stem, paths in stems_old.items() if len(paths) == 1 and len(stems_new.get(stem, ())) == 1
    }
    pairs = sorted([*((path, path) for path in same), *found.items()])
    missing = tuple(path for path in rest_old if path not in found)
    taken = set(found.values())
    return Pairing(tuple(pairs), missing, tuple(path for path in rest_new if path not in taken))


def _in_one_partition(old: str, new: str) -> bool:
    """Do the folders of two files say nothing that contradicts?"""
    before, after = dict(partitions_of(old)), dict(partitions_of(new))
    return all(before[key] == after[key] for key in before.keys() & after.keys())


def _by_stem(paths: Iterable[str]) -> dict[str, list[str]]:
    out: dict[str, list[str]] = {}
    for path in paths:
        out.setdefault(bare(path), []).append(path)
    return out


def bare(path: str) -> str:
    """A path without the endings of its name that tell format, compression or version: `a/b.v2.parquet` is `a/b`."""
    folder, slash, name = path.rpartition("/")
    return folder + slash + (_ENDINGS.sub("", name) or name)
