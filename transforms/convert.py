"""Converting data to another format: refuse what it cannot hold, write beside the destination, read back, rename into place.

Nothing is left where anything fails, and the source is only read.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from instar.formats.documents import SUFFIXES
from instar.formats.errors import Collected, DataError, InstarError, ProofError, UsageError, Where, suggestion
from instar.formats.format import Format, format_named
from instar.formats.path import Path as FieldPath
from instar.formats.schema import Schema
from instar.transforms.answers import Converted, ConvertReport
from instar.transforms.configuration import DEFAULT_MEMORY
from instar.transforms.conversion import FORMATS, Conversion, conversion
from instar.transforms.convert_source import Source, SourceFile
from instar.transforms.events import FileConverted
from instar.transforms.execution import Stopwatch
from instar.transforms.progress import Progress, Silent
from instar.transforms.run.disk import disk_error

READERS = {"parquet": "DuckDB", "avro": "fastavro", "json": "Python's JSON parser"}
_ENDINGS = {"parquet": ".parquet", "avro": ".avro", "ndjson": ".ndjson", "json": ".json"}
_PACKED = {"gzip": ".gz", "gz": ".gz", "zstd": ".zst", "zst": ".zst"}
_DATA = (".parquet", ".parq", ".pq", ".avro", ".ndjson", ".jsonl", ".geojson", ".json")


@dataclass(frozen=True)
class Wish:
    """What is wanted: `to` is a key of FORMATS, `target` a file where the source is one, else a folder. `document`: where the
    target's schema document goes, beside it by default. `memory` in bytes."""

    target: Path
    to: str
    compression: str = ""
    document: Path | None = None
    memory: int = DEFAULT_MEMORY

    @classmethod
    def of(cls, target: Path | str, to: str, *, compression: str = "", document: Path | str | None = None, memory: int = 0) -> Wish:
        if to not in FORMATS:
            raise UsageError(f"there is no format {to!r}", hint=suggestion(to, list(FORMATS)))
        return cls(Path(target), to, compression, Path(document) if document else None, memory or DEFAULT_MEMORY)

    @property
    def format(self) -> Format:
        return format_named(FORMATS[self.to])

    @property
    def document_path(self) -> Path:
        if self.document is not None:
            return self.document
        stem = self.target.name if not self.target.suffix else _bare(self.target.name)
        return self.target.with_name(stem + SUFFIXES[FORMATS[self.to]])


def convert(source: Source, wish: Wish, progress: Progress | None = None) -> ConvertReport:
    """All files of the source, in another format, at the target.

    Raises:
        UsageError: no such format, or the target is there already. SchemaError: the format cannot hold a type or a name.
        DataError: it cannot hold a value; names file, record and field. ProofError: what was written was read back otherwise.
            Collected where there are several. The target is not there then.
    """
    started = time.perf_counter()
    progress = progress or Silent()
    watch = Stopwatch(progress)
    _refuse_taken(source, wish)
    names = _names(source, wish)
    made = conversion(source.schema, wish.format.name, missing=_surveyed(source, wish), name=_bare(wish.target.name))
    document = wish.format.render(made.target)
    with _beside(wish.target) as folder:
        with watch.step("convert", files=len(names), size=2 * source.size):
            files = _written(source, wish, made, names, folder, progress)
        (folder / "document").write_text(document, encoding="utf-8")
        with watch.step("publish", files=len(names)):
            _publish(folder, wish, names[0] if source.single else None)
    notes = (*source.notes, *_left_notes(source))
    return ConvertReport(
        source=str(source.root / source.files[0].path if source.single else source.root),
        target=str(wish.target),
        format=source.format.name,
        to=wish.to,
        subject=source.stamp.subject if source.stamp else None,
        version=source.stamp.version if source.stamp else None,
        files=files,
        document=str(wish.document_path),
        casts=made.casts,
        read_back_by=READERS[wish.format.name],
        seconds=time.perf_counter() - started,
        notes=notes,
    )


# ---- before anything is written
def _refuse_taken(source: Source, wish: Wish) -> None:
    target = wish.target
    if source.format.name == wish.format.name != "json":
        hint = "Copy the files, or write them as one: instar read DATASET --version N --output FILE."
        raise UsageError(f"the files of {source.root} are {wish.to} already", hint=hint)
    if target.is_symlink() or target.is_file() or (target.is_dir() and (source.single or any(target.iterdir()))):
        raise UsageError(f"{target} is there already", hint="Name another place, or remove it first: convert never overwrites.")
    if not target.parent.is_dir():
        raise UsageError(f"there is no folder {target.parent}", hint="Make it first.")
    whole = source.root / source.files[0].path if source.single and source.files else source.root
    if target.resolve().is_relative_to(whole.resolve()):
        raise UsageError(f"{target} lies in the data that are to be converted", hint="Name a place outside.")
    if wish.document_path.exists():
        raise UsageError(f"{wish.document_path} is there already", hint="Say --schema-out FILE, or remove it.")


def _names(source: Source, wish: Wish) -> list[str]:
    """The new name of each file, in the same folder."""
    ending = _ENDINGS[wish.to] + (_PACKED.get(wish.compression, "") if wish.format.name == "json" else "")
    if source.single:
        return [wish.target.name]
    new: dict[str, str] = {}
    for file in source.files:
        folder, _, name = file.path.rpartition("/")
        made = f"{folder}/{_bare(name)}{ending}" if folder else _bare(name) + ending
        if made in new:
            raise UsageError(
                f"{new[made]} and {file.path} would both become {made}", hint="Rename one of them, or convert them apart."
            )
        new[made] = file.path
    if not new:
        raise UsageError(f"there are no {source.format.name} files in {source.root}", hint="Check the path.")
    return list(new)


