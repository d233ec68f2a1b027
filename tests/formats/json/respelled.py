"""JSON texts written in another way, or damaged, by a generator of random numbers."""

from __future__ import annotations

import random
import re

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^\s"{}\[\]:,]+', re.DOTALL)
_BLANKS = ["", "", "", " ", "  ", "\t"]
_DAMAGE = [
    b'"',
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"\\",
    b"\\u12",
    b"\\ud800",
    b"\x01",
    b"\xff",
    b"\xc3",
    b"\xed\xa0\x80",
    b"0",
    b"-",
    b"nul",
    b".",
]


def respelled(text: str, spare: random.Random) -> str:
    """The same value: blanks between its tokens in one of several ways, some characters escaped."""
    tokens: list[str] = _TOKEN.findall(text)
    way = spare.choice(["as it is", "regular", "any", "any"])
    if way == "as it is":
        return text
    if way == "regular":
        colon, comma = spare.choice([(": ", ", "), (" :", ","), (":", ", ")])
        marks = {":": colon, ",": comma}
        return "".join(marks.get(token, token) for token in tokens)
    spelled = [_escaped(token, spare) if token[0] == '"' and spare.random() < 0.05 else token for token in tokens]
    return "".join(token + (spare.choice(_BLANKS) if i < len(spelled) - 1 else "") for i, token in enumerate(spelled))


def _escaped(token: str, spare: random.Random) -> str:
    at = spare.randrange(1, len(token))
    char = token[at]
    if not char.isascii() or not char.isalnum() or "\\" in token:
        return token
    return f"{token[:at]}\\u{ord(char):04x}{token[at + 1 :]}"


def damaged(text: bytes, spare: random.Random) -> bytes:
    """A few bytes gone, twice or others; never a line more or less."""
    for _ in range(spare.choice([1, 1, 2])):
        start = spare.randrange(len(text) + 1)
        end = min(len(text), start + spare.choice([0, 1, 1, 2, 9]))
        with_what = spare.choice([b"", text[start:end] * 2, spare.choice(_DAMAGE)])
        text = text[:start] + with_what + text[end:]
    return text.replace(b"\n", b" ")
