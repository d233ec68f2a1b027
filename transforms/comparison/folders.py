"""The keys of `key=value` folders as columns of whole sides: files do not hold them, but records in other folders are others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from instar.formats.partitions import partition_keys, partitions_of
from instar.formats.schema import String
from instar.transforms.proof.connection import text_literal

from .columns import Columns, Leaf
from .report import ColumnReport


def folder_leaves(old: Iterable[str], new: Iterable[str], columns: Columns) -> tuple[tuple[Leaf, ...], tuple[str, ...]]:
    """The columns of the keys that the paths of both sides have, and the keys that those of only one have. A key that is a column
    of the files, too, is compared as that."""
    inside = {place.path[0] for place in (*columns.leaves, *columns.unpaired)}
    before, after = ([key for key in partition_keys(map(partitions_of, side)) if key not in inside] for side in (old, new))
    shared = tuple(Leaf((key,), String(), String(), String(), folder=True) for key in before if key in after)
    return shared, tuple(key for key in (*before, *after) if (key in before) != (key in after))


def in_pairs(leaves: Sequence[Leaf]) -> tuple[ColumnReport, ...]:
    """The columns of folders' keys where files are compared in pairs: no pair is of two partitions."""
    return tuple(ColumnReport(leaf.text, "string", ("folders",)) for leaf in leaves)


def folder_sql(key: str, paths: Sequence[str], number: str) -> str:
    """SQL of what the folders of a file say of a key; `number` is SQL of which of `paths` it is, from 0."""
    texts = [dict(partitions_of(path)).get(key) for path in paths]
    values = ["NULL" if text is None else text_literal(text) for text in texts]
    if len(set(values)) == 1:
        return f"CAST({values[0]} AS VARCHAR)"
    return f"CAST([{', '.join(values)}] AS VARCHAR[])[{number} + 1]"
