"""The schema elements of a spliced file, and for each of its leaves where the column chunks come from.

What holds a copied leaf is declared as the source declares it, whatever pyarrow would have made of it; what was computed as the
file declares it that holds the computed leaves (a *scratch*). Inside a record, list or map the two are woven together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from instar.formats.path import EACH_ITEM, EACH_VALUE, Path, path_text
from instar.formats.schema import Field, List, Map, Record, Schema

from .chunks import Unspliceable
from .footer import REPEATED, REQUIRED, Element, Footer, tree_of
from .places import Place, is_item
from .source import Source
from .thrift import BINARY, I32, Struct


@dataclass(frozen=True)
class From:
    """The leaf of a file: `scratch` is the number of a scratch, None for the source."""

    scratch: int | None
    leaf: int


@dataclass(frozen=True)
class Draft:
    """The schema elements of a scratch, and the target's places that they are."""

    root: Element
    places: Mapping[Path, Place]


@dataclass(frozen=True)
class _Made:
    """A place that a scratch holds."""

    scratch: int
    place: Place


@dataclass(frozen=True)
class Layout:
    """`elements` in the footer's order, `leaves` where each leaf's chunks come from."""

    elements: list[Struct]
    leaves: tuple[From, ...]


_Node = tuple[Struct, From | None]


def laid_out(
    source: Source,
    target: Schema,
    untouched: Mapping[Path, Path],
    carried: Mapping[Path, Path],
    scratches: Sequence[Draft],
) -> Layout:
    """The new file of `target`: `untouched` leaves are copied, the others are in one of the `scratches`.

    Raises:
        Unspliceable: a leaf comes from nowhere, or has other records and lists above it than it had.
    """
    made = {path: _Made(i, place) for i, each in enumerate(scratches) for path, place in each.places.items()}
    tree = _Tree(source, untouched, carried, made)
    nodes = [node for field in target.record.fields for node in tree.place((field.name,), field)]
    root = {**source.footer.root.struct, 5: (I32, len(target.record.fields))}
    layout = Layout([root, *(struct for struct, _ in nodes)], tuple(origin for _, origin in nodes if origin is not None))
    _check_levels(layout, source.footer, scratches)
    return layout


class _Tree:
    def __init__(
        self, source: Source, untouched: Mapping[Path, Path], carried: Mapping[Path, Path], made: Mapping[Path, _Made]
    ) -> None:
        self.source, self.untouched, self.carried, self.made = source, untouched, carried, made
        self.keeping = {path[:i] for path in untouched for i in range(1, len(path) + 1)}

    def place(self, path: Path, field: Field) -> list[_Node]:
        """What stands at a place: its element and all below it, in order."""
        made = self.made.get(path)
        if made is not None and path not in self.keeping:
            return _all_made(made, made.place.element)
        theirs = self.source.places.get(self.untouched.get(path) or self.carried.get(path, ()))
        name = field.name if isinstance(path[-1], str) else None
        match field.type:
            case Record(fields) if theirs is None or theirs.shape == "record":
                below = [self.place((*path, inner.name), inner) for inner in fields]
                bare = {3: (I32, REQUIRED)} if theirs is None else theirs.element.struct
                return [(_named(bare, name, len(below)), None), *(node for nodes in below for node in nodes)]
            case List(item) if theirs is not None and theirs.shape == "list" and theirs.wrapper is not None:
                inner = self.place((*path, EACH_ITEM), item)
                return [(_named(theirs.element.struct, name), None), (theirs.wrapper.struct, None), *inner]
            case List(item) if theirs is not None and theirs.shape == "legacy list":
                return self.old_list(path, theirs, name, item)
            case Map(value) if (
                theirs is not None and theirs.shape == "map" and theirs.wrapper is not None and theirs.key is not None
            ):
                keys = _all_copied(theirs.key)
                above = [(_named(theirs.element.struct, name), None), (theirs.wrapper.struct, None)]
                return [*above, *keys, *self.place((*path, EACH_VALUE), value)]
        if theirs is None or made is not None:
            raise Unspliceable(f"{path_text(path)} is stored in a form whose inside cannot be changed apart")
        if path not in self.keeping:
            raise Unspliceable(f"{path_text(path)} is neither copied nor computed")
        first, *rest = _all_copied(theirs.element)
        return [(_named(first[0], name), first[1]), *rest]

    def old_list(self, path: Path, theirs: Place, name: str | None, item: Field) -> list[_Node]:
        """A list of two levels, or a bare repeated field: the repeated element is the item itself."""
        (first, origin), *rest = self.place((*path, EACH_ITEM), item)
        if theirs.element.repetition == REPEATED:
            return [({**_named(first, name), 3: (I32, REPEATED)}, origin), *rest]
        old = theirs.element.path[-1]
        repeated = theirs.element.children[0].path[-1]
        new = name.encode() if name is not None else old
        renamed = new + b"_tuple" if is_item(repeated, old) and repeated != b"array" else repeated
        above = (_named(theirs.element.struct, name), None)
        return [above, ({**first, 3: (I32, REPEATED), 4: (BINARY, renamed)}, origin), *rest]


def _named(struct: Struct, name: str | None, children: int | None = None) -> Struct:
    """The element under the target's name; the item or value of a list or map has none there, and keeps its own."""
    made = {**struct, 4: (BINARY, name.encode())} if name is not None else struct
    return made if children is None else {**made, 5: (I32, children)}


def _all_copied(element: Element) -> list[_Node]:
    return [(each.struct, None if each.leaf is None else From(None, each.leaf)) for each in element.walk()]


def _all_made(made: _Made, element: Element) -> list[_Node]:
    return [(each.struct, None if each.leaf is None else From(made.scratch, each.leaf)) for each in element.walk()]


# ---- levels
def _check_levels(layout: Layout, source: Footer, scratches: Sequence[Draft]) -> None:
    """The levels of a leaf are stored with its values, so that it must have the same above it as where it comes from."""
    leaves = tree_of(layout.elements).chains
    if len(leaves) != len(layout.leaves):
        raise Unspliceable("its columns do not form one tree any more")
    known = {None: source.root.chains} | {i: each.root.chains for i, each in enumerate(scratches)}
    for (leaf, levels), origin in zip(leaves, layout.leaves, strict=True):
        other, before = known[origin.scratch][origin.leaf]
        if levels != before or _storage(leaf) != _storage(other):
            raise Unspliceable(f"{'.'.join(map(bytes.decode, leaf.path))} would be stored under other records or lists")


def _storage(leaf: Element) -> list[object]:
    return [leaf.struct.get(number) for number in (1, 2, 6, 7, 8, 10)]
