"""Valid JSON texts as no library writes them: odd blanks, needless escapes, numbers spelled in every way."""

from __future__ import annotations

import json

from hypothesis import strategies as st

BLANKS = st.sampled_from(["", "", "", " ", "  ", "\t", "\n  ", "\r\n", " \n"])
NUMBERS = st.sampled_from(
    ["0", "-0", "1.10", "1e2", "1E+2", "-1.5e-7", "12345678901234567890123", "0.1", "1e400", "5e-324", "100.00"]
) | st.integers().map(str)


@st.composite
def strings(draw: st.DrawFn, text: st.SearchStrategy[str] | None = None) -> str:
    """A JSON string whose characters are escaped at will."""
    value = draw(st.text(max_size=6) if text is None else text)
    spelled = "".join(_spelled(c, draw(st.booleans())) for c in value)
    return f'"{spelled}"'


def _spelled(char: str, escaped: bool) -> str:
    if escaped:
        units = char.encode("utf-16-be")
        return "".join(f"\\u{units[i]:02x}{units[i + 1]:02X}" for i in range(0, len(units), 2))
    return json.dumps(char, ensure_ascii=False)[1:-1]


def _spaced(items: list[str], marks: str, blanks: list[str]) -> str:
    out, spare = marks[0], iter(blanks)
    for i, item in enumerate(items):
        out += ("," if i else "") + next(spare, "") + item + next(spare, "")
    return out + ("" if items else next(spare, "")) + marks[1]


@st.composite
def objects(draw: st.DrawFn, values: st.SearchStrategy[str]) -> str:
    names = draw(st.lists(st.text(max_size=4), unique=True, max_size=5))
    members = [draw(strings(st.just(name))) + draw(BLANKS) + ":" + draw(BLANKS) + draw(values) for name in names]
    return _spaced(members, "{}", draw(st.lists(BLANKS, max_size=10)))


@st.composite
def arrays(draw: st.DrawFn, values: st.SearchStrategy[str]) -> str:
    return _spaced(draw(st.lists(values, max_size=4)), "[]", draw(st.lists(BLANKS, max_size=8)))


VALUES = st.recursive(
    st.sampled_from(["true", "false", "null"]) | NUMBERS | strings(), lambda below: objects(below) | arrays(below), max_leaves=12
)
"""A text of any JSON value."""

RECORDS = objects(VALUES)
"""A text of an object, not blank at either end."""
