"""Does every record of a file fit a schema? The registered document itself is asked, with the ranges that `format` means added."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path as FilePath
from typing import Any

import jsonschema_rs

from instar.formats.errors import DataError, MalformedError, SchemaError, Where
from instar.formats.logical import TYPE
from instar.formats.path import quoted_name
from instar.formats.pii import NOT_SHOWN, any_tagged, without_values
from instar.formats.schema import Field, Float, Int, Json, List, Record, Reference, Schema, Type
from instar.formats.typetext import parse_type

from .check import Read, record_reader
from .held import held_as
from .keywords import Node, everywhere
from .layout import layout_of
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
_NO_OBJECT = "Instar migrates records; write each value as an object with fields."


def validate(
    path: FilePath, schema: Schema, *, values: bool = True, broken: Callable[[DataError], None] | None = None
) -> str | None:
    """None where every record fits, else the first that does not: which, where in it, what it is and what it should be.

    See `Format.validate`; a file of one document is broken as a whole. `format` limits the range of int8 … uint64, float and
    double, and is otherwise a remark, as 2020-12 has it (validation, 7.2.1).

    Raises:
        UnreadableError: the file cannot be cut into records. MalformedError: a record is no JSON; `where.row` is which.
        SchemaError: the document's patterns cannot be compiled.
    """
    valid = compiled(schema)
    read = _objects(record_reader()) if isinstance(schema.root.type, Record) else record_reader()
    quoting = values and not any_tagged([schema])
    broken = None if layout_of(path).kind == "document" else broken
    row = 0
    try:
        for row, text in enumerate(records(path)):
            try:
                value = read(text)
            except DataError as error:
                if broken is None:
                    raise
                broken(error.at(row=row))  # type: ignore[arg-type]
                continue
            if not valid.is_valid(value):
                wrong = next(iter(valid.iter_errors(value)))
                return _misfit(row, wrong) if quoting else _bare_misfit(row, wrong, schema)
    except MalformedError as error:
        raise error.at(row=row) from None
    except DataError as error:
        return str((error if quoting else without_values(error)).at(row=row))
    return None


def _objects(read: Read) -> Read:
    """The same for records, which are objects."""

    def record(text: bytes) -> Any:
        value = read(text)
        if value.__class__ is not dict:
            found = f"{kind_of_text(text)}, expected an object"
            raise DataError(f"{shown(text)} is {found}", hint=_NO_OBJECT, bare=f"it is {found}")
        return value

    return record


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


def _bare_misfit(row: int, error: Any, schema: Schema) -> str:
    """The same without anything that stands in the record: of its keys only those that the schema names."""
    kind, said = error.kind, _written(error.instance)
    problem = "a value does not fit the schema"
    if isinstance(kind, jsonschema_rs.ValidationErrorKind.Type):
        problem = f"{kind_of_text(said)}, expected {_expected(kind.types)}"
    return f"{Where(row=row, path=_place(_named_steps(error.instance_path, schema)))}: {problem} {NOT_SHOWN}"


def _named_steps(steps: Sequence[str | int], schema: Schema) -> list[str | int]:
    """The way into a record as far as the schema names its keys."""
    kind, out = schema.root.type, list[str | int]()
    for step in steps:
        while isinstance(kind, Reference) and kind.name in schema.definitions:
            kind = schema.definitions[kind.name].type
        match kind:
            case Record() if step in kind:
                kind = kind[str(step)].type
            case List(item) if isinstance(step, int):
                kind = item.type
            case _:
                break
        out.append(step)
    return out


def _expected(types: Sequence[str]) -> str:
    return " or ".join(types)


def _place(steps: Sequence[str | int]) -> str:
    """Where in a record, in Instar's notation with each item's number: `items[3].price`."""
    out = ""
    for step in steps:
        out += f"[{step}]" if isinstance(step, int) else ("." if out else "") + quoted_name(step)
    return out
