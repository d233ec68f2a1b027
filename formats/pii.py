"""Values that are not to be shown: schemas with fields that are tagged `pii`, and errors told without what records hold."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TypeVar, cast

from .errors import Collected, DataError, InstarError, Refused
from .schema import Field, Schema, children

PII = "pii"
HIDDEN = "***"
"""Stands for a value that is not shown."""

NOT_SHOWN = f"(values are not shown: tagged {PII})"


def any_tagged(schemas: Iterable[Schema]) -> bool:
    """Is any field of these tagged, at any depth, or one of a named type?"""
    return any(PII in f.tags for schema in schemas for root in (schema.root, *schema.definitions.values()) for f in _fields(root))


def _fields(field: Field) -> Iterator[Field]:
    yield field
    for _, inner in children(field.type):
        yield from _fields(inner)


Told = TypeVar("Told", bound=InstarError)


def without_values(error: Told) -> Told:
    """The same error without what a record holds; itself where it quotes no record.

    A `DataError` speaks of a value, so that its message is not kept unless it says itself how it goes without; other errors are
    of files, and quote records only where they say so.
    """
    return cast(Told, each_told(error, _without_values))


def each_told(error: InstarError, tell: Callable[[InstarError], InstarError]) -> InstarError:
    """`tell` of an error, of several of each; the very error where that changes none."""
    if not isinstance(error, Collected):
        return tell(error)
    told = [each_told(each, tell) for each in error.errors]
    if all(a is b for a, b in zip(told, error.errors, strict=True)):
        return error
    return Collected(told[0].message, hint=error.hint, where=told[0].where, errors=told)


def _without_values(error: InstarError) -> InstarError:
    if not error.bare and not isinstance(error, DataError):
        return error
    message = f"{error.bare or 'a value does not fit its field, or cannot be read'} {NOT_SHOWN}"
    where = error.where and replace(error.where, found=None)
    if isinstance(error, Refused):
        return Refused(message, hint=error.hint, where=where, value=HIDDEN, bare=error.bare, policy=error.policy)
    return type(error)(message, hint=error.hint, where=where, bare=error.bare)
