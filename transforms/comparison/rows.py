"""Two files record by record, in the order in which they stand.

Files of one format and one structure are proved as a run's are: what was copied by its bytes, the rest by value, JSON by the very
texts. Across formats, or where columns are missing, what both have is read by each format's own reader and compared in DuckDB.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from instar.formats.schema import Record
from instar.transforms.evaluate.hidden import Hidden
from instar.transforms.expression import Column, Source, Struct
from instar.transforms.mapping import Mapping, identity, opened
from instar.transforms.proof.check import Check, Outcome
from instar.transforms.proof.compare import compare
from instar.transforms.proof.database import Database, Room
from instar.transforms.proof.groups import located
from instar.transforms.proof.integrity import UNLIKE, of_readers, plain, prove_file, told
from instar.transforms.proof.places import places
from instar.transforms.proof.proved import Proved
from instar.transforms.proof.relation import Relation
from instar.transforms.rebase import tagged_as
from instar.transforms.run.kept import Kept
from instar.transforms.run.unit import FileProof, Unit

from .columns import Columns, Leaf
from .reading import Rows
from .report import Level
from .sides import Side, SideFile
from .unread import in_words, why_unread

UNFIT_OLD, UNFIT_NEW = "unfit old", "unfit new"
"""Stand for the way where a value of that side is not of the type that it is compared as."""


@dataclass(frozen=True)
class Hidings:
    """What is not to be shown of either side: what its fields, or those that they are made of, are tagged with."""

    old: Mapping
    new: Mapping

    def __call__(self, path: str) -> bool:
        return self.any and any(side.at(path) for side in self._sides)

    @cached_property
    def any(self) -> bool:
        """Is anything tagged?"""
        return any(side.any for side in self._sides)

    @cached_property
    def _sides(self) -> tuple[Hidden, Hidden]:
        return Hidden(self.old), Hidden(self.new)


@dataclass(frozen=True)
class Pair:
    """Two files to compare; `path` names them. `level`, `examples` and `memory` as for a proof."""

    path: str
    old: Side
    new: Side
    old_file: SideFile
    new_file: SideFile
    columns: Columns
    hidden: Hidings
    level: Level
    examples: int
    memory: int


@dataclass(frozen=True)
class Compared:
    """Two files as they were compared, and why the old or the new one cannot be read, "" where it can."""

    proof: FileProof
    old_unread: str = ""
    new_unread: str = ""


def compared(pair: Pair, kept: Kept | None = None) -> Compared:
    """What differs between the two files is in the proof, not raised; so is that one of them cannot be read. `kept`: from one pair
    of files to the next."""
    database = kept.one(Database) if kept else None
    started = time.perf_counter()
    try:
        if pair.old.format.name == pair.new.format.name and not pair.columns.unpaired and not pair.columns.retyped:
            proof = _proved(pair, database)
        else:
            found = _by_value(pair, database)
            lines = tuple(told(found.outcomes, pair.hidden))
            proof = FileProof(pair.path, found.rows_old, found.rows_new, lines, (), time.perf_counter() - started)
        why = proof.unread.removeprefix(UNLIKE)
    except of_readers() as error:
        why = in_words(error, quoting=not pair.hidden.any)
        proof = FileProof(pair.path, 0, 0, (), (), time.perf_counter() - started)
    if not why:
        return Compared(proof)
    sides = ((pair.old, pair.old_file), (pair.new, pair.new_file))
    old, new = (why_unread(s.path(f), s.format.name, pair.memory, quoting=not pair.hidden.any, words=why) for s, f in sides)
    return Compared(replace(proof, unread="; ".join(filter(None, (old, new))) or f"it cannot be compared: {why}"), old, new)


# ---- within one format
def _proved(pair: Pair, database: Database | None) -> FileProof:
    unit = Unit(
        path=pair.path,
        source=str(pair.old.path(pair.old_file)),
        staged=str(pair.new.path(pair.new_file)),
        format=pair.old.format.name,
        mapping=as_the_new_file(pair.old, pair.old_file, pair.new_file),
        schema=None,
        stamp=None,
        chain="",
        memory=pair.memory,
    )
    level = "full" if pair.level == "full" else "auto"
    proof = prove_file(unit, None, level=level, examples=pair.examples, database=database)
    if proof.verdict != "failed" or proof.unread:
        return proof
    finer = prove_file(replace(unit, mapping=taken_apart(unit.mapping)), None, level=level, examples=pair.examples)
    return finer if finer.verdict == "failed" else proof


def taken_apart(mapping: Mapping) -> Mapping:
    """The same mapping, every record that is only carried as its fields: what differs is then told of the field."""

    def apart(column: Column) -> Column:
        if isinstance(column.expression, Source) and isinstance(column.field.type, Record) and column.field.type.fields:
            column = opened(column)
        if not isinstance(column.expression, Struct):
            return column
        return replace(column, expression=replace(column.expression, columns=tuple(map(apart, column.expression.columns))))

    return replace(mapping, root=apart(mapping.root))


def as_the_new_file(side: Side, old: SideFile, new: SideFile) -> Mapping:
    """From the old file's own schema to the new one's: as the side's, but for order and null-ness, which are the new file's own.
    What the side's says is not to be shown is not, though the file says nothing of it."""
    mapping = side.mapping_of(old)
    if new.schema is None:
        return mapping
    return mapping.then(identity(tagged_as(new.schema, mapping.target)).rebased(mapping.target))


