"""Changes that would leave a document meaning something else than before, refused rather than written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from instar.formats.errors import SchemaError
from instar.formats.path import Path, path_text
from instar.formats.schema import Record, Schema

from .keywords import COMBINATORS
from .origin import PINNED
from .references import References
from .text import equal

_BY_PROPERTY = ("dependentRequired", "dependentSchemas", "dependencies")


def refuse_moved_targets(schema: Schema, references: References) -> None:
    """A `$ref` that Instar carries without editing its place must still point at what it pointed at.

    Raises:
        SchemaError: which one does not.
    """
    pinned = schema.root.extra.get(PINNED, {})
    for uri, target in references.by_uri():
        if uri in pinned and not equal(pinned[uri], target):
            raise SchemaError(
                f"the change alters what {uri!r} refers to, which is also used where Instar does not edit",
                hint="Give that other place a definition of its own in the schema document, register it, and migrate from there.",
            )


def refuse_gone_names(before: dict[str, Any], record: Record, path: Path) -> None:
    """A keyword that rides along must not speak of a property that the record has no more.

    Raises:
        SchemaError: which keyword speaks of which.
    """
    gone = {name for name in before.get("properties", ()) if name not in record}
    for keyword in (*sorted(COMBINATORS), *_BY_PROPERTY) if gone else ():
        if keyword not in before:
            continue
        for name in _spoken_of(before[keyword], by_property=keyword in _BY_PROPERTY):
            if name in gone:
                raise SchemaError(
                    f"{keyword!r} at {path_text(path) or 'the record'} speaks of the property {name!r}, "
                    "which is gone after this change",
                    hint="Instar does not edit that keyword: write the new schema document yourself and register it.",
                )


def _spoken_of(value: Any, *, by_property: bool = False) -> Iterator[str]:
    """Property names in `required`, `properties` and the like, at any depth."""
    if isinstance(value, list):
        for item in value:
            yield from _spoken_of(item)
    if not isinstance(value, dict):
        return
    for keyword, below in value.items():
        if by_property:
            yield keyword
        if (by_property or keyword == "required") and isinstance(below, list):
            yield from (name for name in below if isinstance(name, str))
        elif keyword == "properties" and isinstance(below, dict):
            yield from below
        yield from _spoken_of(below, by_property=keyword in _BY_PROPERTY)
