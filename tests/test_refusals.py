"""docs/refusals.md, held to the code: no message in it that nobody says, no refusal of a file or a document that it leaves out."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[1]
PAGE = CHECKOUT / "docs" / "refusals.md"
JUDGING = ("SchemaError", "FileError", "UnreadableError", "DatasetError")
"""Errors about what somebody brings: documents, files, directories."""
ELSEWHERE = (
    "no field …",  # of library calls
    "the path … cannot be read at character …",  # the notation of paths and types: the operations' page
    "the type … cannot be read: …",
    "there is no type …",
    "… is not one of Instar's type names",
    "… ends in '?'",
    "there are no files to take a schema from",  # of library calls
    "there are no files to infer a schema from",
    "the type <…> is not defined in this schema",  # faults of ours
    "… records became …",
)


def template(node: ast.expr) -> str:
    """A text of the source, with … where it has something to fill in."""
    match node:
        case ast.Constant(str() as text):
            return text
        case ast.JoinedStr(parts):
            return "".join(part.value if isinstance(part, ast.Constant) else "…" for part in parts)  # type: ignore[misc]
        case ast.BinOp(left, ast.Add(), right):
            return template(left) + template(right)
        case _:
            return "…"


@cache
def sources(folder: str) -> tuple[tuple[Path, ast.AST], ...]:
    """Every node of the source, with its file."""
    trees = [(file, ast.parse(file.read_text(encoding="utf-8"))) for file in sorted((CHECKOUT / folder).rglob("*.py"))]
    return tuple((file, node) for file, tree in trees for node in ast.walk(tree))


@cache
def said() -> frozenset[str]:
    """Every text of the source."""
    nodes = [node for folder in ("formats", "transforms") for _, node in sources(folder)]
    return frozenset(template(node) for node in nodes if isinstance(node, ast.Constant | ast.JoinedStr | ast.BinOp))


def judgements() -> Iterator[tuple[str, str]]:
    """Where each error about a document, file or directory is made, and what it says."""
    for file, node in sources("formats"):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in JUDGING and node.args:
            yield f"{file.relative_to(CHECKOUT)}:{node.lineno}", template(node.args[0])


def documented() -> list[str]:
    """The first cell of each row of the page's tables of messages."""
    rows = re.findall(r"^\| `(.+?)` \|.*\|.*\|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(rows) > 60
    return rows


def means(shown: str, text: str) -> bool:
    """Does a documented message, with … for anything, speak of this text of the source, which has … for anything?"""
    at = 0
    for piece in re.split("…+", shown):
        found = text.find(piece, at)
        if found < 0:
            return False
        at = found + len(piece)
    return True


def test_messages_are_compared_by_what_does_not_differ() -> None:
    assert means("… is not JSON: …", "… is not JSON: it begins with …")
    assert means("Avro has no type …", "Avro has no type …")
    assert not means("Avro has no type …", "JSON has no type …")


@pytest.mark.parametrize("message", documented())
def test_every_documented_message_is_one_of_the_source(message: str) -> None:
    assert any(means(message, text) for text in said()), message


def test_every_refusal_of_a_file_or_document_is_documented() -> None:
    shown = [*documented(), *ELSEWHERE]
    missing = [(place, text) for place, text in judgements() if text.strip("…: ") and not any(means(s, text) for s in shown)]
    assert not missing, "\n".join(f"{place}: {text}" for place, text in missing)


def test_every_exception_from_that_is_one() -> None:
    texts = [text for _, text in judgements()]
    assert [text for text in ELSEWHERE if text not in texts] == []
