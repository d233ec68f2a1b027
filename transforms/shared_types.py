"""Named types that are used in more than one place, or inside themselves."""

from __future__ import annotations

from collections.abc import Iterator

from instar.formats.path import EACH_ITEM, EACH_VALUE, Branch, Path, Step
from instar.formats.schema import Enum, Field, Fixed, List, Map, Record, Reference, Schema, Union


def places(field: Field, at: Path = ()) -> Iterator[tuple[Path, Field]]:
    """The field and all fields below it, each with its path; References are not followed."""
    yield at, field
    for step, inner in steps(field):
        yield from places(inner, (*at, step))


def steps(field: Field) -> Iterator[tuple[str | Step, Field]]:
    """The fields one level down, each with its step."""
    match field.type:
        case Record(fields):
            yield from ((f.name, f) for f in fields)
        case List(item):
            yield EACH_ITEM, item
        case Map(value):
            yield EACH_VALUE, value
        case Union(branches):
            yield from ((Branch(f.name), f) for f in branches)
        case _:
            return


def uses(schema: Schema, name: str) -> list[Path]:
    """Where a type of that name is used: References to it, and the place that defines it in passing (Avro's first use).

    Empty where no Reference means it: then it is used once, and a path may lead into it. A use inside a definition has the
    definition's name in front.
    """
    found = [(p, f.type) for p, f in _everywhere(schema) if getattr(f.type, "name", "") == name]
    return [p for p, _ in found] if any(isinstance(t, Reference) for _, t in found) else []


def dangling(schema: Schema) -> Iterator[tuple[str, Path]]:
    """References whose name nothing defines, and where they are."""
    used = [(f.type.name, p) for p, f in _everywhere(schema) if isinstance(f.type, Reference)]
    if used:
        defined = set(schema.definitions) | {
            f.type.name for _, f in _everywhere(schema) if isinstance(f.type, Record | Enum | Fixed) and f.type.name
        }
        yield from ((name, path) for name, path in used if name not in defined)


def _everywhere(schema: Schema) -> Iterator[tuple[Path, Field]]:
    yield from places(schema.root)
    for name, field in schema.definitions.items():
        yield from places(field, (Branch(name),))
