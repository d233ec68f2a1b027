"""The Arrow schema that a Parquet file remembers among its key-values, against what the file's own schema and the target say.

Arrow's own reader takes of it what fits, and passes over the rest in silence; other readers take names and types from there alone.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from functools import lru_cache

import pyarrow as pa

from instar.formats.arrow import arrow_schema
from instar.formats.path import Path
from instar.formats.schema import Schema

from .chunks import Side

_KEY = b"ARROW:schema"
_ID = b"PARQUET:field_id"  # that pyarrow makes of the file's schema elements


def wrong_arrow_schema(new: Side, target: Schema) -> Iterator[tuple[Path, str]]:
    """What is wrong with it, with the place where it is; nothing where the file has none.

    Raises:
        pa.ArrowException: pyarrow cannot make a schema of the file's.
    """
    pairs = new.metadata.metadata or {}
    if _KEY not in pairs:
        return
    try:
        held = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(pairs[_KEY], validate=True)))
    except (pa.ArrowException, binascii.Error, OSError) as error:
        yield (), f"its ARROW:schema cannot be read: {error}"
        return
    if (held.metadata or {}) != {key: value for key, value in pairs.items() if key != _KEY}:
        yield (), "the key-values in its ARROW:schema are not the file's own"
    read, meant = new.metadata.schema.to_arrow_schema(), _meant_by(target)
    if not held.names == read.names == meant.names:
        yield (), "the columns in its ARROW:schema are not the file's own"
        return
    for field, own, asked, element in zip(held, read, meant, new.footer.root.children, strict=True):
        agrees = [field == own, field == asked]
        loose = any(leaf.physical == "INT96" for leaf in element.leaves())  # which has no unit of its own
        if not (any(agrees) if loose else all(agrees)) or _noted(field) != _noted(asked):
            told = _told(field), _told(asked), _told(own)
            what = "in its ARROW:schema it is {}; it must be {}, and is stored as {}".format(*told)
            yield (
                (field.name,),
                what if len({*told}) > 1 else "its doc, tags or other metadata in its ARROW:schema are not the target's",
            )


@lru_cache(maxsize=16)
def _meant_by(target: Schema) -> pa.Schema:
    """Many files have one target."""
    return arrow_schema(target)


def _told(field: pa.Field) -> str:
    return f"{field.type}{'' if field.nullable else ' not null'}"


def _noted(field: pa.Field) -> list[dict[bytes, bytes]]:
    """The metadata of a field and of those in it."""
    own = {key: value for key, value in (field.metadata or {}).items() if key != _ID}
    type = field.type.storage_type if isinstance(field.type, pa.BaseExtensionType) else field.type
    return [own, *(each for i in range(type.num_fields) for each in _noted(type.field(i)))]
