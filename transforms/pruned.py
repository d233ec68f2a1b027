"""A mapping without what is untouched inside its records, lists and maps, and the places of the source that it then needs.

Columns are stored leaf by leaf, so that a leaf that is only copied need not be read, even where one beside it is computed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

from instar.formats.path import EACH_ITEM, EACH_VALUE, Path, Step
from instar.formats.schema import Field, List, Map, Record, Schema

from .expression import Column, Each, Expression, Source, Struct, When
from .mapping import Mapping
from .shared_types import places, steps
from .touched import read_and_tested
from .tree import opened, rebuilt


def pruned(mapping: Mapping, untouched: Collection[Path], without: Collection[str] = ()) -> Mapping | None:
    """The mapping with no more than the leaves that are not among the `untouched` ones (paths of its target), and `without` these
    columns; None where nothing is left. Of a map that is looked into the keys stay, too."""
    above = {path[:i] for path in untouched for i in range(1, len(path))}
    root = mapping.root.expression
    assert isinstance(root, Struct)
    columns = [_kept(c, (c.field.name,), untouched, above) for c in root.columns if c.field.name not in without]
    left = tuple(c for c in columns if c is not None)
    return replace(mapping, root=rebuilt(mapping.root, replace(root, columns=left))) if left else None


def _kept(column: Column, at: Path, untouched: Collection[Path], above: Collection[Path]) -> Column | None:
    """What is left of a column; None where that is nothing."""
    if at in untouched:
        return None
    if at not in above:
        return None if _has_no_leaves(column.field) else column
    column = opened(column)
    match column.expression:
        case Struct(columns) as struct:
            inner = [_kept(c, (*at, c.field.name), untouched, above) for c in columns]
            left = tuple(c for c in inner if c is not None)
            return rebuilt(column, replace(struct, columns=left)) if left else None
        case Each(_, body, kind) as each:
            left = _kept(body, (*at, EACH_ITEM if kind == "list" else EACH_VALUE), untouched, above)
            return None if left is None else rebuilt(column, replace(each, body=left))
        case _:
            return column


def _has_no_leaves(field: Field) -> bool:
    """Is it a record without fields, in which nothing is stored?"""
    return isinstance(field.type, Record) and all(map(_has_no_leaves, field.type.fields))


def needed(mapping: Mapping) -> Schema:
    """The source with only those places whose values the mapping reads or carries.

    Where it only asks whether a record is null, or how many items a list has, one leaf below is needed: it tells.
    """
    read, tested = read_and_tested(mapping.root.expression)
    leaves = {path for path, field in places(mapping.source.root) if path and not _is_open(field)}
    wanted = {leaf for leaf in leaves if any(leaf[: len(path)] == path for path in read)}
    for place in sorted(tested - {()}, key=len, reverse=True):
        below = sorted((leaf for leaf in leaves if leaf[: len(place)] == place), key=_cost)
        if below and not any(leaf in wanted for leaf in below):
            wanted.add(below[0])
    known = {path[:i] for path in wanted for i in range(len(path) + 1)}
    return replace(mapping.source, root=_only(mapping.source.root, (), known))


def _is_open(field: Field) -> bool:
    return isinstance(field.type, Record | List | Map)


def _cost(leaf: Path) -> tuple[int, int, Path]:
    """What is below fewer lists has fewer values."""
    return sum(isinstance(step, Step) for step in leaf), len(leaf), leaf


def _only(field: Field, at: Path, known: Collection[Path]) -> Field:
    match field.type:
        case Record(fields) as record:
            left = tuple(_only(f, (*at, f.name), known) for f in fields if (*at, f.name) in known)
            return field.with_(type=replace(record, fields=left))
        case List(item) as type if (*at, EACH_ITEM) in known:
            return field.with_(type=replace(type, item=_only(item, (*at, EACH_ITEM), known)))
        case Map(value) as type if (*at, EACH_VALUE) in known:
            return field.with_(type=replace(type, value=_only(value, (*at, EACH_VALUE), known)))
        case _:
            return field


def follows(mapping: Mapping) -> dict[Path, Path]:
    """Target leaf → the source leaf that it is computed from, where that is one."""
    leaves = {path for path, field in places(mapping.source.root) if not _is_open(field)}
    found: dict[Path, Path] = {}
    for path, expression, scope in _computed(mapping.root, (), ()):
        read, _ = read_and_tested(expression, scope)
        if len(read) == 1 and (origin := next(iter(read))) in leaves:
            found[path] = origin
    return found


def _computed(column: Column, at: Path, scope: Path) -> Iterator[tuple[Path, Expression, Path]]:
    """Each computed leaf of the target with its expression, and the place that the sources in it are relative to."""
    e = column.expression
    while isinstance(e, When) and isinstance(e.then, Struct | Each):
        e = e.then
    match e:
        case Struct(columns):
            for c in columns:
                yield from _computed(c, (*at, c.field.name), scope)
        case Each(Source(path), body, kind):
            step = EACH_ITEM if kind == "list" else EACH_VALUE
            yield from _computed(body, (*at, step), (*scope, *path, step))
        case _ if not list(steps(column.field)):
            yield at, e, scope
