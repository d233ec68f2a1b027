"""The records that differ between two sides, told by a key: changed ones field by field, missing, extra and duplicated."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from instar.formats.errors import UsageError, suggestion
from instar.formats.path import parse_path, path_text
from instar.formats.schema import List, Map
from instar.transforms.proof.exact import differ

from .columns import Leaf
from .multiset import differing
from .reading import Rows
from .report import RowDifference
from .unordered import Told


def key_columns(leaves: Sequence[Leaf], key: Sequence[str]) -> tuple[int, ...]:
    """The columns that a key names.

    Raises:
        UsageError: there is no such column, or it is no single value.
    """
    known = {leaf.text: i for i, leaf in enumerate(leaves) if not leaf.record and not isinstance(leaf.common, List | Map)}
    found = []
    for name in key:
        text = path_text(parse_path(name))
        if text not in known:
            raise UsageError(f"the key {name!r} is no column of single values on both sides", hint=suggestion(text, list(known)))
        if known[text] in found:
            raise UsageError(f"the key names {name!r} twice", hint="Name each column once.")
        found.append(known[text])
    return tuple(found)


def keyed(
    old: Rows, new: Rows, key: tuple[int, ...], hidden: Callable[[str], bool], examples: int
) -> tuple[dict[str, int], list[RowDifference], list[int], list[str]]:
    """How many keys are changed, missing, extra and duplicated; the first of them; in how many records each column differs; notes.

    A null in a key is a value like any other. Records of a key that is not unique are compared as a multiset: only where those
    differ are they `duplicated`; that there are such keys is a note.

    Raises:
        duckdb.Error: a record cannot be read.
    """
    differing(old, new)
    of = _Keyed(old, new, key, Told(old, new, hidden))
    of.classify()
    return of.counts(), of.examples(examples), of.differs(), of.notes()


class _Keyed:
    def __init__(self, old: Rows, new: Rows, key: tuple[int, ...], told: Told) -> None:
        self.old, self.new, self.key, self.told = old, new, key, told
        self.connection, self.leaves = old.connection, old.leaves
        self.names = [f"c{i}" for i in key]

    def classify(self) -> None:
        """Makes `repeated`, the keys of which a side has several records, and `kinds`: each key that differs, and how."""
        names = ", ".join(self.names)
        sides = " UNION ALL ".join(f"SELECT {names}, {n} AS side FROM {r.sql()}" for r, n in ((self.old, 1), (self.new, -1)))
        counts = "count_if(side = 1) AS olds, count_if(side = -1) AS news"
        self.connection.execute(
            f"CREATE TABLE repeated AS SELECT {names}, {counts} FROM ({sides}) GROUP BY {names} "
            "HAVING count_if(side = 1) > 1 OR count_if(side = -1) > 1"
        )
        alike = " AND ".join(f"r.{name} IS NOT DISTINCT FROM k.{name}" for name in self.names)
        kind = (
            f"CASE WHEN EXISTS (SELECT 1 FROM repeated r WHERE {alike}) THEN 'duplicated' WHEN news = 0 THEN 'missing' "
            "WHEN olds = 0 THEN 'extra' ELSE 'changed' END"
        )
        grouped = (
            f"SELECT {names}, coalesce(sum(d) FILTER (d > 0), 0) AS olds, coalesce(-sum(d) FILTER (d < 0), 0) AS news, "
            f"min(coalesce(old_place, new_place)) AS place FROM differing GROUP BY {names}"
        )
        self.connection.execute(f"CREATE TABLE kinds AS SELECT k.*, {kind} AS kind FROM ({grouped}) k")

    def counts(self) -> dict[str, int]:
        found = dict(self.connection.execute("SELECT kind, count(*) FROM kinds GROUP BY kind").fetchall())
        return {kind: found.get(kind, 0) for kind in ("changed", "missing", "extra", "duplicated")}

    def examples(self, most: int) -> list[RowDifference]:
        """Changed ones first: they say most."""
        order = "CASE kind WHEN 'changed' THEN 0 WHEN 'duplicated' THEN 1 WHEN 'missing' THEN 2 ELSE 3 END"
        names = ", ".join(self.names)
        query = f"SELECT kind, row_number() OVER (ORDER BY {order}, place) AS n, {names} FROM kinds QUALIFY n <= {most} ORDER BY n"
        self.connection.execute(f"CREATE OR REPLACE TABLE chosen AS {query}")
        return [self._example(kind, n) for kind, n in self.connection.execute("SELECT kind, n FROM chosen ORDER BY n").fetchall()]

    def _example(self, kind: str, n: int) -> RowDifference:
        alike = " AND ".join(f"k.{name} IS NOT DISTINCT FROM differing.{name}" for name in self.names)
        chosen = f"EXISTS (SELECT 1 FROM chosen k WHERE k.n = {n} AND {alike})"
        before, after = (self.told.records(f"{test} AND {chosen}", 1) for test in ("d > 0", "d < 0"))
        record = (before or after)[0]
        key = {self.leaves[i].text: self.told.shown(i, record.values[i]) for i in self.key}
        if kind == "changed":
            return self.told.changed(before[0], after[0], key)
        if kind in ("missing", "extra"):
            return self.told.alone(kind, record, key)
        located = {"old" if before else "new": self.told.place(self.old if before else self.new, record.place)}
        return RowDifference("duplicated", key=key, times=record.times, **located)  # type: ignore[arg-type]

    def differs(self) -> list[int]:
        """In how many changed records each column differs."""
        types = self.connection.sql(f"SELECT {', '.join(f'c{i}' for i in range(len(self.leaves)))} FROM differing LIMIT 0").types
        tests = [differ(f"o.c{i}", f"n.c{i}", type, type) for i, type in enumerate(types)]
        alike = " AND ".join(f"o.{name} IS NOT DISTINCT FROM n.{name}" for name in self.names)
        changed = " AND ".join(f"k.{name} IS NOT DISTINCT FROM o.{name}" for name in self.names)
        query = (
            f"SELECT {', '.join(f'coalesce(count_if({test}), 0)' for test in tests)} FROM (SELECT * FROM differing WHERE d > 0) o "
            f"JOIN (SELECT * FROM differing WHERE d < 0) n ON {alike} "
            f"WHERE EXISTS (SELECT 1 FROM kinds k WHERE k.kind = 'changed' AND {changed})"
        )
        return list(self.connection.execute(query).fetchall()[0])

    def notes(self) -> list[str]:
        """That the key is none: not unique, or null."""
        count = self.connection.execute("SELECT count(*) FROM repeated").fetchall()[0][0]
        if not count:
            return []
        texts = ", ".join(f"CAST({name} AS VARCHAR)" for name in self.names)
        *values, olds, news = self.connection.execute(
            f"SELECT {texts}, olds, news FROM repeated ORDER BY greatest(olds, news) DESC, {', '.join(self.names)} LIMIT 1"
        ).fetchall()[0]
        shown = ", ".join(f"{self.leaves[i].text}={self.told.shown(i, value)}" for i, value in zip(self.key, values, strict=True))
        what = "key value is" if count == 1 else "key values are"
        return [f"the key is not unique: {count:,} {what} of several records, such as {shown} ({olds} old, {news} new)"]
