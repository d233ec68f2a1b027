"""What a worker does with one unit: its file is rewritten into the stage, by a pure function of the unit."""

from __future__ import annotations

import errno
import hashlib
import os
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from instar.formats.errors import InstarError, RunError, UnreadableError, Where
from instar.formats.format import Rewritten, format_named
from instar.formats.manifest import Hashed, content_hash
from instar.transforms.evaluate.hidden import Hidden
from instar.transforms.provenance import library_versions
from instar.transforms.run.bad_records import Quarantine, may_leave_out, moved
from instar.transforms.run.disk import disk_error
from instar.transforms.run.effects import Effects, PosixEffects, begin_flush
from instar.transforms.run.executors import Report
from instar.transforms.run.request import rewrite_request
from instar.transforms.run.unit import Receipt, Unit

_UNREADABLE = (errno.EIO, errno.EACCES, errno.EPERM, errno.EBADMSG, errno.EUCLEAN)  # what is wrong with one file, not the run


def stage_file(unit: Unit, report: Report = lambda rows, source_bytes: None, effects: Effects | None = None) -> Receipt:
    """Rewrite one file. The new one is complete under its staged name, or it is not there; making it durable is the caller's.

    The format writes the contents of the `.part` file; all else is changed through `effects` (None: the real file system).
    Its mode, owner and attributes are the source's. Errors name the file by `unit.path`, and records by their number in the file.

    Raises:
        UnreadableError: the source cannot be read. FileError, DataError, Collected: from the format or the conversion. RunError:
            the source changed meanwhile, or the disk says no.
    """
    started, effects = time.perf_counter(), effects or PosixEffects()
    try:
        try:
            return _staged(unit, report, effects, started)
        except Exception:
            _unstage(unit, effects)
            raise
    except InstarError as error:
        Hidden(unit.mapping).raised(error, lambda told: at_file(told, unit.path))
    except OSError as error:
        raise disk_error(f"{unit.path} could not be rewritten", error, Where(file=unit.path)) from error


def _staged(unit: Unit, report: Report, effects: Effects, started: float) -> Receipt:
    source, target = Path(unit.source), Path(unit.staged)
    part = _part(unit)
    _make_folders(target.parent, effects)
    if os.path.lexists(part):
        effects.unlink(part)
    known, read = os.stat(source), _read_whole(unit)
    rewritten, quarantined = _rewritten(unit, source, part, report, effects)
    begin_flush(part)
    now = os.stat(source)
    if (now.st_size, now.st_mtime_ns, now.st_ino) != (known.st_size, known.st_mtime_ns, known.st_ino):
        raise RunError(f"{unit.path} changed while it was read", hint="Let its writer finish, then repeat the command.")
    effects.dress(part, source)
    effects.replace(part, target)
    return Receipt(
        path=unit.path,
        source_size=known.st_size,
        source_mtime_ns=known.st_mtime_ns,
        source_hash=read.hash,
        chain=unit.chain,
        versions=library_versions(),
        rows_in=rewritten.rows_in,
        rows_out=rewritten.rows_out,
        size=os.stat(target).st_size,
        hash=read.hash_of(target, rewritten.alike),
        seconds=time.perf_counter() - started,
        notes=rewritten.notes,
        way=rewritten.way,
        why=rewritten.why,
        target=unit.target,
        quarantined=quarantined,
        quarantine_hash=content_hash(Path(unit.bad.file)) if unit.bad and quarantined else "",
    )


def _unstage(unit: Unit, effects: Effects) -> None:
    """Nothing half-written stays: it takes room where there may be none."""
    if os.path.lexists(_part(unit)):
        effects.unlink(_part(unit))


def _make_folders(path: Path, effects: Effects) -> None:
    """`path` and what is missing above it; other workers do the same. Their names become durable with the files'."""
    if not path.is_dir():
        _make_folders(path.parent, effects)
        with suppress(FileExistsError):
            effects.make_folder(path)


def _part(unit: Unit) -> Path:
    """Where the new file is written until it is complete: a name of bounded length beside it that no other new file can have, for
    hidden files are not data."""
    staged = Path(unit.staged)
    return staged.with_name(f".{hashlib.blake2b(os.fsencode(staged.name), digest_size=8).hexdigest()}.part")


def _read_whole(unit: Unit) -> Hashed:
    """The source, which is read for its hash, so that this is where a drive tells that it cannot."""
    try:
        return Hashed(Path(unit.source))
    except OSError as error:
        if error.errno not in _UNREADABLE:
            raise
        hint = "Look at its permissions and its drive, or leave it out: --skip-unreadable, or `exclude`."
        raise UnreadableError(f"it cannot be read: {error.strerror}", hint=hint) from error


def _rewritten(unit: Unit, source: Path, part: Path, report: Report, effects: Effects) -> tuple[Rewritten, int]:
    """What the rewrite did, and how many records it left out, which stand in the file for them."""
    format = format_named(unit.format)
    mapping = unit.mapping if unit.schema is None else unit.mapping.rebased(unit.schema)
    if unit.bad is None or not may_leave_out(unit.bad.on_error, mapping):
        request = rewrite_request(
            format, mapping, source, part, memory=unit.memory, stamp=unit.stamp, progress=report, threads=unit.threads
        )
        return format.rewrite(request), 0
    bad = Path(unit.bad.file)
    _make_folders(bad.parent, effects)
    quarantine = Quarantine(unit.path, unit.bad, mapping, format, format.inspect(source).layout)
    for stale in (bad, quarantine.part):
        if os.path.lexists(stale):
            effects.unlink(stale)
    request = rewrite_request(
        format, mapping, source, part, memory=unit.memory, stamp=unit.stamp, progress=report, quarantine=quarantine
    )
    try:
        rewritten = format.rewrite(request)
        count = quarantine.finish()
    except BaseException:
        quarantine.discard(effects)
        raise
    if count:
        effects.replace(quarantine.part, bad)
    return rewritten, count


def at_file(error: InstarError, path: str) -> InstarError:
    """The error as one of the file at `path`, whatever the file was called where it was met."""
    return moved(error, lambda where: replace(where, file=path))
