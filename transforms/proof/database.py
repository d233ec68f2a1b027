"""The DuckDB instance that many files are proved in, one after another: opening one takes longer than many a proof."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

    _Wanted = tuple[tuple[FilePath, ...], int, bool]


class Database:
    """One instance, for one thread; opened when it is asked for, and anew where other folders or another memory are asked for, or
    something failed in it.

    Measured: an instance takes 11 to 17 ms of CPU to open, and 1 ms of the 35 that a rewritten file's proof takes to clear.
    """

    def __init__(self) -> None:
        self._held: tuple[_Wanted, duckdb.DuckDBPyConnection] | None = None

    @contextmanager
    def connected(
        self, folders: tuple[FilePath, ...], *, memory: int, lossless: bool = False
    ) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection that reads what is in `folders` and nothing else, alone in its instance, and with nothing in it; otherwise
        as `connection.sealed`."""
        import duckdb

        from .connection import cleared, sealed

        wanted = folders, memory, lossless
        held, self._held = self._held, None
        if held is not None and held[0] != wanted:
            held[1].close()
            held = None
        connection = sealed(memory=memory, lossless=lossless, folders=folders) if held is None else held[1]
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        try:
            cleared(connection)
        except duckdb.Error:  # what went wrong in it was no fault of the files, and it serves no more
            connection.close()
            return
        self.close()  # that of a use within this one
        self._held = wanted, connection

    def close(self) -> None:
        """Close the instance, if there is one."""
        held, self._held = self._held, None
        if held is not None:
            held[1].close()


@dataclass(frozen=True)
class Room:
    """Where the proof of `files` is computed: in so many bytes of memory, and in an instance of their own, or one in which other
    files of the `folders` are proved, too."""

    memory: int
    files: tuple[FilePath, ...] = ()
    folders: tuple[FilePath, ...] = ()
    database: Database | None = None

    def connected(self, *, lossless: bool = False) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        """A connection as of `connection.sealed`, for as long as it is needed."""
        if self.database is not None:
            return self.database.connected(self.folders, memory=self.memory, lossless=lossless)
        from .connection import sealed

        return sealed(*self.files, memory=self.memory, lossless=lossless)
