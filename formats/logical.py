"""What Instar writes into a format's own schema documents: the logical types, tags and missing keys that the format lacks.

| key | on | what |
|---|---|---|
| `instar.type` | a type | the logical type in Instar's vocabulary, where the format's own type says less |
| `instar.tags` | a field | its tags, a list of strings |
| `instar.optional` | a nullable field | null stands for a missing key: JSON tells the two apart, other formats do not |

In an Avro schema they are custom properties, in a JSON Schema keywords that annotate, in an Arrow schema metadata.
"""

from __future__ import annotations

from typing import Any

from .errors import SchemaError
from .schema import Field, Type, type_text
from .typetext import parse_type

TYPE = "instar.type"
TAGS = "instar.tags"
OPTIONAL = "instar.optional"


def type_named(written: Any, place: str) -> Type:
    """The type that an `instar.type` at `place` names.

    Raises:
        SchemaError: it is no type's text.
    """
    if not isinstance(written, str):
        raise SchemaError(f"{place}: {TYPE} is {written!r}, not a type's name", hint='Write for example "instar.type": "date".')
    try:
        return parse_type(written)
    except SchemaError as error:
        raise SchemaError(f"{place}: {TYPE}: {error.message}", hint=error.hint) from None


def contradicts(meant: Type, found: str, held: str | None, place: str) -> SchemaError:
    """The error for an `instar.type` on a type that does not hold it; `held`: the one that does, None where there is none."""
    return SchemaError(
        f"{place}: {TYPE} says {type_text(meant)}, but the type there is {found}",
        hint=f"{type_text(meant)} is held as {held}; " * (held is not None) + f"correct one of the two, or remove {TYPE}.",
    )


def tags_of(written: Any, place: str) -> tuple[str, ...]:
    """The tags that an `instar.tags` at `place` lists.

    Raises:
        SchemaError: it is not a list of strings.
    """
    if not isinstance(written, list) or not all(isinstance(tag, str) for tag in written):
        raise SchemaError(
            f"{place}: {TAGS} is {written!r}, not a list of strings", hint='Write for example "instar.tags": ["pii"].'
        )
    return tuple(written)


def null_is_missing(field: Field) -> bool:
    """Does null stand for a missing key in this field? (`instar.optional` in an Arrow or Avro document.)"""
    own = field.extra.get("avro.field")
    known = dict(field.extra.get("metadata", ()))
    return (isinstance(own, dict) and own.get(OPTIONAL) is True) or known.get(OPTIONAL) == "true"
