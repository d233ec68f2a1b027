"""The two sides of a comparison as one FROM item: tables and streams set beside each other by position."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa

_STOPPED = "executing the UDF: KeyboardInterrupt"
"""All that DuckDB tells of a signal that came while it had a Python function called."""


@dataclass(frozen=True)
class Stream:
    """Record batches under a name; `open` starts reading anew."""

    name: str
    schema: pa.Schema
    open: Callable[[], Iterator[pa.RecordBatch]]


@dataclass
class Relation:
    """FROM items, each a table function with its alias or a stream, positionally joined.

    Only scans are joined, no projections: DuckDB then walks all of them in step (its PositionalScan) and holds nothing back, where
    it would otherwise collect one side in memory. `stages` are columns to compute on top, (name, SQL) pairs that may use those of
    earlier stages. `fault` is what a stream's own reader raised, or a signal's handler while it read.
    """

    connection: duckdb.DuckDBPyConnection
    items: Sequence[str | Stream]
    stages: Sequence[Sequence[tuple[str, str]]] = ()
    fault: BaseException | None = None

    def bound(self) -> str:
        """The FROM item with empty streams: for types."""
        return self._joined(lambda stream: stream.schema.empty_table())

    def opened(self) -> str:
        """The FROM item, every stream from its start."""
        self.fault = None
        return self._joined(lambda stream: pa.RecordBatchReader.from_batches(stream.schema, self._watched(stream)))

    def _joined(self, table: Callable[[Stream], object]) -> str:
        for item in self.items:
            if isinstance(item, Stream):
                self.connection.register(item.name, table(item))
        joined = " POSITIONAL JOIN ".join(item if isinstance(item, str) else item.name for item in self.items)
        for stage in self.stages:
            joined = f"(SELECT *, {', '.join(f'{sql} AS {name}' for name, sql in stage)} FROM {joined})"
        return joined

    def _watched(self, stream: Stream) -> Iterator[pa.RecordBatch]:
        """The stream's batches; an error in between is kept, because DuckDB passes on only its text."""
        try:
            yield from stream.open()
        except GeneratorExit:  # nobody asks for more
            raise
        except BaseException as error:
            self.fault = self.fault or error
            raise

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What a query of what is `opened` gives.

        Raises:
            duckdb.Error: it cannot be answered. KeyboardInterrupt: it came while a function of the user's was at work.
            Others: a stream's own reader failed; its error as it was.
        """
        try:
            return self.connection.execute(query).fetchall()
        except duckdb.Error as error:
            if self.fault is not None:
                raise self.fault from None
            if _STOPPED in str(error):
                raise KeyboardInterrupt from None
            raise
