"""Two values that differ, as short texts in which that can be seen."""

from __future__ import annotations

import unicodedata

_MOST = 60  # characters
_BEFORE = 20  # of these before the first that differs, where that is far on

Value = str | bytes | None


def shown(expected: Value, actual: Value) -> tuple[str, str]:
    """Both as texts that are not the same, each of at most 60 characters: of longer ones the part in which they begin to differ."""
    one, other = _text(expected), _text(actual)
    if _alike(one) == _alike(other) and one != other:  # letters that look the same, blanks
        one, other = _spelled(one), _spelled(other)
    if one == other:  # NULL and a text, or bits that no text tells apart
        one, other = _spelled(one) if expected is not None else one, _spelled(other) if actual is not None else other
    if one == other:
        other = f"{other} in other bits"
    first = next((i for i, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), min(len(one), len(other)))
    return _cut(one, first), _cut(other, first)


def _text(value: Value) -> str:
    if value is None:
        return "null"
    text = _readable(value) if isinstance(value, bytes) else value
    return text or "''"


def _alike(text: str) -> str:
    """The text as people see it."""
    return " ".join(unicodedata.normalize("NFKC", text).split())


def _spelled(text: str) -> str:
    """In quotes, and in ASCII."""
    return ascii(text)


def _cut(text: str, first: int) -> str:
    start = max(0, first - _BEFORE) if first > _MOST - 10 else 0
    begun = f"…{text[start:]}" if start else text
    return begun if len(begun) <= _MOST else begun[: _MOST - 1] + "…"


def _readable(value: bytes) -> str:
    """Bytes as text where they are text (JSON), else as Python spells them."""
    text = value.decode("utf-8", "replace")
    return text if text.isprintable() and "\ufffd" not in text else repr(value)[2:-1]
