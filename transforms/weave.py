"""Edits of named types: `<Address>.zip` is one path, and every use of the type changes with it.

An operation edits the type once, over a value of it; that edit is then put in the place of each use by substitution, as two
mappings of a chain are fused. So everything that reads a mapping meets records and lists over sources, and no names.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from instar.formats.errors import MigrationError, suggestion
from instar.formats.path import Branch, Path, path_text
from instar.formats.schema import Field, Reference, Schema, Type, type_text

from .composition import substituted
from .expression import Branches, Column, Each, Source, Struct
from .shared_types import Named, leading, name_of, only_place, recursive, resolved, steps, types_of, uses
from .tree import opened, rebuilt


# ---- paths
def settled(path: Path, schema: Schema) -> Path:
    """The path from the root, or from the named type that it has to be edited by: one that is used once is where it is used.

    Raises:
        MigrationError: it begins with a type that the schema does not have.
    """
    if path and isinstance(path[0], Branch):
        name = _full_name(path[0].text, schema)
        place = only_place(schema, name) if not uses(schema, name) else None
        return (Branch(name), *path[1:]) if place is None else settled((*place, *path[1:]), schema)
    found = schema.root
    for i, step in enumerate(path):
        match found.type:
            case Reference(name) if name in schema.definitions and uses(schema, name) == [path[:i]]:
                return (Branch(name), *path[i:])
            case _:
                inner = dict(steps(found)).get(step)
        if inner is None:
            break
        found = inner
    return path


def _full_name(text: str, schema: Schema) -> str:
    """The name of a type, of which a path may leave out the namespace where the rest is enough."""
    known = types_of(schema)
    found = [text] if text in known else [name for name in known if name.rpartition(".")[2] == text]
    if len(found) == 1:
        return found[0]
    if found:
        raise MigrationError(f"<{text}> may be any of {', '.join(sorted(found))}", hint="Give the full name.")
    hint = suggestion(text, sorted(known)) if known else "The schema has no named types; begin the path with a field's name."
    raise MigrationError(f"there is no type <{text}>", hint=hint)


def refuse_shared(type: Type, at: Path, schema: Schema) -> None:
    """A plain path must not lead into a type that is used in several places: it would change them all, unseen.

    Raises:
        MigrationError: it does; names the other uses, and how to say it. The type contains itself.
    """
    name = name_of(type)
    if not name or at == (Branch(name),):
        return
    others = [path for path in uses(schema, name) if path != at]
    if name in recursive(types_of(schema)):
        raise _contains_itself(name)
    if others or isinstance(type, Reference):
        also = f" ({', '.join(path_text(p) or 'the record itself' for p in others)} use it too)" if others else ""
        raise MigrationError(
            f"{path_text(at) or 'the record'} is of the shared type {name!r}{also}: a plain path cannot lead into it",
            hint=f"To change all its uses at once, begin the path with {path_text((Branch(name),))} instead"
            + (f" of {path_text(at)}" if at else "")
            + "; to change this one only, give it a type of its own in the schema first.",
        )


def _contains_itself(name: str) -> MigrationError:
    return MigrationError(
        f"the type {name!r} contains itself: a path cannot lead into it",
        hint="Rename, move or drop the field that is of this type as a whole, or add a field beside it; "
        "what is inside can only change where the data are written.",
    )


def uses_of(path: Path, schema: Schema) -> list[Path]:
    """The places, from the root on, that a path below a named type means."""
    assert isinstance(path[0], Branch)
    return [(*place, *path[1:]) for place in _reached(schema.root, (), path[0].text, schema.definitions)]


def _reached(field: Field, at: Path, name: str, named: Named) -> Iterator[Path]:
    """Where a type that does not contain itself is used, through other types."""
    if name_of(field.type) == name:
        yield at
    elif name not in recursive(named) and (not name_of(field.type) or name_of(field.type) not in recursive(named)):
        for step, inner in steps(field.with_(type=resolved(field.type, named))):
            yield from _reached(inner, (*at, step), name, named)


# ---- the type, and its uses
def whole_type(schema: Schema, name: str) -> Column:
    """A value of the named type, from itself.

    Raises:
        MigrationError: the type contains itself.
    """
    named = types_of(schema)
    if name in recursive(named):
        raise _contains_itself(name)
    type = resolved(named[name].type, named)
    return Column(named[name].with_(nullable=False, optional=False), Source((), type))


def woven(source: Schema, name: str, body: Column) -> tuple[Column, dict[str, Field]]:
    """The identity of the source with `body` in the place of every use of the type, and the definitions that change with it.

    Raises:
        MigrationError: the type itself would be nullable.
    """
    if body.field.nullable or body.field.optional:
        raise MigrationError(
            f"<{name}> itself cannot come to be null: each of its uses says whether it may be null",
            hint="Say op.allow_null for the uses that may be null.",
        )
    weaver = _Weaver(source.definitions, name, body, leading(types_of(source), name))
    root = weaver.column(opened(Column(source.root, Source((), source.root.type))), ())
    return root, {n: weaver.definition(n, f) for n, f in source.definitions.items() if n in weaver.leading}


@dataclass(frozen=True)
class _Weaver:
    """Puts `body` in the place of the type `name`. `leading`: the names of types that have a use of it inside."""

    named: Named
    name: str
    body: Column
    leading: frozenset[str]

    def definition(self, name: str, field: Field) -> Field:
        """What another definition, or that of the type itself, becomes."""
        if name == self.name:
            return field.with_(type=self.body.field.type)
        return self.column(Column(field, Source((), resolved(field.type, self.named))), (Branch(name),)).field

    def column(self, column: Column, at: Path) -> Column:
        """The column, which stands at `at`, with what it has of the type replaced."""
        field = column.field
        if not self.leads(field):
            return column
        if name_of(field.type) == self.name:
            use = replace(column, expression=self._source(column))
            type = field.type if isinstance(field.type, Reference) else self.body.field.type
            return Column(field.with_(type=type), substituted(self.body.expression, use))
        column = opened(column, self.named)
        match column.expression:
            case Struct(columns):
                inner = tuple(self.column(c, (*at, c.field.name)) for c in columns)
                return rebuilt(column, replace(column.expression, columns=inner))
            case Each(_, body):
                return rebuilt(column, replace(column.expression, body=self.column(body, at)))
            case Branches(_, bodies):
                return rebuilt(column, replace(column.expression, bodies=tuple(self.column(b, at) for b in bodies)))
        raise TypeError(f"nothing of {type_text(field.type)} can be opened")

    def _source(self, column: Column) -> Source:
        assert isinstance(column.expression, Source | Struct)
        source = column.expression.of if isinstance(column.expression, Struct) else column.expression
        assert isinstance(source, Source)
        return Source(source.path, resolved(source.type, self.named))

    def leads(self, field: Field) -> bool:
        """Is there a use of the type in the field?"""
        if (name := name_of(field.type)) and name in self.leading:
            return True
        return any(self.leads(inner) for _, inner in steps(field))
