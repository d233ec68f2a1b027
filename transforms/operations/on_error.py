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


def failing(given: OnError | None) -> Literal["fail", "null"]:
    """Does a value that is refused become null, or fail, whatever becomes of its record?"""
    return NULL if given == "null" else FAIL


def policy(given: OnError | None) -> Policy:
    """What the operation says becomes of the record; None: what the run says."""
    return given if given != "null" else None
