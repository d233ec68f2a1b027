"""Numbers as their texts say them."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from instar.formats.errors import DataError, Where

_SHOWN = 60


def exact(text: str) -> Decimal:
    """The number of a valid JSON text, nothing rounded.

    Raises:
        DataError: its exponent is beyond those that numbers are computed with (Python's `decimal.MAX_EMAX`).
    """
    try:
        return Decimal(text)
    except InvalidOperation:
        told = "the number has an exponent beyond what can be computed with"
        raise DataError(
            f"{told}: {text:.{_SHOWN}}", hint="Correct the value where it is written.", where=Where(found="a number"), bare=told
        ) from None
