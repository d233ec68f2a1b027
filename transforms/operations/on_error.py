"""What becomes of a record in which an operation refuses a value: what `on_error` of several operations says."""

from __future__ import annotations

from typing import Literal

from instar.formats.errors import MigrationError
from instar.transforms.expression import FAIL, NULL, Policy

OnError = Literal["fail", "null", "quarantine"]
"""The run fails, the field becomes null, or the record is left out; None, where an operation takes it, is what the run says."""


def refuse_on_error(given: str | None, *, null: bool = True, named: str = "on_error") -> None:
    """
    Raises:
        MigrationError: it is none of them; `null`: may it be "null"?
    """
    if given not in (None, "fail", "quarantine", *(("null",) if null else ())):
        hint = 'It is "fail", "null" or "quarantine".' if null else 'It is "fail" or "quarantine".'
        raise MigrationError(f"{named} is {given!r}", hint=hint)


def refuse_sql_on_error(given: str | None, sql: str | None, nullable: bool | None, named: str) -> None:
    """Of an operation that computes a field by SQL, which it calls `named`, or makes it otherwise.

    Raises:
        MigrationError: as `refuse_on_error`; there is no SQL that could fail; the null it makes may not be.
    """
    refuse_on_error(given)
    if given is not None and sql is None:
        raise MigrationError(f"on_error is of what {named} computes, and there is none", hint="Leave on_error out.")
    if given == "null" and nullable is False:
        raise MigrationError('on_error="null" makes nulls, and nullable=False forbids them', hint="Leave one of them out.")


def failing(given: OnError | None) -> Literal["fail", "null"]:
    """Does a value that is refused become null, or fail, whatever becomes of its record?"""
    return NULL if given == "null" else FAIL


def policy(given: OnError | None) -> Policy:
    """What the operation says becomes of the record; None: what the run says."""
    return given if given != "null" else None