def _bare(name: str) -> str:
    """A file's name without what tells its format."""
    plain = name.removesuffix(".gz").removesuffix(".zst")
    ending = next((end for end in _DATA if plain.lower().endswith(end)), "")
    return (plain[: len(plain) - len(ending)] if ending else name) or name


def _surveyed(source: Source, wish: Wish) -> frozenset[FieldPath]:
    """JSON's fields that may be null or missing, of which only missing ones occur.

    Raises:
        DataError: keys that no schema names, or fields that are both; Collected where there are several.
    """
    if source.format.name != "json":
        return frozenset()
    from instar.formats.json.survey import survey

    found = survey((file.path, source.root / file.path, file.mapping.source) for file in source.files)
    _raise(found.problems(wish.to), f"{wish.to} cannot hold what these records have")
    return frozenset(found.missing.keys() - found.null.keys())


# ---- writing
def _written(
    source: Source, wish: Wish, made: Conversion, names: list[str], folder: Path, progress: Progress
) -> tuple[Converted, ...]:
    done: list[Converted] = []
    errors: list[InstarError] = []
    for file, name in zip(source.files, names, strict=True):
        try:
            done.append(_one(source, file, wish, made, name, folder / "data" / name, progress))
        except (DataError, ProofError) as error:
            errors.append(error)
    _raise(errors, f"{len(errors)} files cannot be converted to {wish.to}")
    return tuple(done)


def _one(source: Source, file: SourceFile, wish: Wish, made: Conversion, name: str, path: Path, progress: Progress) -> Converted:
    started = time.perf_counter()
    path.parent.mkdir(parents=True, exist_ok=True)

    def batches() -> Iterator[pa.RecordBatch]:
        return source.batches(file, made.mapping, wish.memory // 2)

    try:
        rows = wish.format.write(
            path, schema=made.target, batches=_told(batches(), file, progress), stamp=source.stamp,
            compression=wish.compression, layout="array" if wish.to == "json" else "lines",
        )  # fmt: skip
        _durable(path)
    except DataError as error:
        raise error.at(file=file.path) from error.__cause__
    except OSError as error:
        raise disk_error(f"{path} could not be written", error, Where(file=file.path)) from error
    if source.format.name != "json" and rows != (given := source.format.count(source.root / file.path)):
        raise ProofError(f"{file.path}: {given} records became {rows}", hint=_FAULT, where=Where(file=file.path))
    problem = _read_back(path, wish, made.target, batches)
    if problem:
        raise ProofError(f"{name} was read back otherwise: {problem}", hint=_FAULT, where=Where(file=file.path))
    made_size, took = path.stat().st_size, time.perf_counter() - started
    progress.event(FileConverted(file.path, name, rows, file.size, made_size, took))
    progress.advance(files=1, size=file.size)
    return Converted(file.path, name, rows, file.size, made_size)


_FAULT = "Nothing was published. This is a fault of Instar's or of the disk: report it, please."


def _read_back(path: Path, wish: Wish, target: Schema, batches: Callable[[], Iterator[pa.RecordBatch]]) -> str:
    from instar.transforms.proof.reread import compared

    return compared(path, wish.format.name, target, batches(), wish.memory // 2)


def _told(batches: Iterator[pa.RecordBatch], file: SourceFile, progress: Progress) -> Iterator[pa.RecordBatch]:
    """The batches, progress told of their rows, and of the file's size once it is read."""
    for batch in batches:
        yield batch
        progress.advance(rows=batch.num_rows)
    progress.advance(size=file.size)


def _raise(errors: list[InstarError], message: str) -> None:
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise Collected(message, hint="Nothing was written; settle each, then convert again.", errors=errors)


# ---- into place
@contextmanager
def _beside(target: Path) -> Iterator[Path]:
    """A folder beside the target, gone at the end."""
    try:
        folder = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".instar", dir=target.parent))
    except OSError as error:
        raise disk_error(f"nothing can be written beside {target}", error, Where(file=str(target))) from error
    try:
        (folder / "data").mkdir()
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _publish(folder: Path, wish: Wish, single: str | None) -> None:
    """Both renames are of whole things; the document comes first, so that data never stand without it."""
    data = folder / "data" if single is None else folder / "data" / single
    try:
        _durable(folder / "document")
        os.replace(folder / "document", wish.document_path)
        if single is None:
            for inner, _, _ in os.walk(data):
                _durable(Path(inner))
        os.rename(data, wish.target)
        _durable(wish.target.parent)
    except OSError as error:
        if not wish.target.exists():
            wish.document_path.unlink(missing_ok=True)
        raise disk_error(f"{wish.target} could not be put in place", error, Where(file=str(wish.target))) from error


def _durable(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _left_notes(source: Source) -> tuple[str, ...]:
    if not source.left:
        return ()
    shown = ", ".join(source.left[:5]) + (f" and {len(source.left) - 5} more" if len(source.left) > 5 else "")
    return (f"left where they are, as they are no data: {shown}",)
