"""What differs between two versions of a schema, as a tree: what came, went, changed, and what is called otherwise.

With scripts between the versions, the fused mapping says which field became which; what it cannot say, and all of it without
scripts, goes by the names.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from instar.formats.path import EACH_ITEM, EACH_VALUE, Branch, Path, path_text
from instar.formats.schema import Field, Reference, Schema
from instar.transforms.evaluate.nodes import parts
from instar.transforms.expression import Cast, Column, Each, Expression, Lookup, Source, Struct, When
from instar.transforms.mapping import Mapping as Chain
from instar.transforms.outline import apart, below, default_text, label, shared_names
from instar.transforms.shared_types import places

Kind = Literal["added", "removed", "changed", "same"]


@dataclass(frozen=True)
class Difference:
    """One place, in the older version (`old_path`, `old`), the newer one, or both, and what differs below it.

    `what`: "renamed", "moved", "type", "optional", "default", "doc", "tags", "order" (of its fields), or nothing for a parent.
    `sources`: the old places that a script computes an added one from.
    """

    kind: Kind
    old_path: Path | None
    new_path: Path | None
    old: Field | None
    new: Field | None
    old_type: str
    new_type: str
    what: tuple[str, ...] = ()
    children: tuple[Difference, ...] = ()
    sources: tuple[Path, ...] = ()

    @property
    def differs(self) -> bool:
        """Here or anywhere below?"""
        return self.kind != "same" or any(child.differs for child in self.children)

    def every(self) -> Iterator[Difference]:
        """This place and all below it."""
        yield self
        for child in self.children:
            yield from child.every()

    def as_json(self) -> dict[str, Any]:
        old, new = (None if path is None else path_text(path) for path in (self.old_path, self.new_path))
        return {
            "kind": self.kind,
            "from": None if old is None else {"path": old, "type": self.old_type},
            "to": None if new is None else {"path": new, "type": self.new_type},
            "what": list(self.what),
            "sources": [path_text(path) for path in self.sources],
        }


def difference(old: Schema, new: Schema, chain: Chain | None) -> tuple[tuple[Difference, ...], dict[str, Difference]]:
    """The tree of two schemas' fields, and those of the types that either defines apart. `chain` leads from `old` to `new`."""
    before, after = _places(old), _places(new)
    traced = origins(chain) if chain else Origins({}, {})
    known = {_defined(target, after): _defined(origin, before) for target, origin in traced.one.items()}
    work = _Work(before, Origins(known, traced.several), (shared_names(old), shared_names(new)))
    root = work.pair((), (), old.root, new.root)
    fields = root.children if root.children and not root.what else (root,)
    types = {}
    for name in dict.fromkeys((*apart(old), *apart(new))):
        place = (Branch(name),)
        if place in after:
            types[name] = work.line(place if place in before else None, place, after[place])
        else:
            types[name] = work.removed(place, before[place])
    return fields, types


def _places(schema: Schema) -> dict[Path, Field]:
    """Every place of a schema; those in a type that is defined apart have its name in front."""
    found = dict(places(schema.root))
    for name, field in apart(schema).items():
        found |= {(Branch(name), *path): inner for path, inner in places(field)}
    return found


def _defined(path: Path, places: Mapping[Path, Field]) -> Path:
    """A path into a use of a type that is defined apart, as a path into its definition."""
    for length in range(1, len(path)):
        field = places.get(path[:length])
        if field is not None and isinstance(field.type, Reference) and (Branch(field.type.name),) in places:
            return _defined((Branch(field.type.name), *path[length:]), places)
    return path


@dataclass(frozen=True)
class Origins:
    """Where target places come from: `one` source place each, carried, cast or looked up; or `several`, or a part of one."""

    one: Mapping[Path, Path]
    several: Mapping[Path, tuple[Path, ...]]


def origins(mapping: Chain) -> Origins:
    """Read off the mapping. A source place is the origin of one target place at most: of two, neither is it, renamed."""
    carried = mapping.carried()
    one: dict[Path, Path] = {}
    several: dict[Path, tuple[Path, ...]] = {}
    for target, found, whole in _traced(mapping.root, (), ()):
        if whole and target not in carried:
            one[target] = found[0]
        elif not whole:
            several[target] = found
    times = Counter([*one.values(), *carried.values()])
    parts = {target: origin for target, origin in one.items() if times[origin] > 1 and target != origin}
    whole = {target: origin for target, origin in one.items() if target not in parts}
    return Origins({**whole, **carried}, {**several, **{target: (origin,) for target, origin in parts.items()}})


