"""The way back of a mapping, from the mapping alone.

Each target column is undone to the source place its value came from; then the source schema is rebuilt from what was found, every
field at its old position. No operation is asked: the whole chain is seen, so a field that was copied before it was dropped is found
again. What cannot be recovered is a `Loss`.
"""

from __future__ import annotations

from collections.abc import Mapping as Dict
from dataclasses import dataclass, field, replace

from instar.formats.errors import InstarError, MigrationError, suggestion
from instar.formats.path import EACH_ITEM, EACH_VALUE, Path, parse_path, path_text
from instar.formats.schema import MISSING, Field, List, Map, Record, Schema

from .composition import struct, when
from .expression import FAIL, NULL, Cast, Column, Each, Expression, Literal, Source, Sql, Struct, When
from .shared_types import places
from .sqltext import cut

DROPPED = "dropped"
COMPUTED = "values that could not be cast are null"
FILLED = "which were null: they were filled"
GUARDED = "its values where the record it moved into is null"
NULLNESS = "whether it was null"
UNREGISTERED = "keys in it that no schema names"


@dataclass(frozen=True)
class Loss:
    """Something of the old schema at `path` that the way back cannot recover.

    `restored`: the script's `downgrade` says how to compute it. `fatal`: it is not restored and may not be null, so that
    there is no way back.
    """

    path: Path
    reason: str
    fatal: bool = False
    restored: bool = False

    def __str__(self) -> str:
        return f"{path_text(self.path) or 'the record'}: {self.reason}"


def inverse(source: Schema, root: Column, restore: Dict[str, str]) -> tuple[Column, tuple[Loss, ...]]:
    """The column that computes the source's root from the target, and the losses. See `Mapping.inverse`."""
    entries = {parse_path(path): sql for path, sql in restore.items()}
    _refuse_unknown(entries, source)
    column, losses = _Scope(source.root, root, (), entries).inverted()
    restored = {loss.path for loss in losses if loss.restored}
    for path in entries:
        if path not in restored:
            raise MigrationError(f"`downgrade` restores {path_text(path)}, which is not lost", hint="Leave this entry out.")
    return column, losses


def _refuse_unknown(entries: Dict[Path, str], source: Schema) -> None:
    known = [path for path, _ in places(source.root) if path]
    for path in entries:
        if path not in known:
            raise MigrationError(
                f"`downgrade` restores {path_text(path)}, which the old schema does not have",
                hint=suggestion(path_text(path), [path_text(p) for p in known]),
            )


@dataclass(frozen=True)
class _Found:
    """A target value from which the one at the source place `origin` comes back by `back`."""

    origin: tuple[str, ...]
    back: Expression
    reason: str = ""
    guards: tuple[Expression, ...] = ()
    losses: tuple[Loss, ...] = ()
    nullable: bool = False
    optional: bool = False

    def uncovered(self) -> bool:
        """May the value be gone where the old record around it is there?"""
        return any(not isinstance(g, Source) or self.origin[: len(g.path)] != g.path for g in self.guards)

    def rank(self) -> tuple[bool, bool, int]:
        return bool(self.reason), self.uncovered(), len(self.losses)


@dataclass(frozen=True)
class _Shell:
    """The target record (at `image`) that is null where a source record is."""

    image: Source
    record: Record
    found: _Found


