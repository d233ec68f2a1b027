"""What an Arrow expression is evaluated over: the rows of a batch or the elements of a list, and which of them count."""

from __future__ import annotations

from dataclasses import dataclass, field

import pyarrow as pa

from instar.formats.compute import pc
from instar.formats.storage import items_of, lengths_of
from instar.transforms.expression import Expression, Source

is_ = pa.types


@dataclass(eq=False)
class Live:
    """The rows where an error counts: no record above is null there. `mask` None: all of them.

    One object for one set of guards, so that what was computed under it is found again.
    """

    mask: pa.Array | None = None
    _under: dict[object, Live] = field(default_factory=dict)

    def under(self, node: Expression, there: pa.Array) -> Live:
        """These rows where `there`, which says where `node` is not null; itself where that is everywhere."""
        key = node.path if isinstance(node, Source) else id(node)
        if key not in self._under:
            self._under[key] = self if pc.all(there, min_count=0).as_py() else Live(self.both(there))
        return self._under[key]

    def both(self, test: pa.Array) -> pa.Array:
        return test if self.mask is None else pc.and_(self.mask, test)


@dataclass(eq=False)
class Scope:
    """One set of rows that sources speak of. `memo` has what was computed, by node and live rows; it also keeps both alive."""

    length: int
    columns: dict[str, pa.Array] | None = None
    value: pa.Array | None = None
    parent: tuple[Scope, pa.Array] | None = None
    around: Scope | None = None
    memo: dict[tuple[int, int], tuple[object, object, pa.Array]] = field(default_factory=dict)
    _sources: dict[tuple[str, ...], pa.Array] = field(default_factory=dict)

    @staticmethod
    def of_batch(batch: pa.RecordBatch) -> Scope:
        return Scope(batch.num_rows, columns=dict(zip(batch.schema.names, batch.columns, strict=True)))

    def elements(self, lists: pa.Array) -> Scope:
        """The scope of the elements of every list (or the values of every map) that is not null."""
        items = items_of(lists)
        if is_.is_map(lists.type):
            items = items.field(1)
        return Scope(len(items), value=items, parent=(self, lists))

    def branch(self, values: pa.Array) -> Scope:
        """The scope of the values of one branch of a union: row for row those of this one, null where there is another branch."""
        return Scope(self.length, value=values, around=self)

    def source(self, path: tuple[str, ...]) -> pa.Array:
        """The field at `path`, null wherever a record on the way is."""
        if path not in self._sources:
            self._sources[path] = self._source(path)
        return self._sources[path]

    def _source(self, path: tuple[str, ...]) -> pa.Array:
        if self.columns is not None and len(path) == 1:
            return self.columns[path[0]]
        if self.columns is not None and not path:
            return pa.StructArray.from_arrays(list(self.columns.values()), names=list(self.columns))
        if not path:
            assert self.value is not None
            return self.value
        record = self.source(path[:-1])
        return pc.struct_field(record, record.type.get_field_index(path[-1]))

    def owners(self) -> pa.Array:
        """For each element, the row of the parent scope whose list it is in."""
        assert self.parent is not None
        lengths = pc.fill_null(lengths_of(self.parent[1]), 0).cast(pa.int64())
        offsets = pa.concat_arrays([pa.array([0], pa.int64()), pc.cumulative_sum(lengths)])
        return pc.list_parent_indices(pa.LargeListArray.from_arrays(offsets, pa.nulls(self.length)))

    def live(self, live: Live) -> Live:
        """Which elements count, given which rows of the parent scope do."""
        return Live() if live.mask is None else Live(live.mask.take(self.owners()))

    def row(self, index: int) -> int:
        """The row of the batch that an element is in."""
        if self.around is not None:
            return self.around.row(index)
        return index if self.parent is None else self.parent[0].row(self.owners()[index].as_py())
