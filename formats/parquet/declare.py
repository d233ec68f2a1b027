"""Schema elements of a rewritten file: what is carried is declared as its source declares it.

pyarrow lays a column out (levels, physical type) and names it its own way; the values it writes under the same physical type are
the same bytes whatever the annotation is. So the annotation, field id, wrapper names and fields nobody knows are copied from the
source's element, and only name, repetition and number of children are the new file's.
"""

from __future__ import annotations

from collections.abc import Mapping

from instar.formats.path import Path

from .footer import BYTE_ARRAY, FIXED, INT96, REPEATED, REQUIRED, Element, get
from .places import Place, is_item
from .thrift import BINARY, I32, Struct

_OWN = (3, 4, 5)  # repetition, name, number of children
_STORAGE = (1, 2)  # physical type, length

_UNSIGNED = range(11, 15)  # converted types UINT_8 … UINT_64
_ORDERED_BYTES = {1, 4, 12, 13, 14}  # logical STRING, ENUM, JSON, BSON, UUID
DECIMAL = 5  # as converted and as logical type
_FLOAT16, _INTEGER, _INTERVAL = 15, 10, 21


def declared(drafted: Element, new: Mapping[Path, Place], old: Mapping[Path, Place], carried: Mapping[Path, Path]) -> list[Struct]:
    """The elements of the new file in order: `drafted` is its tree as pyarrow makes it, `new` and `old` are both files' places."""
    changed: dict[int, Struct] = {}
    for path, origin in carried.items():
        ours, theirs = new.get(path), old.get(origin)
        if ours is None or theirs is None or (ours.shape != theirs.shape and theirs.element.repetition == REPEATED):
            continue
        parents_alike = len(path) == 1 or _shape(new, path[:-1]) == _shape(old, origin[:-1])
        own_name = isinstance(path[-1], str) or not parents_alike
        _like(changed, ours.element, theirs.element, own_name)
        if ours.shape == theirs.shape and ours.wrapper and theirs.wrapper:
            _like(changed, ours.wrapper, theirs.wrapper, own_name=False)
        if ours.key and theirs.key:
            for mine, source in zip(ours.key.walk(), theirs.key.walk(), strict=False):
                _like(changed, mine, source, own_name=False)
    passed: set[int] = set()
    for path, origin in carried.items():
        if path in new and origin in old:
            _two_levels(changed, passed, new[path], old[origin])
    return [changed.get(id(element), element.struct) for element in drafted.walk() if id(element) not in passed]


def _two_levels(changed: dict[int, Struct], passed: set[int], ours: Place, theirs: Place) -> None:
    """A list that was declared in two levels, or as a bare repeated field, is so again: without the group that adds no level.

    A group that is required, or the group around a required item, changes no definition or repetition level, so what pyarrow writes
    for the three levels is what stands for two. `passed` collects the elements that are left out.
    """
    if ours.shape != "list" or theirs.shape != "legacy list" or ours.wrapper is None:
        return
    item, bare = ours.wrapper.children[0], theirs.element.repetition == REPEATED
    if item.repetition != REQUIRED or (bare and ours.element.repetition != REQUIRED):
        return
    name = ours.element.path[-1] if bare else _repeated_name(theirs.element, ours.element)
    if not bare and len(item.children) == 1 and not is_item(name, ours.element.path[-1]):
        return  # it would be taken for three levels
    passed |= {id(ours.wrapper)} | ({id(ours.element)} if bare else set())
    number = {9: theirs.element.struct[9]} if bare and 9 in theirs.element.struct else {}  # a field id, which is the list's
    changed[id(item)] = {**changed.get(id(item), item.struct), **number, 3: (I32, REPEATED), 4: (BINARY, name)}


def _repeated_name(old: Element, new: Element) -> bytes:
    """The name of a two-level list's repeated element, which may be made of the list's own."""
    name = old.children[0].path[-1]
    return new.path[-1] + b"_tuple" if name == old.path[-1] + b"_tuple" else name


def _shape(found: Mapping[Path, Place], path: Path) -> str | None:
    return found[path].shape if path in found else None


def _like(changed: dict[int, Struct], ours: Element, theirs: Element, own_name: bool) -> None:
    if (ours.leaf is None) != (theirs.leaf is None):
        return
    alike = stored_alike(ours.struct, theirs.struct)
    if not alike and not (is_decimal(ours.struct) and is_decimal(theirs.struct)):  # a decimal's annotation fits all its storage
        return
    own = _OWN if alike else (*_OWN, *_STORAGE)
    struct = {number: held for number, held in theirs.struct.items() if number not in own}
    struct |= {number: held for number, held in ours.struct.items() if number in own}
    changed[id(ours)] = struct if own_name else {**struct, 4: (BINARY, get(theirs.struct, 4))}


def is_decimal(struct: Struct) -> bool:
    return get(struct, 6) == DECIMAL or DECIMAL in get(struct, 10, {})


def stored_alike(a: Struct, b: Struct) -> bool:
    """Have two elements one physical type? INT96 is written as twelve bytes, which are the same."""
    return _physical(a) == _physical(b)


def _physical(struct: Struct) -> tuple[int | None, int | None]:
    kind = get(struct, 1)
    return (FIXED, 12) if kind == INT96 else (kind, get(struct, 2) if kind == FIXED else None)


def order(struct: Struct) -> str:
    """By what order a leaf's minimum and maximum are found (parquet.thrift, ColumnOrder); "none" where there is no order."""
    physical, converted = get(struct, 1), get(struct, 6)
    logical = next(iter(get(struct, 10, {})), None)
    if physical == INT96 or converted == _INTERVAL:
        return "none"
    if physical in (BYTE_ARRAY, FIXED):
        if logical == DECIMAL or (logical is None and converted == DECIMAL):
            return "signed"
        if logical == _FLOAT16:
            return "float"
        return "bytes" if logical is None or logical in _ORDERED_BYTES else "none"
    signed = get(get(struct, 10, {}).get(_INTEGER, (0, {}))[1], 2, True)
    return "unsigned" if converted in _UNSIGNED or not signed else "signed"
