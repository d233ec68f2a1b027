"""Mapping: a target schema, and for each of its fields the expression that computes it from the source.

One tree of `Column(field, expression)` is both: the target schema is read off it, so the two cannot drift. An operation edits the
*identity* mapping of the schema it meets, so an edit only ever meets `Source`; a chain composes such edits by substitution
(`composition.py`), which knows no operation by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from collections.abc import Mapping as Dict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from instar.formats.errors import InstarError, MigrationError, suggestion
from instar.formats.fingerprint import differences
from instar.formats.path import EACH_ITEM, EACH_VALUE, Branch, Path, Step, path_text
from instar.formats.schema import Field, List, Map, Record, Schema, Type, Union, type_text

from .composition import substituted
from .expression import Branches, Column, Each, Source, Struct
from .relabelled import relabelled_back
from .shared_types import dangling, places
from .spelling import operation_text
from .touched import touched
from .tree import opened, rebuilt
from .unions import branch_at, union_with
from .untouched import carried, is_identity, keeps_values, reads, untouched
from .weave import refuse_shared, settled, whole_type, woven

if TYPE_CHECKING:
    from .recovered import Loss

__all__ = ["Mapping", "Operation", "applied", "chain", "identity", "opened", "rebuilt"]


@dataclass(frozen=True, eq=False, repr=False)
class Mapping:
    """Compare results, never mappings: two trees may differ and mean the same, and a shared tree is slow to compare.

    `named` has what the named types are in the target, where that is not what they are in the source. `shared` is a named type
    that an operation edits, over a value of it: what `woven` puts in the place of all its uses.
    """

    source: Schema
    root: Column
    named: Dict[str, Field] = field(default_factory=dict)
    shared: Dict[str, Column] = field(default_factory=dict)

    @property
    def target(self) -> Schema:
        """The schema that comes out. Named types stay defined; a way back may bring one that was dropped."""
        return Schema(self.root.field, {**self.source.definitions, **self.named}, self.source.open)

    def edit(self, path: Path, change: Callable[[Column], Column]) -> Mapping:
        """The mapping with the column at `path` changed; only the levels on the way are opened.

        A path that begins with a named type (`<Address>.zip`) changes it wherever it is used.

        Raises:
            MigrationError: no such place, or one inside a type that is used elsewhere too.
        """
        path = settled(path, self.target)
        if not path or not isinstance(path[0], Branch):
            return replace(self, root=_edited(self.root, (), path, change, self.target))
        name = path[0].text
        body = self.shared.get(name) or whole_type(self.target, name)
        if self.shared.keys() - {name}:
            raise MigrationError(f"one operation cannot edit both <{name}> and {', '.join(self.shared)}", hint="Write two.")
        body = _edited(body, path[:1], path[1:], change, self.target)
        root, named = woven(self.source, name, body)
        return replace(self, root=root, named={**self.named, **named}, shared={name: body})

    def at(self, path: Path) -> Column:
        """The column at `path`; below a named type, its sources are relative to a value of that type. Raises as `edit`."""
        path = settled(path, self.target)
        column, start = self.root, 0
        if path and isinstance(path[0], Branch):
            column, start = self.shared.get(path[0].text) or whole_type(self.target, path[0].text), 1
        for i in range(start, len(path)):
            column = _inner(column, path[:i], path[i:], self.target)
        return column

    def edit_columns(
        self,
        path: Path,
        change: Callable[[tuple[Column, ...], tuple[str, ...]], Sequence[Column]],
        *,
        may_empty: bool = False,
    ) -> Mapping:
        """The mapping with the columns of the record at `path` changed.

        `change` is also given where the record stands in its scope: the path of its `Source`.

        Raises:
            MigrationError: as `edit`; the place is not a record, or would have no fields, or two of one name.
        """

        def inside(column: Column) -> Column:
            refuse_shared(column.field.type, settled(path, self.target), self.target)
            column = opened(column)
            if not isinstance(column.expression, Struct):
                raise MigrationError(
                    f"{path_text(path) or 'the data'} is {type_text(column.field.type)}, not a record with fields",
                    hint=_ways_in(column.field.type, path),
                )
            of = column.expression.of
            columns = tuple(change(column.expression.columns, of.path if isinstance(of, Source) else ()))
            if not columns and not may_empty:
                raise _empties(path)
            _refuse_twice([c.field.name for c in columns], path)
            return rebuilt(column, replace(column.expression, columns=columns))

        return self.edit(path, inside)

    def then(self, later: Mapping) -> Mapping:
        """This mapping and then `later`, as one; what both share stays shared.

        Raises:
            MigrationError: `later` does not start from this mapping's target.
        """
        if later.source.root != self.root.field:
            _refuse_gap(self.target, later.source)
        expression = substituted(later.root.expression, self.root)
        return Mapping(self.source, replace(later.root, expression=expression), {**self.named, **later.target.definitions})

    def inverse(self, restore: Dict[str, str] | None = None) -> tuple[Mapping, tuple[Loss, ...]]:
        """The way back, and what it cannot recover.

        `restore`: SQL by the path of the old field, over the new record that is the image of the old field's parent. What is lost
        without such an entry becomes null (or missing) where the field allows it; else its Loss is `fatal`.

        Raises:
            MigrationError: an entry for a path that does not exist or is not lost, or SQL that cannot be used.
        """
        if not restore and (back := relabelled_back(self.source, self.root)):
            return Mapping(self.target, back, self.source.definitions), ()
        from .inverse import inverse

        root, losses = inverse(self.source, self.root, self.target.definitions, restore or {})
        return Mapping(self.target, root, self.source.definitions), losses

    def untouched(self) -> dict[Path, Path]:
        """Target leaf → source leaf with the same value and the same nullable records and lists above: its bytes can be copied."""
        return untouched(self.source, self.root)

    def touched(self) -> frozenset[Path]:
        """The source places that a cast or SQL computes with, and all below them."""
        return touched(self.source, self.root)

    def carried(self) -> dict[Path, Path]:
        """Target place → source place, leaf or nested, wherever a value is only carried (and perhaps required or filled)."""
        return carried(self.source, self.root)

    def leaf_count(self) -> int:
        """How many leaves the target has: fields that are neither record, list nor map."""
        return sum(not isinstance(f.type, Record | List | Map) for _, f in places(self.root.field))

    def reads(self) -> tuple[str, ...]:
        """The top-level names of the source that are needed, in its order."""
        return reads(self.source, self.root)

    def is_identity(self) -> bool:
        """Do source and target differ in nothing but docs, defaults and tags?"""
        return is_identity(self.source, self.root)

    def keeps_values(self) -> bool:
        """Is every value the source's own, at the same place? (Nulls may be filled, fields stand in another order.)"""
        return keeps_values(self.root)

    def rebased(self, file: Schema) -> Mapping:
        """The same mapping over a variant's own schema: what is carried keeps the file's storage (`extra`, type names)."""
        from .rebase import rebased

        return rebased(self, file)

    def onto(self, registered: Schema) -> Mapping:
        """The same mapping with the docs, defaults, tags and `extra` of the registered schema it leads to.

        Raises:
            MigrationError: it leads elsewhere; the message lists every difference.
        """
        from .rebase import onto

        return onto(self, registered)


