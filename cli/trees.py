"""Schemas and their differences as aligned trees of at most 100 columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from instar.cli.layout import WIDTH
from instar.formats.path import path_text
from instar.formats.schema import MISSING, Enum, Field
from instar.transforms.difference import Difference
from instar.transforms.outline import Node, default_text

_MARKS = {"added": ("+", "green"), "removed": ("-", "red"), "changed": ("~", "yellow"), "same": (" ", "")}


def schema_tree(fields: Iterable[Node], types: Iterable[Node]) -> Table:
    """A line a field: name, type, what else there is to say, and its doc."""
    table = _table("field", "type", "", "")
    for node in (*fields, *types):
        for depth, line in _lines(node):
            notes = ", ".join(_facts(line.field))
            table.add_row(Text("  " * depth + line.name), Text(line.type, "cyan"), Text(notes), Text(line.field.doc, "dim"))
    return table


def _lines(node: Node, depth: int = 0) -> Iterator[tuple[int, Node]]:
    yield depth, node
    for child in node.children:
        yield from _lines(child, depth + 1)


def _facts(field: Field) -> Iterator[str]:
    if field.optional:
        yield "optional"
    if field.default is not MISSING:
        yield f"default {default_text(field.default)}"
    if field.tags:
        yield f"tags {' '.join(field.tags)}"


def difference_tree(tops: Iterable[Difference], *, whole: bool) -> Table:
    """A line a field that differs, under those that it is in; with `whole` also those that do not."""
    table = _table("", "field", "type", "what")
    for top in tops:
        for depth, line in _differing(top, whole):
            mark, colour = _MARKS[line.kind]
            table.add_row(
                Text(mark, colour), Text("  " * depth + _names(line), colour), Text(_types(line)), Text(", ".join(_changes(line)))
            )
    return table


def _differing(line: Difference, whole: bool, depth: int = 0) -> Iterator[tuple[int, Difference]]:
    if whole or line.differs:
        yield depth, line
        for child in line.children:
            yield from _differing(child, whole, depth + 1)


def _names(line: Difference) -> str:
    old, new = (path_text(path[-1:]) if path else "(record)" for path in (line.old_path, line.new_path))
    return f"{old} → {new}" if "renamed" in line.what else new if line.new_path is not None else old


def _types(line: Difference) -> str:
    if line.old is None or line.new is None or "type" not in line.what:
        return line.new_type or line.old_type
    if isinstance(line.old.type, Enum) and isinstance(line.new.type, Enum):
        old, new = (f"enum{'?' * field.nullable}" for field in (line.old, line.new))
        return old if old == new else f"{old} → {new}"
    return f"{line.old_type} → {line.new_type}"


def _changes(line: Difference) -> Iterator[str]:
    if line.old is None or line.new is None:
        yield from _facts(line.old or line.new or Field("", Enum(())))
        if line.sources:
            yield f"from {', '.join(map(path_text, line.sources))}"
        return
    old, new = line.old, line.new
    if "renamed" in line.what:
        yield "renamed"
    if "moved" in line.what:
        yield f"moved from {path_text(line.old_path or ())}"
    if "type" in line.what and isinstance(old.type, Enum) and isinstance(new.type, Enum):
        yield from _came_and_went("symbols", old.type.symbols, new.type.symbols)
    if "optional" in line.what:
        yield "optional" if new.optional else "no longer optional"
    if "default" in line.what:
        yield f"default {' → '.join('none' if f.default is MISSING else default_text(f.default) for f in (old, new))}"
    if "tags" in line.what:
        yield from _came_and_went("tags", old.tags, new.tags)
    if "doc" in line.what:
        yield f"doc: {new.doc}" if new.doc else "no doc any more"
    if "order" in line.what:
        yield "fields in another order"


def _came_and_went(what: str, old: tuple[str, ...], new: tuple[str, ...]) -> Iterator[str]:
    parts = [f"+{word}" for word in new if word not in old] + [f"-{word}" for word in old if word not in new]
    yield f"{what} {' '.join(parts) or 'in another order'}"


def _table(*headers: str) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    for header in headers:
        table.add_column(header, overflow="fold")
    return table


def print_tree(console: Console, table: Table) -> None:
    """Within the terminal, and 100 columns; what does not fit goes on in the next line."""
    console.print(table, width=min(WIDTH, console.width), soft_wrap=False)
