"""Rewriting a file without opening what its migration leaves alone: each record's own text, with what changes put in.

The compiled scan (`_scan.c`) does the plain records. What is odd passes through `Rewrite.convert`, one record or one chunk at a
time, as every record does without the scan: so values and errors are the same either way.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from itertools import accumulate, islice
from queue import SimpleQueue
from typing import Any

from instar.formats.compiled import PARTS
from instar.formats.errors import InstarError
from instar.formats.format import Rewrite
from instar.formats.schema import MISSING

from .computing import Computing
from .plan import Program

_TOGETHER = 8  # chunks that a thread scans before the next step waits for them

compiled: Any = import_module(PARTS["json"])


@dataclass(frozen=True)
class Chunk:
    """Text with whole records in it, and where each begins and ends: pairs of 64-bit numbers."""

    text: Any
    places: bytes

    @property
    def rows(self) -> int:
        return len(self.places) // 16

    def records(self, numbers: Iterable[int] | None = None) -> list[bytes]:
        """The texts of these records; of all by default."""
        ends = memoryview(self.places).cast("q")
        return [bytes(self.text[ends[2 * i] : ends[2 * i + 1]]) for i in (range(self.rows) if numbers is None else numbers)]

    def with_records(self, records: list[Any]) -> bytes:
        """The text with other records in their places."""
        ends = (0, *memoryview(self.places).cast("q"), len(self.text))
        parts: list[Any] = [b"null"] * (2 * len(records) + 1)
        parts[0::2] = [self.text[ends[i] : ends[i + 1]] for i in range(0, len(ends), 2)]
        parts[1::2] = [b"null" if each is None else bytes(each) for each in records]
        return b"".join(parts)


Scanned = tuple[Any, list[list[list[bytes | None]]], list[int]]
"""A chunk's new text with holes, the texts that fill some of them by level and input, and the numbers of the odd records."""


def line_chunks(text: Iterable[bytes], size: int, records: int) -> Iterator[Chunk]:
    """A file of lines, about `size` bytes or so many records at a time; what is between the records goes with them."""
    source, held, want = iter(text), b"", size
    while True:
        blocks, more = [held], len(held)
        while more < want and (block := next(source, None)) is not None:
            blocks.append(block)
            more += len(block)
        ends, held = more < want, b"".join(blocks)
        rest = memoryview(held)
        while True:
            places, end, full = compiled.lines(rest, size, records, ends)
            if not full and not ends:
                break
            yield Chunk(rest[:end], places)
            rest = rest[end:]
            if not rest:
                break
        if ends and not rest:
            return
        held, want = bytes(rest), max(size, 2 * len(rest))


def chunk_of(between: list[bytes], texts: list[bytes]) -> Chunk:
    """A chunk from what is before each record (and after the last, if that is known) and the records."""
    parts = [b""] * (2 * len(texts))
    parts[0::2], parts[1::2] = between[: len(texts)], texts
    ends = list(accumulate(map(len, parts)))
    return Chunk(b"".join([*parts, *between[len(texts) :]]), array("q", ends).tobytes())


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
