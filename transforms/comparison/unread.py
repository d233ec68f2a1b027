"""Which of two files it is that cannot be read, where, and why."""

from __future__ import annotations

import re
from collections import deque
from pathlib import Path as FilePath

from instar.formats.pii import PII
from instar.transforms.proof.integrity import of_readers

_PLACE = re.compile(r"^it (?:is damaged|cannot be recomputed): | \([^()]* of its (?:new|old) form cannot be read\)$")


def why_unread(path: FilePath, format: str, memory: int, *, quoting: bool, words: str = "") -> str:
    """Why a file cannot be read to its end, and where; "" where it can. `memory` in bytes; `quoting`: may words that its readers
    quote values in be shown? `words`: those of the reader that came upon it."""
    try:
        if format == "parquet":
            return _of_parquet(path, memory, _PLACE.sub("", words).strip(" :") if quoting else "")
        from instar.transforms.proof import avro_blocks, json_text

        read = avro_blocks.records if format == "avro" else json_text.records
        deque(read(path), maxlen=0)
    except of_readers() as error:
        return in_words(error, quoting=quoting)
    return ""


def in_words(error: Exception, *, quoting: bool) -> str:
    """What a reader says in its first line; of what it may quote only where in the file it is."""
    if quoting:
        return (str(error).strip() or repr(error)).splitlines()[0]
    place = getattr(error, "place", "") or type(error).__name__
    return f"{place} (its words are not shown: a field is tagged {PII})"


def _of_parquet(path: FilePath, memory: int, words: str) -> str:
    import pyarrow.parquet as pq

    from instar.transforms.proof.damage import damaged_chunk

    pq.read_metadata(path)
    found = damaged_chunk(path, path, memory).removesuffix(" of its new form")
    return found and f"{found} is damaged{f': {words}' if words else ''}"
