"""The way back of a mapping, from the mapping alone.

Each target column is undone to the source place its value came from; then the source schema is rebuilt from what was found, every
field at its old position. No operation is asked: the whole chain is seen, so a field that was copied before it was dropped is found
again. What cannot be recovered is a `Loss`.
"""

from __future__ import annotations

from collections.abc import Mapping as Dict
from dataclasses import dataclass, field, replace

from instar.formats.errors import InstarError, MigrationError, suggestion
from instar.formats.path import EACH_ITEM, EACH_VALUE, Branch, Path, parse_path, path_text
from instar.formats.schema import MISSING, Field, List, Map, Record, Schema, Union

from .casts.ways import Only, Piece
from .composition import struct, when
from .expression import (
    FAIL,
    NULL,
    Back,
    Branches,
    Call,
    Cast,
    Column,
    Each,
    Expression,
    Literal,
    Lookup,
    Part,
    Source,
    Sql,
    Struct,
    When,
)
from .fragments import Fragment, Fragments
from .recovered import (
    COMPUTED,
    DROPPED,
    FILLED,
    INSIDE,
    LOST,
    MAPPED,
    MISSINGNESS,
    NULLNESS,
    REPLACED,
    UNREGISTERED,
    Found,
    Guard,
    Loss,
    Shell,
    Written,
    fitting,
    ready_back,
    undone_filling,
    written_type,
)  # fmt: skip
from .reversal import reversed_lookup
from .shared_types import Named, expanded, field_at, fields_along, places, resolved
from .sqltext import cut
from .tree import carried_from
from .weave import settled, uses_of


def inverse(source: Schema, root: Column, named: Named, restore: Dict[str, str]) -> tuple[Column, tuple[Loss, ...]]:
    """The column that computes the source's root from the target, and the losses. See `Mapping.inverse`.

    `named`: what the target's References mean.
    """
    given = {settled(parse_path(path), source): sql for path, sql in restore.items()}
    _refuse_unknown(given, source)
    entries = {path: sql for path, sql in given.items() if not isinstance(path[0], Branch)}
    typed = {p: (path, given[path]) for path in given.keys() - entries.keys() for p in uses_of(path, source)}
    column, losses = _Scope(source.root, root, (), _Ground(entries, typed, source.definitions, named, source.open)).inverted()
    restored = {loss.path for loss in losses if loss.restored}
    restored |= {typed[path][0] for path in restored & typed.keys()}
    for path in given:
        if path not in restored:
            raise MigrationError(f"`downgrade` restores {path_text(path)}, which is not lost", hint="Leave this entry out.")
    return column, losses


def _refuse_unknown(entries: Dict[Path, str], source: Schema) -> None:
    for path in entries:
        if field_at(source, path) is None:
            known = [path_text(p) for p, _ in places(source.root) if p]
            raise MigrationError(
                f"`downgrade` restores {path_text(path)}, which the old schema does not have",
                hint=suggestion(path_text(path), known),
            )


@dataclass(frozen=True)
class _Ground:
    """What all scopes have in common: the script's SQL by old place, what References mean, and whether records are open.

    `typed` has the places of an entry for a named type (with that entry's path): they count where the record around is left.
    """

    entries: Dict[Path, str]
    typed: Dict[Path, tuple[Path, str]]
    old: Named
    new: Named
    open: bool


