"""What the metadata of an Arrow field says of its logical type, doc and tags, and what is written there for them.

An extension type is named there, and so is a type that Arrow lacks (`instar.type`). Both count only while they fit the
field's type, so that what a cast left behind cannot change what a field means.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .arrow_types import bad, get
from .errors import SchemaError
from .logical import TAGS, type_named
from .logical import TYPE as LOGICAL
from .schema import Enum, Field, Fixed, Integer, Json, Number, String, Time, Timestamp, Type, Uuid, type_text

DOC = "instar.doc"
EXTENSION = "ARROW:extension:name"
EXTENSION_METADATA = "ARROW:extension:metadata"

EXTENDED: dict[tuple[str, Type], Type] = {("arrow.uuid", Fixed(16)): Uuid(), ("arrow.json", String()): Json()}


# ---- what is read
def read_metadata(pairs: Any, place: str) -> dict[str, Any]:
    """The node's metadata as what a field's `extra` remembers; nothing where there is none."""
    if not pairs:
        return {}
    if not isinstance(pairs, list):
        raise bad(place, "'metadata' must be an array of objects with key and value")
    return {"metadata": [[get(pair, "key", str, place), get(pair, "value", str, place)] for pair in pairs]}


def meant(metadata: Mapping[str, str], type: Type) -> Type:
    """The logical type that the metadata names, while it is held as `type`; pyarrow keeps metadata where it changes a type."""
    try:
        named = type_named(metadata[LOGICAL], "") if LOGICAL in metadata else type
    except SchemaError:
        return type
    return named if held_as(named) == type else type


def read_tags(metadata: Mapping[str, str], place: str) -> tuple[str, ...]:
    """The tags that the metadata lists."""
    if TAGS not in metadata:
        return ()
    try:
        return tuple(str(tag) for tag in json.loads(metadata[TAGS]))
    except (ValueError, TypeError) as error:
        raise bad(place, f"the metadata {TAGS!r} is not a JSON array: {error}") from None


def held_as(type: Type) -> Type | None:
    """The type that holds one which Arrow or Parquet lacks (Parquet has no seconds); None for the types that need none."""
    match type:
        case Enum() | Integer() | Number():
            return String()
        case Time("s"):
            return Time("ms")
        case Timestamp("s", zone):
            return Timestamp("ms", zone)
        case _:
            return None


def is_named(field: Field) -> bool:
    """Is the field's type to be named by `instar.type`? Seconds only where they are already: Arrow itself has them."""
    if isinstance(field.type, Enum | Integer | Number):
        return True
    return held_as(field.type) is not None and _names(dict(field.extra.get("metadata", ())).get(LOGICAL), field.type)


def _names(text: str | None, type: Type) -> bool:
    """Does an `instar.type` name this very type?"""
    try:
        return text is not None and type_named(text, "") == type
    except SchemaError:
        return False


# ---- what is written
def storage_type(field: Field) -> Type:
    """The type below an extension, or that holds the one which `instar.type` names."""
    if is_named(field):
        return held_as(field.type) or field.type
    return {Uuid: Fixed(16), Json: String()}.get(field.type.__class__, field.type)


def metadata_of(field: Field) -> list[list[str]]:
    """The field's metadata with doc, tags and extension name as the logical field has them now; order is kept."""
    pairs: dict[str, str] = dict(field.extra.get("metadata", ()))
    extension = {Uuid: "arrow.uuid", Json: "arrow.json"}.get(field.type.__class__, "")
    if extension and pairs.get(EXTENSION) != extension:
        pairs |= {EXTENSION: extension, EXTENSION_METADATA: ""}
    elif not extension and EXTENSION in pairs and not _still_extended(field):
        pairs = {key: value for key, value in pairs.items() if key not in (EXTENSION, EXTENSION_METADATA)}
    if not _names(pairs.get(LOGICAL), field.type):
        pairs.pop(LOGICAL, None)
        pairs |= {LOGICAL: type_text(field.type)} if is_named(field) else {}
    for key, value in ((DOC, field.doc), (TAGS, json.dumps(field.tags, ensure_ascii=False) if field.tags else "")):
        if not value:
            pairs.pop(key, None)
        elif key == DOC or read_tags(pairs, field.name) != field.tags:
            pairs[key] = value
    return [[key, value] for key, value in pairs.items()]


def _still_extended(field: Field) -> bool:
    """Is the extension in the metadata one of the field's present type (and not what a cast left behind)?"""
    name = dict(field.extra["metadata"])[EXTENSION]
    return field.extra.get("arrow.extended") == type_text(field.type) and (name, field.type) not in EXTENDED