def ways_of(mapping: Mapping, leaves: Sequence[Leaf]) -> list[str]:
    """How each column is compared by value: what a function of the user's has a part in is only run again."""
    repeated = {place.path for place in places(mapping.root) if place.repeated}
    return ["repeated" if any(leaf.path[:n] in repeated for n in range(1, len(leaf.path) + 1)) else "sql" for leaf in leaves]


# ---- across formats
def _by_value(pair: Pair, database: Database | None) -> Proved:
    files = pair.old.path(pair.old_file), pair.new.path(pair.new_file)
    room = Room(pair.memory, files, (pair.old.root, pair.new.root), database)
    as_given = pair.old.format.name == pair.new.format.name
    leaves = pair.columns.leaves
    with room.connected(lossless=True) as connection:
        old = Rows.of(connection, pair.old, leaves, old=True, files=[pair.old_file], as_given=as_given)
        new = Rows.of(connection, pair.new, leaves, old=False, files=[pair.new_file], as_given=as_given)
        before, after = old.only, new.only
        relation = Relation(connection, [before.source.item(), after.source.item()], [*before.stages(), *after.stages()])
        ways = ways_of(pair.old.mapping, leaves)
        named = zip(leaves, ways, before.columns, after.columns, strict=True)
        checks = [Check(leaf.text, way, was, now) for leaf, way, was, now in named]
        tallies = [f"count({group.name}_place)" if group.streamed else str(group.rows_told) for group in (before, after)]
        counted, outcomes = compare(relation, checks, tallies=["count(*)", *tallies], examples=max(pair.examples, 1))
        if counted is None:
            counted, _ = compare(relation, [], tallies=["count(*)", *tallies])
        assert counted is not None
        shown = [_as_read(outcome, i, old, new, pair.examples) for i, outcome in enumerate(outcomes)]
        said = list(zip(checks, shown, strict=True))
        unfit = [(UNFIT_OLD, p) for p in old.problems] + [(UNFIT_NEW, p) for p in new.problems]
        said += [(Check(p.path, way, "", ""), Outcome(p.problem, failed=True)) for way, p in unfit]
    proved = Proved(counted[1], counted[2], tuple(said), ())
    if database is not None and not plain(proved):
        database.close()
    return located(proved, pair.new.format.name, files[1], 0)


def _as_read(outcome: Outcome, column: int, old: Rows, new: Rows, examples: int) -> Outcome:
    """The same with so many examples, and in them what stands in the files where a null stands for what is not of its type."""
    if outcome.differing is None:
        return outcome
    told = (
        replace(each, expected=old.unfit(column, each.row) or each.expected, actual=new.unfit(column, each.row) or each.actual)
        for each in outcome.examples
    )
    return Outcome.of(tuple(told), outcome.differing, examples)
