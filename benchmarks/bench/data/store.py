"""The folder of data sets: each is made once for a scale, in its own folder, which is complete or absent."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROWS, WIDE_ROWS, WEATHER, EVENTS, LINES, RECORDS, SMALL_ROWS = 10_000_000, 100_000, 2_000_000, 100_000, 1_000_000, 500_000, 100
FILES, WIDE_COLUMNS = 20, 500
PYARROW_GROUP = 1 << 20
"""Rows of a row group, where pyarrow is not told otherwise."""


@dataclass(frozen=True)
class Data:
    """Files of one kind. `row_group` is the rows of one of theirs; `document` and `columns` are for files that carry no schema."""

    name: str
    files: Sequence[Path]
    rows: int
    warm_up: Path | None = None
    row_group: int = 0
    document: Path | None = None
    columns: Path | None = None

    @property
    def size(self) -> int:
        return sum(file.stat().st_size for file in self.files)


@dataclass(frozen=True)
class Store:
    """`scale` 1 is the full size; the rows of everything follow it, and the number of small files, not that of columns.

    Below 1/100 they are made of the samples' extracts, and nothing is fetched.
    """

    folder: Path
    scale: float = 1.0

    @property
    def whole(self) -> bool:
        return self.scale >= 0.01

    def scaled(self, rows: int, least: int = 200) -> int:
        return max(least, round(rows * self.scale))

    def get(self, name: str) -> Data:
        """The data set of that name, made where it is missing."""
        kind, _, variant = name.partition("-")
        return getattr(self, f"_{kind}")(variant)

    def _flights(self, codec: str) -> Data:
        from benchmarks.bench.data import flights

        rows = self.scaled(ROWS, FILES * 50)
        files = self._made(f"flights-{codec}", lambda folder: flights.write_files(folder, rows, FILES, codec, self.whole))
        return Data(f"flights, {codec}", files, rows, self._sip(codec), min(rows // FILES, PYARROW_GROUP))

    def _large(self, codec: str) -> Data:
        from benchmarks.bench.data import flights

        rows = self.scaled(ROWS, 1000)
        files = self._made(f"large-{codec}", lambda folder: flights.write_large(folder, rows, codec, self.whole))
        return Data(f"flights in one file, {codec}", files, rows, self._sip(codec), max(1, rows // 10))

    def _wide(self, codec: str) -> Data:
        from benchmarks.bench.data import flights

        rows, columns = self.scaled(WIDE_ROWS), WIDE_COLUMNS
        files = self._made(f"wide-{codec}", lambda folder: flights.write_wide(folder, rows, columns, codec, self.whole))
        (sip,) = self._made(f"sip-wide-{codec}", lambda folder: flights.write_wide(folder, 200, columns, codec, self.whole))
        return Data(f"{columns} columns, {codec}", files, rows, sip, flights.row_group(rows))

    def _small(self, count: str) -> Data:
        from benchmarks.bench.data import flights

        files = self.scaled(int(count), 40)
        made = self._made(f"small-{count}", lambda folder: flights.write_small(folder, files, SMALL_ROWS, self.whole))
        return Data(f"{files:,} small files", made, files * SMALL_ROWS, made[0])

    def _weather(self, codec: str) -> Data:
        from benchmarks.bench.data import weather

        rows = self.scaled(WEATHER)
        files = self._made(f"weather-{codec}", lambda folder: weather.write_weather(folder, rows, codec, self.whole))
        (sip,) = self._made(f"sip-weather-{codec}", lambda folder: weather.write_weather(folder, 500, codec, self.whole))
        return Data(f"weather, Avro, codec {codec}", files, rows, sip)

    def _records(self, codec: str) -> Data:
        from benchmarks.bench.data import flights

        rows = self.scaled(RECORDS)
        files = self._made(f"records-{codec}", lambda folder: flights.write_avro(folder, rows, codec, self.whole))
        (sip,) = self._made(f"sip-records-{codec}", lambda folder: flights.write_avro(folder, 500, codec, self.whole))
        return Data(f"flights, Avro, codec {codec}", files, rows, sip)

    def _lines(self, _: str) -> Data:
        from benchmarks.bench.data import flights

        rows = self.scaled(LINES)
        files = {path.name: path for path in self._made("lines", lambda folder: flights.write_lines(folder, rows, self.whole))}
        sip = {path.name: path for path in self._made("sip-lines", lambda folder: flights.write_lines(folder, 5_000, self.whole))}
        document = self._document(f"flights-{self.scale:g}.schema.json", sip["flights.ndjson"])
        return Data(
            "flights, JSON lines", [files["flights.ndjson"]], rows, sip["flights.ndjson"], 0, document, files["columns.json"]
        )

    def _events(self, _: str) -> Data:
        from benchmarks.bench.data import events

        rows = self.scaled(EVENTS)
        files = self._made("events", lambda folder: events.write_events(folder, rows, self.whole))
        (sip,) = self._made("sip-events", lambda folder: events.write_events(folder, 280, self.whole))
        return Data("GitHub events, JSON lines", files, rows, sip, 0, events.DOCUMENT)

    def _sip(self, codec: str) -> Path:
        """A small file of flights, to warm up with."""
        from benchmarks.bench.data import flights

        return self._made(f"sip-flights-{codec}", lambda folder: flights.write_files(folder, 500, 1, codec, self.whole))[0]

    def _document(self, name: str, file: Path) -> Path:
        """The schema of a JSON file, as `instar init` finds it."""
        from instar.formats.format import format_named

        document = self.folder / name
        format = format_named("json")
        if not document.exists():
            document.write_text(format.render(format.infer([file])))
        return document

    def _made(self, name: str, write: Callable[[Path], None]) -> list[Path]:
        folder = self.folder / (f"{name}-whole" if name.startswith("sip-") and self.whole else f"{name}-{self.scale:g}")
        if not folder.exists():
            part = folder.with_name(f".{folder.name}.part")
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True)
            write(part)
            part.rename(folder)
        return sorted(path for path in folder.rglob("*") if path.is_file())
