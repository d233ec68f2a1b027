"""The one text of an unbounded integer or number: what stands for it where no binary form holds it."""

from __future__ import annotations

import decimal

DIGITS = 1000
"""An `integer` or `number` whose plain text is longer than this is not computed with: it is carried, or refused."""
_BEYOND = 10**DIGITS


def integer_text(value: int) -> str:
    """An integer's one text.

    Raises:
        ValueError: it has more than 1,000 digits.
    """
    if not -_BEYOND < value < _BEYOND:
        raise ValueError("an integer of more than 1,000 digits")
    return str(value)


def number_text(value: int | decimal.Decimal) -> str:
    """A number's one text: plain notation, no exponent, no zeros that say nothing. 1.10 is "1.1", 1e2 is "100".

    Raises:
        ValueError: -0, or a text of more than 1,000 characters.
    """
    if isinstance(value, int):
        return integer_text(value)
    if not value.is_finite() or (value.is_zero() and value.is_signed()):
        raise ValueError("no plain number")
    if value.is_zero():
        return "0"
    if value.adjusted() >= DIGITS or value.adjusted() < -DIGITS or len(value.as_tuple().digits) > 2 * DIGITS:
        raise ValueError("a number of more than 1,000 digits")
    text = format(value, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    if len(text) > DIGITS:
        raise ValueError("a number of more than 1,000 digits")
    return text


def parse_number(text: str) -> int | decimal.Decimal:
    """The number of a canonical text, or of "-0", which no integer is."""
    return decimal.Decimal(text) if "." in text or text == "-0" else int(text)
