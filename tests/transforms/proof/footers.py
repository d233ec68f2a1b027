"""Staged Parquet files made to say something else: footers and indexes changed, other files' chunks put in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from instar.formats.parquet import thrift
from instar.formats.parquet.footer import Footer, get, items, read_footer, replace_footer
from instar.formats.parquet.thrift import I32, I64, Struct

META, OFFSET_INDEX, COLUMN_INDEX, BLOOM_FILTER, STATISTICS = 3, 4, 6, 14, 12


def changed(file: Path, change: Callable[[Struct, list[Struct]], Struct | None]) -> None:
    """The file with a footer changed: `change` gets it and the chunks of its second row group, by leaf."""
    footer = read_footer(file)
    struct = thrift.decode(thrift.encode(footer.struct))[0]
    made = change(struct, items(items(struct, 4)[1], 1))
    replace_footer(file, footer, made or struct)


def number(file: Path, *path: str) -> int:
    """The leaf of that path."""
    leaves = read_footer(file).leaves
    return next(leaf.leaf for leaf in leaves if leaf.path[: len(path)] == tuple(p.encode() for p in path))  # type: ignore[return-value]


def chunk(file: Path, *path: str) -> tuple[Footer, Struct]:
    """The chunk of that leaf in the second row group."""
    footer = read_footer(file)
    return footer, footer.chunks(number(file, *path))[1]


def rewritten(file: Path, at: int, size: int, change: Callable[[bytes], bytes]) -> None:
    """The file with a piece of it changed, its length kept."""
    whole = bytearray(file.read_bytes())
    made = change(bytes(whole[at : at + size]))
    assert len(made) == size
    whole[at : at + size] = made
    file.write_bytes(whole)


def reindexed(file: Path, name: str, field: int, change: Callable[[Struct], None]) -> None:
    """The file with the offset index or column index (`field` of the chunk) of that column changed."""

    def index(data: bytes) -> bytes:
        struct = thrift.decode(data)[0]
        change(struct)
        return thrift.encode(struct)

    _, old = chunk(file, name)
    offset, length = get(old, field), get(old, field + 1)
    appended(file, name, field, index(file.read_bytes()[offset : offset + length]))


def appended(file: Path, name: str, field: int, data: bytes) -> None:
    """The file with these bytes as the offset index or column index of that column."""
    at = _inserted(file, data)

    def change(_: Struct, chunks: list[Struct]) -> None:
        chunks[number(file, name)] |= {field: (I64, at), field + 1: (I32, len(data))}

    changed(file, change)


def _inserted(file: Path, data: bytes) -> int:
    """Puts bytes between all chunks and the footer; where they are."""
    footer, whole = read_footer(file), file.read_bytes()
    file.write_bytes(whole[: footer.start] + data + whole[footer.start :])
    return footer.start


def transplanted(file: Path, donor: Path, *path: str) -> None:
    """The chunk of that leaf in the second row group, with its statistics, from a file of the same schema and row groups."""
    _, theirs = chunk(donor, *path)
    meta = get(theirs, META)
    start, size = get(meta, 11, 0) or get(meta, 9), get(meta, 7)
    at = _inserted(file, donor.read_bytes()[start : start + size])

    def change(_: Struct, chunks: list[Struct]) -> None:
        ours = chunks[number(file, *path)]
        moved = {field: (I64, meta[field][1] - start + at) for field in (9, 11) if field in meta}
        kept = {field: value for field, value in meta.items() if field not in (14, 15)}
        for field in (4, 5, 6, 7):
            ours.pop(field, None)
        ours[META] = (ours[META][0], {**kept, **moved, 3: get(ours, META)[3]})

    changed(file, change)