class Operation(Protocol):
    """Frozen data with one method: how it edits the identity mapping of the schema it meets."""

    def edit(self, mapping: Mapping) -> Mapping: ...


def identity(schema: Schema) -> Mapping:
    """Every field from itself."""
    return Mapping(schema, opened(Column(schema.root, Source((), schema.root.type))))


def chain(source: Schema, operations: Iterable[Operation]) -> Mapping:
    """The operations one after another, as one mapping.

    Raises:
        MigrationError: an operation does not fit the schema it meets; names the operation and its number.
    """
    mapping = identity(source)
    for number, operation in enumerate(operations):
        mapping = mapping.then(applied(operation, mapping.target, number))
    return mapping


def applied(operation: Operation, schema: Schema, number: int) -> Mapping:
    """The mapping of one operation (the `number`-th of its list, from 0) over the schema it meets."""
    try:
        mapping = operation.edit(identity(schema))
        _refuse_dangling(mapping.target)
    except InstarError as e:
        raise MigrationError(f"operation {number + 1}, {operation_text(operation)}: {e.message}", hint=e.hint) from e
    return mapping


# ---- the way to a place
def _edited(column: Column, at: Path, rest: Path, change: Callable[[Column], Column], schema: Schema) -> Column:
    """`column`, which stands at `at`, with `change` made at `rest` below it."""
    if not rest:
        return change(column)
    inner = _edited(_inner(column, at, rest, schema), (*at, rest[0]), rest[1:], change, schema)
    column = opened(column)
    if isinstance(column.expression, Each):
        return rebuilt(column, replace(column.expression, body=inner))
    if isinstance(column.expression, Branches):
        return union_with(column, inner, rest[0], at)
    assert isinstance(column.expression, Struct)
    columns = tuple(inner if c.field.name == rest[0] else c for c in column.expression.columns)
    return rebuilt(column, replace(column.expression, columns=columns))


