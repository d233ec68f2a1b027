"""Maps whose keys are not distinct: files may hold them, and they are carried as they are, but no operation goes inside of one.

DuckDB has no such maps, so the proof could not follow; and readers differ in which of the values they take (the Parquet project's
LogicalTypes.md, "Maps": the last).
"""

from __future__ import annotations

import pyarrow as pa

from instar.formats.compute import pc
from instar.formats.shown_values import text_at
from instar.formats.storage import as_lists, items_of, stored

from .refusals import Refusal

is_ = pa.types


def keys_twice(maps: pa.MapArray) -> pa.Array:
    """For each map, has it a key twice? Keys that are records or lists are not looked at."""
    keys, rows = items_of(maps).field(0), pc.list_parent_indices(as_lists(maps))
    none = pa.repeat(pa.scalar(False), len(maps))
    if is_.is_nested(keys.type) or len(keys) < 2:
        return none
    pairs = pa.table({"row": rows, "key": _hashable(keys)})
    counted = pairs.group_by(["row", "key"], use_threads=False).aggregate([([], "count_all")])
    if counted.num_rows == len(keys):
        return none
    twice = counted.filter(pc.greater(counted["count_all"], 1))["row"].combine_chunks()
    return pc.is_in(pa.arange(0, len(maps)).cast(twice.type), value_set=twice)


def _hashable(keys: pa.Array) -> pa.Array:
    """The keys in a form that pyarrow groups by: no views, no extension types."""
    if isinstance(keys, pa.ExtensionArray):
        return _hashable(keys.storage)
    if is_.is_string_view(keys.type) or is_.is_binary_view(keys.type):
        return stored(keys, pa.large_string() if is_.is_string_view(keys.type) else pa.large_binary())
    return keys


def key_twice_refused(maps: pa.MapArray, row: int) -> Refusal:
    """What to say of a map that has a key twice."""
    keys = items_of(maps.slice(row, 1)).field(0)
    texts = [text_at(keys, i) for i in range(len(keys))]
    twice = next(text for text in texts if texts.count(text) > 1)
    hint = "Leave the map as it is, or repair it where it is written."
    return Refusal(f"the map has the key {twice} twice", hint, "the map has a key twice", twice)
