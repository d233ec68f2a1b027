"""Does a mapping leave every value where it is, and at most call it otherwise? Read off its tree, for proofs by bytes."""

from __future__ import annotations

from instar.formats.path import Path
from instar.formats.schema import Field, List, Map, Record, Reference, Type, Union
from instar.transforms.expression import Branches, Column, Each, Source, Struct
from instar.transforms.mapping import Mapping
from instar.transforms.shared_types import Named, resolved, steps


def only_renames(mapping: Mapping) -> bool:
    """Is each place of the target the one in the same position of the source, as nullable and as optional?"""
    return _Trees(mapping.source.definitions, mapping.target.definitions).alike(mapping.root, mapping.source.root, ())


class _Trees:
    """The source's and the target's named types, and the pairs of types that were found to have the same names."""

    def __init__(self, old: Named, new: Named) -> None:
        self.old, self.new = old, new
        self.same: set[tuple[str, str]] = set()

    def alike(self, column: Column, field: Field, at: Path) -> bool:
        """Is the column the source's field, which stands at `at` of its scope?"""
        if (column.field.nullable, column.field.optional) != (field.nullable, field.optional):
            return False
        match column.expression, resolved(field.type, self.old):
            case Source(path), _:
                return path == at and self.unchanged(field.type, column.field.type)
            case Struct(columns, Source(path)), Record(fields):
                pairs = zip(columns, fields, strict=False)
                return path == at and len(columns) == len(fields) and all(self.alike(c, f, (*at, f.name)) for c, f in pairs)
            case Each(Source(path), body), List(item) | Map(item):
                return path == at and self.alike(body, item, ())
            case Branches(Source(path), bodies), Union(branches):
                return path == at and len(bodies) == len(branches) and all(map(self.alike, bodies, branches, [()] * len(bodies)))
            case _:
                return False

    def unchanged(self, old: Type, new: Type) -> bool:
        """Has a type that is carried as a whole the same names in the same order, also where it means a named type?"""
        if isinstance(old, Reference) and isinstance(new, Reference):
            if (old.name, new.name) in self.same:
                return True
            self.same.add((old.name, new.name))
        old, new = resolved(old, self.old), resolved(new, self.new)
        theirs, ours = list(steps(Field("", old))), list(steps(Field("", new)))
        if not theirs and not ours:
            return old == new
        return [step for step, _ in theirs] == [step for step, _ in ours] and all(
            (a.nullable, a.optional) == (b.nullable, b.optional) and self.unchanged(a.type, b.type)
            for (_, a), (_, b) in zip(theirs, ours, strict=True)
        )
