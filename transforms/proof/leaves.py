"""Which leaf of a Parquet file holds which place of a schema, by the file's own schema elements."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from instar.formats.path import EACH_ITEM, EACH_VALUE, Path, Step
from instar.formats.schema import List, Record, Type
from instar.formats.schema import Map as MapType

from .elements import Element, item_of

KEYS = Step("keys")
"""Below a map's place: the leaves of its keys, which are no places of a schema."""


@dataclass(frozen=True)
class Leaf:
    """The leaf of this number, counted from 0.

    `levels`: what its definition and repetition levels speak of, from the top down: every element that may be null or repeats, with
    its annotations. A record that is always there leaves no trace in them.
    """

    number: int
    levels: tuple[tuple[str, ...], ...]


def leaves(root: Element, record: Record) -> dict[Path, Leaf]:
    """The leaves by the places of the schema, those of a map's keys below its `KEYS`; a place whose elements have another form than
    its type is left out, with all below it."""
    known = {id(leaf): Leaf(number, levels) for number, (leaf, levels) in enumerate(_levels(root, ()))}
    return {path: known[id(leaf)] for path, leaf in _record(root, record, ())}


def _levels(group: Element, above: tuple[tuple[str, ...], ...]) -> Iterator[tuple[Element, tuple[tuple[str, ...], ...]]]:
    for child in group.children:
        said = () if child.physical else tuple(word for word in (child.converted, child.logical) if word)
        inside = (*above, (child.repetition, *said)) if child.repetition != "REQUIRED" or said else above
        if child.physical:
            yield child, inside
        else:
            yield from _levels(child, inside)


def _record(group: Element, record: Record, path: Path) -> Iterator[tuple[Path, Element]]:
    if tuple(child.name for child in group.children) == record.names:
        for child, field in zip(group.children, record.fields, strict=True):
            yield from _below(child, field.type, (*path, field.name))


def _below(element: Element, type: Type, path: Path) -> Iterator[tuple[Path, Element]]:
    match type:
        case Record():
            yield from _record(element, type, path)
        case List(item):
            yield from _below(item_of(element) or element, item.type, (*path, EACH_ITEM))
        case MapType(value):
            pair = element.children[0].children if len(element.children) == 1 else ()
            if len(pair) == 2:
                keys = enumerate(pair[0].leaves())
                yield from (((*path, KEYS, str(number)), leaf) for number, leaf in keys)
                yield from _below(pair[1], value.type, (*path, EACH_VALUE))
        case _ if element.physical:
            yield path, element


def with_keys(untouched: Mapping[Path, Path], target: Mapping[Path, Leaf]) -> dict[Path, Path]:
    """The pairs of `Mapping.untouched`, and those of the keys of the maps that they are in: keys go where their values do."""
    maps: dict[Path, Path] = {}
    for place, origin in untouched.items():
        lists, theirs = ([i for i, step in enumerate(path) if step in (EACH_ITEM, EACH_VALUE)] for path in (place, origin))
        if len(lists) == len(theirs):
            maps |= {place[:i]: origin[:j] for i, j in zip(lists, theirs, strict=True) if place[i] == origin[j] == EACH_VALUE}
    keys = ((place, place[: place.index(KEYS)]) for place in target if KEYS in place)
    return {**untouched, **{place: (*maps[of], *place[len(of) :]) for place, of in keys if of in maps}}