def _inner(column: Column, at: Path, rest: Path, schema: Schema) -> Column:
    """The column one step of `rest` below `column`, which stands at `at`."""
    step = rest[0]
    refuse_shared(column.field.type, at, schema)
    match opened(column).expression, step:
        case Each(body=body, kind=kind), Step() if step == (EACH_ITEM if kind == "list" else EACH_VALUE):
            return body
        case Branches(bodies=bodies), Branch(text):
            return bodies[branch_at([b.field for b in bodies], text, at)]
        case Struct(columns=columns), str():
            for inner in columns:
                if inner.field.name == step:
                    return inner
            raise MigrationError(
                f"there is no field {path_text((*at, step))}", hint=suggestion(step, [c.field.name for c in columns])
            )
    place = path_text(at) or "the data"
    raise MigrationError(
        f"{path_text((*at, step))} does not exist: {place} is {type_text(column.field.type)}", hint=_ways_in(column.field.type, at)
    )


def _ways_in(type: Type, at: Path) -> str:
    place = path_text(at)
    match type:
        case List():
            return f"Its elements are {place}[]."
        case Map():
            return f"Its values are {place}{{}}."
        case Record(fields):
            return f"Its fields are {', '.join(path_text((*at, f.name)) for f in fields[:12])}."
        case Union(branches):
            return f"Its branches are {', '.join(path_text((*at, Branch(b.name))) for b in branches)}."
        case _:
            return "A path ends where the data have no fields; operations work on the whole field."


# ---- refusals
def _empties(at: Path) -> MigrationError:
    return MigrationError(
        f"{path_text(at) or 'the data'} would be a record without fields, which not every format can hold",
        hint=f"Drop {path_text(at)} itself." if at and not isinstance(at[-1], Branch) else "Keep at least one field.",
    )


def _refuse_twice(names: list[str], at: Path) -> None:
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise MigrationError(
            f"there is a field {path_text((*at, twice[0]))} already", hint="Rename or drop that one first, or choose another name."
        )


def _refuse_gap(end: Schema, start: Schema) -> None:
    if found := differences(end, start, nullability=True):
        raise MigrationError("the later mapping does not start where this one ends: " + "; ".join(map(str, found[:5])))


def _refuse_dangling(schema: Schema) -> None:
    """A reference must still mean something: its type may have been defined at the place that was dropped or cast."""
    for name, path in dangling(schema):
        raise MigrationError(
            f"{path_text(path)} uses the type {name!r}, which would no longer be defined",
            hint="Drop or change its other uses first.",
        )
