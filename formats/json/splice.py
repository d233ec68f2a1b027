"""Rewriting a file without opening what its migration leaves alone: each record's own text, with what changes put in.

The compiled scan (`_scan.c`) does the plain records. What is odd passes through `Rewrite.convert`, one record or one chunk at a
time, as every record does without the scan: so values and errors are the same either way.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from queue import SimpleQueue
from typing import Any

from instar.formats.errors import InstarError
from instar.formats.format import Rewrite
from instar.formats.schema import MISSING

from .chunks import Chunk, compiled
from .computing import Computing
from .plan import Program

_TOGETHER = 8  # chunks that a thread scans before the next step waits for them


Scanned = tuple[Any, list[list[list[bytes | None]]], list[int]]
"""A chunk's new text with holes, the texts that fill some of them by level and input, and the numbers of the odd records."""


class Splicer:
    """The conversion of chunks, in two steps: `scanner`s may work in several threads, `finished` in one, in the file's order."""

    def __init__(self, request: Rewrite) -> None:
        assert request.splice is not None
        assert request.splice.levels is not None
        self._request = request
        self._program = Program(request.splice.levels)
        self._computing = [Computing(level) for level in self._program.levels]
        self._again: Scanner | None = None
        self._row = 0
        self.spliced = 0

    @property
    def bulk(self) -> bool:
        """Is many records at once what suits a computation?"""
        return any(each.bulk for each in self._computing)

    def scanner(self) -> Scanner:
        """What scans one chunk at a time."""
        return Scanner(self._program)

    def finished(self, chunk: Chunk, scanned: Scanned) -> bytes:
        """The chunk's new text.

        Raises:
            InstarError: as the request's conversion does.
        """
        made = self._filled(chunk, scanned)
        if made is None:
            self._request.starts_at(self._row)
            made = chunk.with_records(self._request.convert(chunk.records()))
        else:
            self.spliced += chunk.rows - len(scanned[2])
        self._row += chunk.rows
        return made

    def _filled(self, chunk: Chunk, scanned: Scanned) -> bytes | None:
        """The new text; None where a value or a record is refused: only the conversion of the whole says why."""
        while True:
            holed, columns, odd = scanned
            try:
                values = [of(given) for of, given in zip(self._computing, columns, strict=True)]
                self._request.starts_at(self._row)
                records = self._request.convert(chunk.records(odd)) if odd else []
            except InstarError:
                return None
            made = compiled.fill(chunk.text, holed, values, records, MISSING)
            if isinstance(made, bytes):
                return made
            self._again = self._again or self.scanner()
            scanned = self._again.scan(chunk, sorted({*odd, *made}))  # without a value that has a place, others may take it


class Scanner:
    """The compiled program, for one chunk at a time."""

    def __init__(self, program: Program) -> None:
        self._plan = program.plan
        self._compiled = compiled.program(*program.told())

    def scan(self, chunk: Chunk, odd: list[int] | None = None) -> Scanned:
        """The chunk with holes; the records `odd` (ascending) are left to the conversion."""
        return compiled.scan(self._compiled, chunk.text, chunk.places, self._plan, odd or [])


def in_order(scanner: Callable[[], Scanner], chunks: Iterable[Chunk], threads: int) -> Iterator[tuple[Chunk, Scanned]]:
    """The chunks with what their scans found, of so many threads, of which the caller's is one."""
    if threads < 2:
        scan = scanner().scan
        yield from ((chunk, scan(chunk)) for chunk in chunks)
        return
    idle = SimpleQueue[Scanner]()
    for _ in range(threads - 1):
        idle.put(scanner())

    def scanned(some: list[Chunk]) -> list[tuple[Chunk, Scanned]]:
        own = idle.get()
        try:
            return [(chunk, own.scan(chunk)) for chunk in some]
        finally:
            idle.put(own)

    source, running = iter(chunks), deque[Future[list[tuple[Chunk, Scanned]]]]()
    unread: InstarError | None = None
    with ThreadPoolExecutor(threads - 1, "instar-scan") as pool:
        while unread is None:
            some, unread = _next(source)
            if not some:
                break
            running.append(pool.submit(scanned, some))
            if len(running) > threads:
                yield from running.popleft().result()
        while running:
            yield from running.popleft().result()
    if unread is not None:
        raise unread


def _next(source: Iterator[Chunk]) -> tuple[list[Chunk], InstarError | None]:
    """Chunks that are scanned together, and why no more can be read: that is told after what is wrong in those before."""
    some: list[Chunk] = []
    try:
        for chunk in islice(source, _TOGETHER):
            some.append(chunk)
    except InstarError as error:
        return some, error
    return some, None
