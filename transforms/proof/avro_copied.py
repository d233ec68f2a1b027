"""Is a new Avro file the old one's blocks under another header? Then its values need not be read.

A record's bytes have no names in them. Where two schemas have one binary form, the mapping leaves each field in its place, and each
header says what its schema is to say, the same bytes hold the same values under other names (Avro 1.12, "Binary Encoding").
"""

from __future__ import annotations

import json
from pathlib import Path as FilePath
from typing import BinaryIO

from instar.transforms.mapping import Mapping

from .avro_blocks import Damaged, header_of, long_at
from .avro_header import misfits
from .avro_shape import shape_of
from .in_place import only_renames
from .places import places
from .proved import Proved, by_bytes
from .windows import Windows

_SYNC = 16
_HEAD = 20  # bytes that a block's two numbers have at most


def prove_copied(source: FilePath, staged: FilePath, mapping: Mapping) -> Proved | None:
    """The proof of a file whose blocks were copied; None where they were not, or where that would prove nothing.

    Raises:
        ValueError, OSError: a side cannot be read at all.
    """
    if not only_renames(mapping):
        return None
    with source.open("rb", buffering=0) as old, staged.open("rb", buffering=0) as new:
        before, old_sync = header_of(old)
        after, sync = header_of(new)
        start, begin = old.tell(), new.tell()
        if sync != old_sync or before.get("avro.codec", b"null") != after.get("avro.codec", b"null"):
            return None
        theirs, ours = json.loads(before["avro.schema"]), json.loads(after["avro.schema"])
        if any(misfits(theirs, mapping.source)) or any(misfits(ours, mapping.target)) or shape_of(theirs) != shape_of(ours):
            return None
        size = new.seek(0, 2) - begin
        if size != old.seek(0, 2) - start or not Windows().same(old, start, new, begin, size):
            return None
        rows = _count(new, begin, begin + size, sync)
    return Proved(rows, rows, tuple(by_bytes(place.path for place in places(mapping.root))), ())


def _count(file: BinaryIO, at: int, end: int, sync: bytes) -> int:
    """The number of records, as the blocks' heads say it; the blocks follow one another to the end.

    Raises:
        Damaged: they do not.
    """
    total = 0
    file.seek(at)
    head = file.read(_HEAD)
    while at < end:
        rows, size, length = _head(head)
        at += length + size
        file.seek(at)
        behind = file.read(_SYNC + _HEAD)
        if behind[:_SYNC] != sync:
            raise Damaged("a block does not end with the sync marker")
        total, at, head = total + rows, at + _SYNC, behind[_SYNC:]
    return total


def _head(data: bytes) -> tuple[int, int, int]:
    """A block's records, the size of its data, and the length of its head."""
    try:
        rows, middle = long_at(data, 0)
        size, end = long_at(data, middle)
    except IndexError:
        raise Damaged("it ends too early") from None
    if min(rows, size) < 0:
        raise Damaged(f"a block says that it holds {rows} records in {size} bytes")
    return rows, size, end
