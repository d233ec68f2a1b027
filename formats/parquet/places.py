"""Which schema element of a Parquet file holds which place of the logical schema.

Lists come in four shapes (the Parquet project's LogicalTypes.md, "Nested Types"): three levels, two levels in two spellings,
and a bare repeated field. Only the first is what writers make today.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from instar.formats.path import EACH_ITEM, EACH_VALUE, Path
from instar.formats.schema import Field, List, Map, Record

from .footer import REPEATED, Element

Shape = Literal["leaf", "record", "list", "legacy list", "map", "odd"]


@dataclass(frozen=True)
class Place:
    """A logical place's element. `wrapper` is the repeated group below a list or map, `key` a map's key."""

    element: Element
    shape: Shape
    wrapper: Element | None = None
    key: Element | None = None


def places(root: Element, record: Record) -> dict[Path, Place]:
    """Every place of a file whose columns, as pyarrow reads them, are `record`."""
    return dict(_record((), root.children, record))


def _record(path: Path, elements: tuple[Element, ...], record: Record) -> Iterator[tuple[Path, Place]]:
    for element, field in zip(elements, record.fields, strict=False):
        yield from _place((*path, field.name), element, field)


def _place(path: Path, element: Element, field: Field) -> Iterator[tuple[Path, Place]]:
    match field.type:
        case Record() if element.leaf is None:
            yield path, Place(element, "record")
            yield from _record(path, element.children, field.type)
        case List(item):
            yield from _list(path, element, item)
        case Map(value) if _is_map(element):
            wrapper = element.children[0]
            yield path, Place(element, "map", wrapper, wrapper.children[0])
            yield from _place((*path, EACH_VALUE), wrapper.children[1], value)
        case _:
            yield path, Place(element, "leaf" if element.leaf is not None else "odd")


def _is_map(element: Element) -> bool:
    return len(element.children) == 1 and len(element.children[0].children) == 2


def _list(path: Path, element: Element, item: Field) -> Iterator[tuple[Path, Place]]:
    if element.repetition == REPEATED:
        yield path, Place(element, "legacy list")
        yield from _items((*path, EACH_ITEM), element, item)
        return
    if len(element.children) != 1:
        yield path, Place(element, "odd")
        return
    wrapper = element.children[0]
    if len(wrapper.children) == 1 and not is_item(wrapper.path[-1], element.path[-1]):
        yield path, Place(element, "list", wrapper)
        yield from _place((*path, EACH_ITEM), wrapper.children[0], item)
    else:
        yield path, Place(element, "legacy list")
        yield from _items((*path, EACH_ITEM), wrapper, item)


def is_item(repeated: bytes, of: bytes) -> bool:
    """Is a list's repeated group of one field the item itself? By its name, as the format's rules for old files say."""
    return repeated in (b"array", of + b"_tuple")


def _items(path: Path, element: Element, item: Field) -> Iterator[tuple[Path, Place]]:
    """The item of a list whose repeated element is the item itself."""
    bare = Element({**element.struct, 3: (5, 0)}, element.path, element.children, element.leaf)
    yield from _place(path, bare, item)


def leaf_paths(found: dict[Path, Place]) -> dict[int, Path]:
    """The path of each leaf by its ordinal; a map's key has the map's path."""
    paths = {place.element.leaf: path for path, place in found.items() if place.element.leaf is not None}
    for path, place in found.items():
        for leaf in place.key.leaves() if place.key else ():
            if leaf.leaf is not None:
                paths.setdefault(leaf.leaf, path)
    return paths