def _traced(column: Column, target: Path, scope: Path) -> Iterator[tuple[Path, tuple[Path, ...], bool]]:
    """Target place, the source places that it is made of, and whether it is the one such place, as a whole."""
    e = _inside(column.expression)
    match e:
        case Source(path):
            yield target, (scope + path,), True
        case Struct(columns):
            for inner in columns:
                yield from _traced(inner, (*target, inner.field.name), scope)
        case Each(of, body, kind) if isinstance(source := _inside(of), Source):
            step = EACH_ITEM if kind == "list" else EACH_VALUE
            yield target, (scope + source.path,), True
            yield from _traced(body, (*target, step), (*scope, *source.path, step))
        case _:
            found = tuple(dict.fromkeys(scope + part.path for part in _of_scope(e) if isinstance(part, Source)))
            yield target, found, False


def _of_scope(e: Expression) -> Iterator[Expression]:
    """The expression and those in it, but for what is relative to the elements of a list."""
    seen: set[int] = set()
    waiting = [e]
    while waiting:
        part = waiting.pop()
        if id(part) not in seen:
            seen.add(id(part))
            yield part
            waiting += reversed(tuple(parts(part)))


def _inside(e: Expression) -> Expression:
    """What is cast, looked up or required."""
    while isinstance(e, Cast | Lookup | When):
        e = e.then if isinstance(e, When) else e.of
    return e


class _Work:
    """The places of the old schema, which place of the new one came from which, and the shared types of both."""

    def __init__(self, places: Mapping[Path, Field], origins: Origins, shared: tuple[frozenset[str], frozenset[str]]) -> None:
        self.places, self.shared, self.several = places, shared, origins.several
        self.origins = {target: origin for target, origin in origins.one.items() if target and origin in places}
        self.claimed = set(self.origins.values())

    def pair(self, at: Path, to: Path, old: Field, new: Field, *, moved: bool = False) -> Difference:
        """A place that both have."""
        types = label(old, self.shared[0]), label(new, self.shared[1])
        children, in_order = self.children(at, to, old, new)
        found = {
            "renamed": at[-1:] != to[-1:] and isinstance(at[-1], str) and isinstance(to[-1], str),
            "moved": moved,
            "type": not _same_type(*types),
            "optional": old.optional != new.optional,
            "default": default_text(old.default) != default_text(new.default),
            "doc": old.doc != new.doc,
            "tags": old.tags != new.tags,
            "order": not in_order,
        }
        what = tuple(word for word, differs in found.items() if differs)
        return Difference("changed" if what else "same", at, to, old, new, *types, what, children)

    def children(self, at: Path, to: Path, old: Field, new: Field) -> tuple[tuple[Difference, ...], bool]:
        """The lines below a place that both have, what went standing where it stood; and whether what stayed kept its order."""
        before = {at + path: inner for path, inner in below(old, new)}
        lines: list[tuple[Path | None, Difference]] = []
        for path, inner in below(new, old):
            origin = self.origin(to + path, at + path)
            moved = origin is not None and origin[:-1] != at + path[:-1]
            lines.append((origin if origin in before else None, self.line(origin, to + path, inner, moved=moved)))
        stayed = [origin for origin, _ in lines if origin is not None]
        kept = frozenset(stayed)
        last: Path | None = None
        for place, inner in before.items():
            if place not in kept and place not in self.claimed:
                index = next((i + 1 for i, (origin, _) in enumerate(lines) if origin == last), 0) if last else 0
                lines.insert(index, (place, self.removed(place, inner)))
            if place in kept or place not in self.claimed:
                last = place
        return tuple(line for _, line in lines), stayed == [place for place in before if place in kept]

    def origin(self, place: Path, same: Path) -> Path | None:
        """The old place that a new one came from: as the scripts say, else the one of its name that nothing else came from."""
        return self.origins.get(place) or (same if same in self.places and same not in self.claimed else None)

    def line(self, origin: Path | None, place: Path, field: Field, *, moved: bool = False) -> Difference:
        """A place of the new version."""
        return self.added(place, field) if origin is None else self.pair(origin, place, self.places[origin], field, moved=moved)

    def added(self, place: Path, field: Field) -> Difference:
        """A place that only the new version has; what is in it may come from elsewhere."""
        inner = tuple(self.line(self.origins.get(place + at), place + at, child, moved=True) for at, child in below(field))
        sources = self.several.get(place, ())
        return Difference("added", None, place, None, field, "", label(field, self.shared[1]), (), inner, sources)

    def removed(self, place: Path, field: Field) -> Difference:
        """A place that only the old version has, without what went elsewhere."""
        inner = tuple(self.removed(place + at, child) for at, child in below(field) if place + at not in self.claimed)
        return Difference("removed", place, None, field, None, label(field, self.shared[0]), "", (), inner)


_DEFINED = re.compile(r"(?:record|enum\([^)]*\)|fixed\(\d+\)) (<[^<>]+>)")


def _same_type(old: str, new: str) -> bool:
    """A named type may be defined at another of its uses."""
    if old == new:
        return True
    plain = [_DEFINED.sub(r"\1", text) for text in (old, new)]
    return plain[0] == plain[1] and len(_DEFINED.findall(old)) != len(_DEFINED.findall(new))
