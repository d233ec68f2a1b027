"""The two sides of an audit: their files, what queries can name on each, and the tables they read.

A side of files of one version has the names of that version. Where the old side holds several, no name would mean all of its files:
there each version's columns go by the names of the new side, as far as they only carry what the new ones hold.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, cast

from instar.formats.partitions import partition_keys, partitions_of
from instar.formats.schema import Schema
from instar.transforms.audit.adapting import Given, given
from instar.transforms.audit.counterparts import Counterpart, Names, Side, places_of, sides
from instar.transforms.audit.queries import TABLE
from instar.transforms.check_values import private_names
from instar.transforms.evaluate.view_columns import Reader, view_columns
from instar.transforms.mapping import Mapping as SchemaMapping
from instar.transforms.mapping import identity
from instar.transforms.proof.connection import quoted
from instar.transforms.run.two_trees import TreeFile, TwoTrees
from instar.transforms.tree_views import Views, empty_views, tree_views

SideName = Literal["old", "new"]
SIDES: tuple[SideName, ...] = ("old", "new")


@dataclass(frozen=True)
class Sides:
    """`trees` of the files, the mapping `ways` of each version of the old side to that of the new one, and the dataset's `name`, by
    which queries call it. `partitions`: types of folders' keys, as in `instar.toml`."""

    name: str
    format: str
    schemas: Mapping[int, Schema]
    trees: TwoTrees
    ways: Mapping[int, SchemaMapping]
    partitions: Mapping[str, str]

    @property
    def tables(self) -> Names:
        return (self.name, TABLE)

    @property
    def versions(self) -> tuple[int, ...]:
        """Of the old side."""
        return self.trees.versions or (self.trees.target,)

    @property
    def mixed(self) -> bool:
        return len(self.versions) > 1

    @cached_property
    def private(self) -> frozenset[str]:
        """The columns, of either side, of which no value may be shown (casefolded)."""
        return private_names([*self.ways.values(), identity(self.schemas[self.trees.target])])

    @cached_property
    def keys(self) -> Names:
        """The folders' keys that are columns on both sides."""
        keys = partition_keys([partitions_of(file.path) for file in (*self.trees.old, *self.trees.new)])
        inside = {name for version in (*self.versions, self.trees.target) for name in self.schemas[version].record.names}
        return tuple(key for key in keys if key not in inside)

    @cached_property
    def by_version(self) -> Mapping[int, tuple[Side, Side]]:
        """What names of each version of the old side are on the new one, and back."""
        return {version: self._seen(*sides(self._way(version), self.keys), version) for version in self.versions}

    def _seen(self, old: Side, new: Side, version: int) -> tuple[Side, Side]:
        """Both sides without the columns that DuckDB cannot show."""
        reader = cast(Reader, self.format)
        before, after = (frozenset(view_columns(self.schemas[each], reader).hidden) for each in (version, self.trees.target))
        return _without(old, before, after), _without(new, after, before)

    def _way(self, version: int) -> SchemaMapping:
        return self.ways.get(version) or identity(self.schemas[version])

    @cached_property
    def pair(self) -> tuple[Side, Side]:
        """What the tables of the old and of the new side are read by."""
        if not self.mixed:
            return self.by_version[self.versions[0]]
        new = self.schemas[self.trees.target]
        backs = [back for _, back in self.by_version.values()]
        places = places_of(new.record, ())
        others = {place: Counterpart(place, changed=any(_computed(back, place) for back in backs)) for place in places}
        return Side(new, others, self.keys), Side(new, others, self.keys)

    # ---- tables
    @contextmanager
    def open(
        self, side: SideName, *, memory: int, threads: int, reads: Collection[str] | None = None, folders: bool = True
    ) -> Iterator[Views]:
        """A connection of its own in which the side's files are the tables. `reads`: the only columns that a query needs
        (casefolded, of any version), where somebody must hand them over; None: all. `folders`: are the folders' keys among them?

        Raises:
            InstarError: as `tree_views`.
        """
        files = self.trees.old if side == "old" else self.trees.new
        files = files if folders or self.format == "avro" else tuple(map(_without_folders, files))
        groups = {_table(version): [file for file in files if file.version == version] for version in self._versions(side)}
        with tree_views(
            self.format, self.schemas, groups, target=self.trees.target, partitions=self.partitions,
            memory=memory, threads=threads, wanted=reads, trusting=True,
        ) as views:  # fmt: skip
            self._tables(views, side)
            yield views

    @contextmanager
    def empty(self, side: SideName) -> Iterator[Views]:
        """The same tables without rows, to see whether a query fits them."""
        keys = {key: self.partitions.get(key, "string") for key in self.keys}
        with empty_views(self.format, self.schemas, {_table(v): [v] for v in self._versions(side)}, keys) as views:
            self._tables(views, side)
            yield views

    def _versions(self, side: SideName) -> tuple[int, ...]:
        return self.versions if side == "old" else (self.trees.target,)

    def _tables(self, views: Views, side: SideName) -> None:
        if side == "old" and self.mixed:
            select = " UNION ALL BY NAME ".join(self._in_new_names(version, views) for version in self.versions)
        else:
            select = f"SELECT * FROM {quoted(_table(self._versions(side)[0]))}"
        for name in {table.casefold(): table for table in self.tables}.values():
            views.connection.execute(f"CREATE TEMP VIEW {quoted(name)} AS {select}")

    def _in_new_names(self, version: int, views: Views) -> str:
        _, new = self.by_version[version]
        there = {name.casefold() for name in views.columns[_table(version)]}
        columns = [(name, found) for name in new.columns if (found := given(new, (name,))) and _first(found) in there | {""}]
        shown = ", ".join(f"{found.sql} AS {quoted(name)}" for name, found in columns)
        return f"SELECT {shown or '1 AS rows'} FROM {quoted(_table(version))}"


def _without(side: Side, own: frozenset[str], others: frozenset[str]) -> Side:
    seen = {place: other for place, other in side.others.items() if not ({*place[:1]} & own or {*other.path[:1]} & others)}
    return replace(side, others=seen, unseen=own) if own or others else side


def _table(version: int) -> str:
    return f"version {version}"


def _first(found: Given) -> str:
    """The column that it is of; "" for one that is put together."""
    return found.path[0].casefold() if found.path else ""


def _computed(back: Side, place: Names) -> bool:
    """Is the place of the new side not simply there on the old one?"""
    found = given(back, place)
    return found is None or found.changed


def _without_folders(file: TreeFile) -> TreeFile:
    """The file as if it stood in no `key=value` folder: a table whose keys nobody asks for costs what the files cost."""
    return replace(file, path=file.path.rpartition("/")[2])