@dataclass
class _Scope:
    """The whole record, or the elements of one list or map: nothing crosses its border. `prefix` is its source place."""

    old: Field
    new: Column
    prefix: Path
    entries: Dict[Path, str]
    found: dict[tuple[str, ...], _Found] = field(default_factory=dict)
    shells: dict[tuple[str, ...], _Shell] = field(default_factory=dict)
    losses: list[Loss] = field(default_factory=list)

    def inverted(self) -> tuple[Column, tuple[Loss, ...]]:
        self.visit(self.new, (), ())
        return self.build(self.old, ()), tuple(self.losses)

    # ---- what the target still knows
    def visit(self, column: Column, at: tuple[str, ...], guards: tuple[Expression, ...]) -> None:
        """Note what the target's column at `at` says about the source; it has a value only where no `guards` is null."""
        here, field, e = Source(at, column.field.type), column.field, column.expression
        while isinstance(e, When) and isinstance(e.then, Struct | When) and not isinstance(e.otherwise, Literal):
            guards, e = (guards if e.otherwise == FAIL else (*guards, e.of)), e.then
        if isinstance(e, Struct) and isinstance(field.type, Record):
            if isinstance(e.of, Source):
                found = _Found(e.of.path, here, guards=guards, nullable=field.nullable, optional=field.optional)
                self.shells.setdefault(e.of.path, _Shell(here, field.type, found))
            absent = e.of is not None and (field.nullable or field.optional)
            for inner in e.columns:
                self.visit(inner, (*at, inner.field.name), (*guards, e.of) if absent and e.of else guards)
        elif undone := self.undo(e, here):
            undone = replace(undone, guards=undone.guards + guards, nullable=field.nullable, optional=field.optional)
            best = self.found.get(undone.origin)
            if best is None or undone.rank() < best.rank():
                self.found[undone.origin] = undone

    def undo(self, e: Expression, value: Expression) -> _Found | None:
        """Back from `value`, which `e` computed, to the source place that `e` reads; None where `e` is not of one place."""
        match e:
            case Source(path):
                return _Found(path, value)
            case Cast(of, source, to, on_error):
                undone = self.undo(of, Cast(value, to, source))
                return undone if undone is None or on_error == FAIL else replace(undone, reason=COMPUTED)
            case When(of, then, otherwise):
                undone = self.undo(then, value)
                if undone is None or otherwise == FAIL:
                    return undone
                return replace(undone, guards=(*undone.guards, of)) if otherwise == NULL else replace(undone, reason=FILLED)
            case Sql(pieces, ((of, source),), type) if source == type and not "".join(pieces).strip():
                return self.undo(of, value)
            case Each(of, body, kind):
                return self.undo_each(of, body, kind, value)
            case _:
                return None

    def undo_each(self, of: Expression, body: Column, kind: str, value: Expression) -> _Found | None:
        base = of
        while isinstance(base, When):
            base = base.then
        if not isinstance(base, Source) or not isinstance(base.type, List | Map):
            return None
        item, step = (base.type.item, EACH_ITEM) if isinstance(base.type, List) else (base.type.value, EACH_VALUE)
        inner = _Scope(item, body, (*self.prefix, *base.path, step), self.entries)
        column, losses = inner.inverted()
        undone = self.undo(of, Each(value, column, "list" if kind == "list" else "map"))
        return undone and replace(undone, losses=losses)

    # ---- the source schema, rebuilt
    def build(self, field: Field, at: tuple[str, ...]) -> Column:
        found, place = self.found.get(at), self.prefix + at
        if found is not None:
            if place in self.entries and (found.rank() > (False, False, 0)):
                return self.restored(field, at, found.reason or (GUARDED if found.uncovered() else "what is lost inside it"))
            self.losses.extend(found.losses)
            self.note_partial(found, field, place)
            return Column(field, _fitting(found.back, found.back, found, field))
        if isinstance(field.type, Record) and self.is_known(at) and place not in self.entries:
            return self.build_record(field, field.type, at)
        return self.lost(field, at)

    def is_known(self, at: tuple[str, ...]) -> bool:
        return any(path[: len(at)] == at for path in (*self.found, *self.shells))

    def note_partial(self, found: _Found, field: Field, place: Path) -> None:
        reason = found.reason or (GUARDED if found.uncovered() else "")
        if reason:
            nulls = reason != FILLED or found.uncovered()
            self.losses.append(Loss(place, reason, fatal=nulls and not field.nullable and not field.optional))

    def build_record(self, field: Field, record: Record, at: tuple[str, ...]) -> Column:
        place, shell = self.prefix + at, self.shells.get(at)
        inner = tuple(self.build(f, (*at, f.name)) for f in record.fields)
        if shell is not None:
            self.note_partial(shell.found, field, place)
            expression = struct(shell.image, inner, shell.record.names)
            return Column(field, _fitting(expression, shell.image, shell.found, field))
        self.losses.append(Loss(place, UNREGISTERED))
        if not field.nullable and not field.optional:
            return Column(field, Struct(inner))
        if witness := self.witness(record, at):
            return Column(field, when(witness, Struct(inner)))
        self.losses.append(Loss(place, NULLNESS))
        return Column(field, Struct(inner))

    def witness(self, record: Record, at: tuple[str, ...]) -> Expression | None:
        """A field of the record that was never null in it: where it is null now, the record was."""
        for f in record.fields:
            found = self.found.get((*at, f.name))
            if found and not f.nullable and not f.optional and not found.reason and not found.uncovered():
                return found.back
        return None

    def lost(self, field: Field, at: tuple[str, ...]) -> Column:
        """A place of which nothing is left: as the script says, else missing, null, or (a record) of lost fields."""
        place = self.prefix + at
        if place in self.entries:
            return self.restored(field, at, DROPPED)
        below = any(path[: len(place)] == place for path in self.entries)
        if (field.nullable or field.optional) and not below:
            self.losses.append(Loss(place, DROPPED))
            return Column(field, Literal(MISSING if field.optional else None, field.type))
        if isinstance(field.type, Record) and field.type.fields:
            if field.nullable or field.optional:
                self.losses.append(Loss(place, NULLNESS))
            return Column(field, Struct(tuple(self.lost(f, (*at, f.name)) for f in field.type.fields)))
        self.losses.append(Loss(place, DROPPED, fatal=True))
        nothing = Literal(None, field.type)
        return Column(field, When(nothing, nothing, FAIL))

    def restored(self, field: Field, at: tuple[str, ...], reason: str) -> Column:
        """By the script's SQL, over the new record that is the image of the nearest old record around it."""
        place = self.prefix + at
        shell = next((self.shells[at[:i]] for i in range(len(at) - 1, -1, -1) if at[:i] in self.shells), None)
        if shell is None:
            raise MigrationError(
                f"`downgrade` cannot restore {path_text(place)} by itself: there is no record around it any more",
                hint="Restore the whole field above it.",
            )
        try:
            computed = cut(self.entries[place], shell.record, shell.image.path, field.type)
        except InstarError as e:
            raise MigrationError(f"`downgrade` for {path_text(place)}: {e.message}", hint=e.hint) from e
        self.losses.append(Loss(place, reason, restored=True))
        return Column(field, computed if field.nullable else When(computed, computed, FAIL))


def _fitting(e: Expression, subject: Expression, have: _Found, want: Field) -> Expression:
    """`e`, made to fit a field that may be absent in fewer ways than `subject` may."""
    nullable, optional = have.nullable or have.uncovered(), have.optional
    if not want.nullable and not want.optional:
        return When(subject, e, FAIL) if nullable or optional else e
    if not want.nullable and nullable:
        return When(subject, e, Literal(MISSING, want.type))
    if not want.optional and optional:
        return When(subject, e, Literal(None, want.type))
    return e
