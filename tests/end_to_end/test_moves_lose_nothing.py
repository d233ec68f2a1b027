"""Promise 2 on the way up: a move that would lose something is refused before any data is read, until the script consents."""

from __future__ import annotations

import json

import pytest
from authoring import Author
from support import tree

RECORDS = [
    {"p": {"u": 1, "extra": 2}, "note": "kept", "c": {"k": 1}},
    {"p": {"u": 3}, "note": "without a place", "c": None},
]


@pytest.fixture
def moving(author: Author) -> Author:
    """A dataset that was adopted before one of its records got a key that version 1 does not name."""
    (author.data("events") / "a.ndjson").write_text("".join(json.dumps({**r, "p": {"u": 1}}) + "\n" for r in RECORDS))
    author.adopt("events")
    (author.data("events") / "a.ndjson").write_text("".join(json.dumps(r) + "\n" for r in RECORDS))
    return author


@pytest.mark.parametrize(
    ("operation", "what", "consent"),
    [
        ('op.move("p.u", to="u")', "keys in it that no schema names would be lost", 'emptied="drop"'),
        ('op.move("note", to="c.note")', "c may be null, and where it is, the value of note would be lost", 'where_null="drop"'),
    ],
)
def test_a_move_that_would_lose_something_needs_consent(moving: Author, operation: str, what: str, consent: str) -> None:
    before = tree(moving.data("events"))
    script = moving.folder / "migrations" / "events" / "0002_move.py"
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(f'"""A move."""\nfrom instar import op\n\nupgrade = [{operation}]\n')
    for command in (("register", "events"), ("check",)):
        answer = moving.instar(*command, "--json", at=moving.folder)
        assert answer.code != 0
        assert what in answer.out + answer.err
        assert json.dumps(consent)[1:-1] in answer.out + answer.err
    assert tree(moving.data("events")) == before

    script.write_text(script.read_text().replace('")]', f'", {consent})]'))
    moving.do("register", "events")
    assert moving.do("upgrade", "events", "--proof", "full")["proof"]["verdict"] == "proved"
    moving.do("rollback", "events")
    assert tree(moving.data("events")) == before
