"""Does every record of a file fit a schema? The registered document itself is asked, with the ranges that `format` means added."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path as FilePath
from typing import Any

import jsonschema_rs

from instar.formats.errors import DataError, MalformedError, SchemaError, Where
from instar.formats.logical import TYPE
from instar.formats.path import quoted_name
from instar.formats.schema import Field, Float, Int, Json, Record, Schema, Type
from instar.formats.typetext import parse_type

from .check import record_reader
from .held import held_as
from .keywords import Node, everywhere
from .origin import documents
from .parse import SIZED
from .render import rendered
from .rewrite import records
from .scalars import kind_of_text, scalar_decoder, scalar_encoder, shown

_LARGEST = {32: 3.4028235e38, 64: 1.7976931348623157e308}
"""As their shortest texts say them; float's is a little more than the very number, which it reads back as."""
_LONGEST = 300  # characters of a validator's message
_written = scalar_encoder(Field("", Json()))
_KNOWN = 64  # compiled validators


def validate(path: FilePath, schema: Schema) -> str | None:
    """None where every record fits, else the first that does not: which, where in it, what it is and what it should be.

    `format` limits the range of int8 … uint64, float and double, and is otherwise a remark, as 2020-12 has it (validation, 7.2.1).

    Raises:
        UnreadableError: the file cannot be cut into records. MalformedError: a record is no JSON; `where.row` is which.
        SchemaError: the document's patterns cannot be compiled.
    """
    valid = compiled(schema)
    read = record_reader()
    objects = isinstance(schema.root.type, Record)
    row = 0
    try:
        for row, text in enumerate(records(path)):
            value = read(text)
            if objects and value.__class__ is not dict:
                return f"record {row}: {shown(text)} is {kind_of_text(text)}, expected an object"
            if not valid.is_valid(value):
                return _misfit(row, next(iter(valid.iter_errors(value))))
    except MalformedError as error:
        raise error.at(row=row) from None
    except DataError as error:
        return str(error.at(row=row))
    return None


@lru_cache(maxsize=_KNOWN)
def compiled(schema: Schema) -> Any:
    """The validator of a schema's document.

    Raises:
        SchemaError: it cannot be compiled, such as for a pattern that is no regular expression.
    """
    known = documents(schema.root)

    def retrieve(uri: str) -> Any:
        plain = uri.rstrip("#")
        for name, document in known.items():
            if plain == name or plain.endswith("/" + name):
                return document
        raise LookupError(f"{uri} is not among the registered documents")

    document = strict(rendered(schema))
    try:
        return jsonschema_rs.validator_for(document, retriever=retrieve, validate_formats=False, keywords=_KEYWORDS)
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
        message = str(error).partition("\n")[0]
        raise SchemaError(f"the JSON Schema cannot be used: {message}", hint="Correct the document there.") from None


class _Named:
    """The keyword `instar.type`: is a value (not null, and of the right JSON type) one of the type that is named?"""

    def __init__(self, parent: Any, named: Any, place: Any) -> None:
        del parent, place
        field = Field("", parse_type(named))
        self.decode = scalar_decoder(field) if held_as(field.type) is not None else None

    def validate(self, instance: Any) -> None:
        if self.decode is None or instance is None:
            return
        try:
            self.decode(_written(instance))
        except DataError as error:
            raise ValueError(error.message) from None


_KEYWORDS: dict[str, Any] = {TYPE: _Named}


def strict(document: Node) -> Node:
    """The document with the range that `format` means beside every sized number; the document given is changed."""
    for _, node in list(everywhere(document)):
        if isinstance(node, dict) and isinstance(node.get("format"), str) and "type" in node:
            names = [node["type"]] if isinstance(node["type"], str) else node["type"]
            sized = next((SIZED[name, node["format"]] for name in names if (name, node["format"]) in SIZED), None)
            if sized is not None:
                node["allOf"] = [*node.get("allOf", ()), _range(sized)]
    return document


def _range(sized: Type) -> dict[str, Any]:
    match sized:
        case Int():
            return {"minimum": sized.low, "maximum": sized.high}
        case Float(bits):
            return {"minimum": -_LARGEST[bits], "maximum": _LARGEST[bits]}
    return {}


def _misfit(row: int, error: Any) -> str:
    kind = error.kind
    said = _written(error.instance)
    if isinstance(kind, jsonschema_rs.ValidationErrorKind.Type):
        problem = f"{shown(said)} is {kind_of_text(said)}, expected {_expected(kind.types)}"
    else:
        message = error.message.replace(said.decode(), shown(said)) if len(said) > 1 else error.message
        problem = message if len(message) <= _LONGEST else message[: _LONGEST - 1] + "…"
    return f"{Where(row=row, path=_place(error.instance_path))}: {problem}"


def _expected(types: Sequence[str]) -> str:
    return " or ".join(types)


def _place(steps: Sequence[str | int]) -> str:
    """Where in a record, in Instar's notation with each item's number: `items[3].price`."""
    out = ""
    for step in steps:
        out += f"[{step}]" if isinstance(step, int) else ("." if out else "") + quoted_name(step)
    return out
