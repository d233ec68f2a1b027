"""What is said of a value that an expression refuses, in every interpreter alike: with the value, and without it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from instar.formats.errors import Collected, DataError, InstarError, Refused, Where
from instar.formats.schema import Bytes, Enum, Fixed, String, Type, type_text
from instar.transforms import casts
from instar.transforms.casts import rounding
from instar.transforms.casts.ways import InZone, Only, Piece
from instar.transforms.expression import NULL, Call, Cast, Lookup, Policy

LeaveOut = Callable[[DataError], None]
"""Told of a record that cannot be converted (`where.row`): returns where it is left out, raises where that may not be."""

WHOLE_RUN = "`instar upgrade --on-error quarantine` leaves such records out."
"""The last way out of any of these, which a script has not to be changed for."""

_SHOWN = 120  # characters of a value in a message
_KEPT = 1000  # of one that goes to quarantine


@dataclass(frozen=True)
class Refusal:
    """`message` has the value in it, `bare` says the same without; `value` is its text, None for a null."""

    message: str
    hint: str
    bare: str
    value: str | None = None

    def error(self, policy: Policy = None, where: Where | None = None) -> Refused:
        value = self.value and self.value[:_KEPT]
        return Refused(self.message, hint=self.hint, where=where, value=value, bare=self.bare, policy=policy)


def cast_refused(value: Any, e: Cast) -> Refusal:
    """Of a value that a cast refuses."""
    whole = shown(value, e.source)
    message, hint = _cast_message(whole if len(whole) < _SHOWN else whole[: _SHOWN - 3] + "…", e)
    return Refusal(message, hint, _cast_message("a value", e)[0], value if isinstance(value, str) else whole)


def _cast_message(of: str, e: Cast) -> tuple[str, str]:
    """Message and hint."""
    match e.way:
        case Piece(separator, _, count):
            hint = f'Repair the value, or say otherwise="null" or "quarantine"; {WHOLE_RUN}'
            return f"{of} has not {count} pieces between {separator!r}", hint
        case Only():
            hint = f"Repair it; in op.head, otherwise=… and empty=… say what becomes of such; {WHOLE_RUN}"
            return f"{of} is not a list of one value", hint
        case InZone(zone):
            why = "it is skipped or shown twice there, or out of range"
            return f"{of} ({type_text(e.source)}) is not one moment of {zone}: {why}", f"{_ON_ERROR}; {WHOLE_RUN}"
    return (
        f"{of} ({type_text(e.source)}) cannot become {type_text(e.to)} and be undone",
        f"{_ON_ERROR}{_rounded(e)}; docs/casts.md lists what passes; {WHOLE_RUN}",
    )


_ON_ERROR = 'Repair the value, or say on_error="null" or "quarantine"'


def shown(value: Any, type: Type) -> str:
    """As the cast table writes it, a text in quotes: 2024-03-31T02:00:00.000000, 0.99, 'x'."""
    text = repr(value)
    if not isinstance(type, String | Enum | Bytes | Fixed) and casts.is_scalar(type):
        with contextlib.suppress(ValueError, OverflowError):  # beyond what has a text
            text = str(casts.convert(type, String())(value))
    return text


def _rounded(e: Cast) -> str:
    """What a script can say besides, where only places are in the way."""
    return ', or which way to round it: rounding="half_even"' if e.way is None and rounding.possible(e.source, e.to) else ""


def lookup_refused(value: Any, e: Lookup) -> Refusal:
    """Of a value that no pair of a table has."""
    whole = repr(value)
    short = whole if len(whole) < _SHOWN else whole[: _SHOWN - 3] + "…"
    what = f"({type_text(e.source)}) is not in the table of values"
    return Refusal(
        f"{short} {what}",
        f'Add it to the table, or say otherwise="null", "keep" or "quarantine", or default=…; {WHOLE_RUN}',
        f"a value {what}",
        value if isinstance(value, str) else whole,
    )


def null_refused(reason: str = "") -> Refusal:
    """Of a null where none may be; `reason`: why there is one."""
    if reason:
        return Refusal(reason, f'Repair the value, or say otherwise="null" or "quarantine"; {WHOLE_RUN}', reason)
    message = "a null (or missing) value where one is required"
    return Refusal(message, f"Fill it (op.require(path, fill=…)), or leave the field nullable; {WHOLE_RUN}", message)


# ---- functions
def calling(e: Call) -> Callable[..., Any]:
    """The function of a Call, with what the script says becomes of values that it refuses."""
    function, policy = e.function, e.policy

    def or_null(*values: Any) -> Any:
        try:
            return function(*values)
        except DataError:
            return None

    def governed(*values: Any) -> Any:
        try:
            return function(*values)
        except Refused as error:
            raise Refused(
                error.message, hint=error.hint, where=error.where, value=error.value, bare=error.bare, policy=policy
            ) from error.__cause__

    return or_null if e.on_error == NULL else function if policy is None else governed


# ---- all of a batch
def together(errors: Iterable[InstarError]) -> Collected:
    """All the records of a batch that one node refuses."""
    every = tuple(errors)
    return Collected(every[0].message, hint=every[0].hint, where=every[0].where, errors=every)


def by_row(error: InstarError) -> dict[int, DataError]:
    """The first error of each record that an error speaks of, by its number; a fault that is of no record is raised."""
    found: dict[int, DataError] = {}
    for each in error.errors if isinstance(error, Collected) else (error,):
        if not isinstance(each, DataError) or each.where is None or each.where.row is None:
            raise each
        found.setdefault(each.where.row, each)
    return found
