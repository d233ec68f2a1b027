"""What a splice needs to know of column chunks, and no more: a table of hundreds of columns has thousands, and most are copied."""

from __future__ import annotations

from dataclasses import dataclass

from . import thrift

Form = tuple[bytes, int, int, int]
"""What the chunks of a leaf are held to: its path, as the bytes of a list; its physical type; its levels of repetition, and of
definition."""


@dataclass(frozen=True)
class Outlines:
    """The column chunks of a row group by leaf. `starts` and `stops` are where their pages begin and end, `sizes` how large these
    are uncompressed; the column index and the offset index have a place above 0 where there is one; `filtered`: has it a bloom
    filter? `structs` are the bytes of each ColumnChunk."""

    codecs: list[int]
    starts: list[int]
    stops: list[int]
    sizes: list[int]
    column_index_at: list[int]
    column_index_length: list[int]
    offset_index_at: list[int]
    offset_index_length: list[int]
    filtered: list[bool]
    structs: list[bytes]


def outlined(chunks: bytes, leaves: list[Form]) -> Outlines | None:
    """The outlines of a list of ColumnChunk, from its bytes.

    None where one of them is not ordinary, or not of its leaf, or where there is no compiled part: they are to be looked at one by
    one. Ordinary ones have only fields that are known, of the right types and in their bounds; they lie in this file, hold their
    own first page, and have a count for each level where they count. What is left to look at is whether they overlap.
    """
    found = thrift.compiled.outlines(chunks, leaves) if thrift.compiled else None
    return found and Outlines(*found)