@dataclass
class _Scope:
    """The whole record, or the elements of one list or map: nothing crosses its border. `prefix` is its source place."""

    old: Field
    new: Column
    prefix: Path
    ground: _Ground
    found: dict[tuple[str, ...], Found] = field(default_factory=dict)
    shells: dict[tuple[str, ...], Shell] = field(default_factory=dict)
    losses: list[Loss] = field(default_factory=list)
    written: dict[int, dict[str, Found]] = field(default_factory=dict)
    fragments: Fragments[Found] = field(default_factory=lambda: Fragments[Found]())

    def inverted(self) -> tuple[Column, tuple[Loss, ...]]:
        self.visit(self.new, (), ())
        self.join_pieces()
        self.call_back()
        self.join_pieces()
        return self.build(self.old, ()), tuple(self.losses)

    # ---- what the target still knows
    def visit(self, column: Column, at: tuple[str, ...], guards: tuple[Guard, ...]) -> None:
        """Note what the target's column at `at` says about the source; it has a value only where no `guards` is null."""
        here, field, e = Source(at, resolved(column.field.type, self.ground.new)), column.field, column.expression
        while isinstance(e, When) and isinstance(e.then, Struct | When) and not isinstance(e.otherwise, Literal):
            guards, e = (guards if e.otherwise == FAIL else (*guards, Guard(e.of))), e.then
        record = resolved(field.type, self.ground.new)
        if isinstance(e, Struct) and isinstance(record, Record):
            if isinstance(e.of, Source):
                found = Found(e.of.path, here, guards=guards, nullable=field.nullable, optional=field.optional)
                self.shells.setdefault(e.of.path, Shell(here, record, found))
                self.note_replaced(e, e.of)
            if e.of is not None and (field.nullable or field.optional):
                guards = (*guards, Guard(e.of, field.optional, here))
            for inner in e.columns:
                self.visit(inner, (*at, inner.field.name), guards)
        elif undone := self.undo(e, here):
            undone = replace(undone, guards=undone.guards + guards, nullable=field.nullable, optional=field.optional)
            self.note(undone)

    def note_replaced(self, e: Struct, of: Source) -> None:
        """Keys that no schema names, and that a new field of their name replaced."""
        there = resolved(of.type, self.ground.old)
        if self.ground.open and isinstance(there, Record):
            gone = (name for name in e.known if name not in there)
            self.losses.extend(Loss((*self.prefix, *of.path, name), REPLACED) for name in gone)

    def note(self, undone: Found) -> None:
        """Keep the best of what leads back to one place."""
        if undone.fragment is not None:
            self.fragments.note(undone.fragment, undone)
            return
        if isinstance(undone.origin, Written):
            self.written.setdefault(id(undone.origin.call), {}).setdefault(undone.origin.name, undone)
            return
        best = self.found.get(undone.origin)
        if best is None or undone.rank() < best.rank():
            self.found[undone.origin] = undone

    def call_back(self) -> None:
        """What functions read comes back by the way back they declare, where all it needs is there."""
        called: set[int] = set()
        while ready := [
            (key, back, parts) for key, parts in self.written.items() if key not in called and (back := ready_back(parts))
        ]:
            for key, back, parts in ready:
                called.add(key)
                self.call_one_back(parts[back.reads[0]].origin, back, [parts[name] for name in back.reads])

    def call_one_back(self, origin: tuple[str, ...] | Written, back: Back, parts: list[Found]) -> None:
        assert isinstance(origin, Written)
        types, given = dict(zip(back.reads, map(written_type, parts), strict=True)), [part.back for part in parts]
        made = Call(back.function, tuple(zip(given, types.values(), strict=True)), Record(tuple(f for _, f in back.gives)))
        guards = tuple(guard for part in parts for guard in part.guards)
        reasons = tuple(dict.fromkeys(reason for part in parts for reason in part.reasons))
        for i, gives in back.gives:
            again: Expression = Part(made, gives.name, gives.type)
            for part, value in zip(parts, given, strict=True):
                for guard in part.guards:  # where the value is gone, there is none to call with
                    again = when(guard.image or value, again)
            undone = self.undo(origin.call.inputs[i][0], again)
            if undone is not None:
                missing = (MISSINGNESS,) if gives.optional and gives.nullable else ()
                optional = gives.optional and not gives.nullable
                self.note(
                    replace(
                        undone,
                        reasons=(*undone.reasons, *reasons, *missing),
                        guards=undone.guards + guards,
                        nullable=gives.nullable,
                        optional=optional,
                    )
                )

    def join_pieces(self) -> None:
        """Texts of which all pieces were found are found."""
        for whole, pieces in self.fragments.complete():
            self.join(whole, pieces)

    def join(self, whole: Fragment, pieces: list[Found]) -> None:
        if undone := self.undo(whole.of, whole.joined([piece.back for piece in pieces])):
            reasons = (r for piece in pieces for r in piece.reasons)
            guards = {id(g.of): g for piece in pieces for g in piece.guards}
            self.note(
                replace(
                    undone,
                    reasons=(*undone.reasons, *dict.fromkeys(reasons)),
                    guards=(*undone.guards, *guards.values()),
                    nullable=any(piece.nullable for piece in pieces),
                    optional=any(piece.optional for piece in pieces),
                    lenient=undone.lenient or any(piece.lenient for piece in pieces),
                )
            )

    def undo(self, e: Expression, value: Expression, *, lenient: bool = False) -> Found | None:
        """Back from `value`, which `e` computed, to the source place that `e` reads; None where `e` is not of one place.

        `lenient`: a value that cannot be cast back is a filling, and was null.
        """
        match e:
            case Source(path):
                return Found(path, value, lenient=lenient)
            case Cast():
                return self.undo_cast(e, value, lenient)
            case Lookup(of):
                back, lossless = reversed_lookup(e, value, lenient=lenient)
                undone = self.undo(of, back, lenient=lenient)
                return undone and (undone if lossless else replace(undone, reasons=(*undone.reasons, MAPPED), lenient=True))
            case When(_, then, Literal() as filling):
                was = undone_filling(filling.value, then)
                undone = self.undo(then, value, lenient=lenient or was is LOST)
                if undone and was is None and not self.may_be_both(undone.origin):
                    return replace(undone, lenient=True)  # it comes back as the null, or the missing key, that it was
                return undone and replace(undone, reasons=(*undone.reasons, FILLED))
            case When(of, then, otherwise):
                undone = self.undo(then, value, lenient=lenient)
                return undone and (undone if otherwise == FAIL else replace(undone, guards=(*undone.guards, Guard(of))))
            case Sql(pieces, ((Source(path) as of, source),), type) if source == type and not "".join(pieces).strip():
                if self.may_be_missing(path):  # a missing key is null to SQL
                    return None
                return self.undo(of, value, lenient=lenient)
            case Part(Call(_, _, _, Back()) as call, name):
                return Found(Written(call, name), value, () if call.on_error == FAIL else (COMPUTED,), lenient=lenient)
            case Each(of, body, kind):
                return self.undo_each(of, body, kind, value, lenient)
            case Branches(of, bodies):
                return self.undo_branches(of, bodies, value, lenient)
            case _:
                return None

    def undo_cast(self, e: Cast, value: Expression, lenient: bool) -> Found | None:
        if isinstance(e.way, Piece):
            return Found((), value, () if e.on_error == FAIL else (COMPUTED,), fragment=Fragment(e.of, e.way))
        back: Expression = Cast(value, e.to, e.source, "null" if lenient else FAIL, e.way.back() if e.way else None)
        filled = isinstance(e.way, Only) and e.way.empty == NULL and not e.way.nullable
        undone = self.undo(e.of, When(value, back, Literal([], e.source)) if filled else back, lenient=lenient)
        lost = [COMPUTED] if e.on_error != FAIL else []
        lost += [e.way.loss] if e.way and e.way.loss else []
        return undone and replace(undone, reasons=(*undone.reasons, *lost), certain=undone.certain or filled)

    def undo_each(self, of: Expression, body: Column, kind: str, value: Expression, lenient: bool) -> Found | None:
        base = of
        while isinstance(base, When):
            base = base.then
        if not isinstance(base, Source) or not isinstance(base.type, List | Map):
            return None
        item, step = (base.type.item, EACH_ITEM) if isinstance(base.type, List) else (base.type.value, EACH_VALUE)
        inner = _Scope(item, body, (*self.prefix, *base.path, step), self.ground)
        column, losses = inner.inverted()
        undone = self.undo(of, Each(value, column, "list" if kind == "list" else "map"), lenient=lenient)
        return undone and replace(undone, losses=losses)

    def may_be_both(self, path: tuple[str, ...] | Written) -> bool:
        """May the place be null, and its key missing?"""
        if isinstance(path, Written):
            return True
        place = [self.old, *fields_along(path, self.old, self.ground.old)][-1]
        return place.nullable and place.optional

    def may_be_missing(self, path: tuple[str, ...]) -> bool:
        """May its key be missing, or that of a record around it?"""
        return any(field.optional for field in fields_along(path, self.old, self.ground.old))

    def undo_branches(self, of: Expression, bodies: tuple[Column, ...], value: Expression, lenient: bool) -> Found | None:
        source = carried_from(of)
        if source is None or not isinstance(source.type, Union):
            return None
        undone = [
            _Scope(branch, body, (*self.prefix, *source.path, Branch(branch.name)), self.ground).inverted()
            for branch, body in zip(source.type.branches, bodies, strict=True)
        ]
        found = self.undo(of, Branches(value, tuple(column for column, _ in undone)), lenient=lenient)
        return found and replace(found, losses=tuple(loss for _, losses in undone for loss in losses))

    # ---- the source schema, rebuilt
    def build(self, field: Field, at: tuple[str, ...]) -> Column:
        found, place = self.found.get(at), self.prefix + at
        if found is not None:
            if self.entry(at) and (found.rank() > (False, False, 0)):
                return self.restored(field, at, "; ".join(found.lost()) or INSIDE)
            self.losses.extend(found.losses)
            self.note_partial(found, field, place)
            return Column(field, fitting(found.back, found.back, found, field))
        record = resolved(field.type, self.ground.old)
        if isinstance(record, Record) and self.is_known(at) and not self.entry(at):
            return self.build_record(field, record, at)
        return self.lost(field, at)

    def entry(self, at: tuple[str, ...]) -> str:
        """The script's SQL for a place, "" for none."""
        place = self.prefix + at
        if place in self.ground.typed and at[:-1] in self.shells:
            return self.ground.typed[place][1]
        return self.ground.entries.get(place, "")

    def is_known(self, at: tuple[str, ...]) -> bool:
        return any(path[: len(at)] == at for path in (*self.found, *self.shells))

    def note_partial(self, found: Found, field: Field, place: Path) -> None:
        fatal = (found.may_be_null() or found.may_be_missing()) and not field.nullable and not field.optional
        self.losses.extend(Loss(place, reason, fatal=fatal) for reason in found.lost())

    def build_record(self, field: Field, record: Record, at: tuple[str, ...]) -> Column:
        place, shell = self.prefix + at, self.shells.get(at)
        inner = tuple(self.build(f, (*at, f.name)) for f in record.fields)
        if shell is not None:
            self.note_partial(shell.found, field, place)
            expression = struct(shell.image, inner, shell.record.names)
            return Column(field, fitting(expression, shell.image, shell.found, field))
        self.losses.append(Loss(place, UNREGISTERED))
        if not field.nullable and not field.optional:
            return Column(field, Struct(inner))
        if witness := self.witness(record, at):
            return Column(field, when(witness, Struct(inner)))
        self.losses.append(Loss(place, NULLNESS))
        return Column(field, Struct(inner))

    def witness(self, record: Record, at: tuple[str, ...]) -> Expression | None:
        """What is left of a field, or of one further down, that was never null in the record: where it is null now, that was."""
        for f in record.fields:
            if f.nullable or f.optional:
                continue
            path = (*at, f.name)
            found = self.shells[path].found if path in self.shells else self.found.get(path)
            if found and not found.lost():
                return found.back
            inner = resolved(f.type, self.ground.old)
            if found is None and isinstance(inner, Record) and self.is_known(path) and (below := self.witness(inner, path)):
                return below
        return None

    def lost(self, field: Field, at: tuple[str, ...], *, declared: bool = False) -> Column:
        """A place of which nothing is left: as the script says, else missing, null, or (a record) of lost fields.

        `declared`: the loss of a record around it says so already.
        """
        place = self.prefix + at
        if self.entry(at):
            return self.restored(field, at, DROPPED)
        below = any(path[: len(place)] == place for path in self.ground.entries)
        absent = (field.nullable or field.optional) and not below
        record = expanded(field.type, self.ground.old)
        apart = isinstance(record, Record) and not absent
        if not declared or not (absent or apart):
            self.losses.append(Loss(place, DROPPED, fatal=not absent and not apart))
        if absent:
            return Column(field, Literal(MISSING if field.optional else None, field.type))
        if isinstance(record, Record):
            return Column(field, Struct(tuple(self.lost(f, (*at, f.name), declared=True) for f in record.fields)))
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
            inside = expanded(shell.record, self.ground.new)
            assert isinstance(inside, Record)
            computed = cut(self.entry(at), inside, shell.image.path, expanded(field.type, self.ground.old))
        except InstarError as e:
            raise MigrationError(f"`downgrade` for {path_text(place)}: {e.message}", hint=e.hint) from e
        self.losses.append(Loss(place, reason, restored=True))
        return Column(field, computed if field.nullable else When(computed, computed, FAIL))
