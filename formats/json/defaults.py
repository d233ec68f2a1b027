"""A default as a document has it: JSON, where the logical schema has a Python value."""

from __future__ import annotations

from typing import Any

from instar.formats.schema import Field, Schema

from .text import loads
from .values import JsonValues


def default_node(value: Any, field: Field, schema: Schema) -> Any:
    """The value as JSON.

    Raises:
        DataError: it is not one of the field's.
    """
    return None if value is None else loads(bytes(JsonValues(schema, schema).encoder(field)(value)).decode(), what="the default")
