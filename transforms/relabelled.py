"""The way back of a mapping that only calls the fields of its record otherwise, or puts them in another order.

`inverse` finds the same, and the way back of everything else. Most migrations need no more than this.
"""

from __future__ import annotations

from instar.formats.schema import Field, Record, Reference, Schema

from .expression import Column, Source, Struct


def relabelled_back(source: Schema, root: Column) -> Column | None:
    """Every field from its new place, which loses nothing; None where the mapping does more, or might lose keys that no schema
    names (JSON's records are open)."""
    made, old, new = root.expression, source.root.type, root.field.type
    if source.open or not isinstance(made, Struct) or not isinstance(old, Record) or not isinstance(new, Record):
        return None
    if made.of != Source((), old) or _said(root.field) != _said(source.root):
        return None
    now = {c.expression.path: c.field for c in made.columns if isinstance(c.expression, Source)}
    if len(made.columns) != len(old.fields) or any(_changed(f, now.get((f.name,))) for f in old.fields):
        return None
    fields = [(f, now[(f.name,)]) for f in old.fields]
    return Column(source.root, Struct(tuple(Column(f, Source((n.name,), n.type)) for f, n in fields), Source((), new), new.names))


def _changed(old: Field, new: Field | None) -> bool:
    """Is a field gone, or anything else of it than its name?"""
    return new is None or old.type != new.type or _said(old) != _said(new) or isinstance(new.type, Reference)


def _said(field: Field) -> tuple[bool, bool]:
    return field.nullable, field.optional
