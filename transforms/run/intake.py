"""What is late in old trees comes into the dataset, which has then what its writers wrote, and the next run converts it.

Order on disk, by file: Carried → the file stands in the dataset → all listings, then the Withdrawn lines, of what was taken in.
What was cut off in between is found again by what is on disk (`Late.stands`) and by the lines (`OldTree.begun`), and gone on with.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from pathlib import Path

from instar.transforms.run.carry import clear_spares, put_newest
from instar.transforms.run.effects import UNSUPPORTED, Effects
from instar.transforms.run.journal import Carried, Withdrawn
from instar.transforms.run.late import Late
from instar.transforms.run.listing import Entry, is_same, listing_bytes, read_listing
from instar.transforms.run.renewal import renew
from instar.transforms.run.state import RunFolder, RunState
from instar.transforms.run.tree import folders_above

WHY = "a writer went on in the old file, which stands in its place again"


def take_in(late: Late, base: Path, effects: Effects) -> bool:
    """Let the file stand in the dataset, whose paths are relative to `base`: under its own name, in the place of what had been made
    of it. False: somebody else was quicker to take its name, or to change what it would take the place of.

    Raises:
        OSError: the disk says no; calling again goes on from there.
    """
    if late.stands == late.path:
        return True
    late.run.run.open_journal(effects).write(Carried(late.path, "added" if late.what == "landed" else "changed"))
    try:
        stands = late.stands or _put(late, base, effects)
        if stands != late.path:
            _make_folders(late, base, effects)
            effects.rename(base / stands, base / late.path)
            effects.sync_folder((base / stands).parent)
    except FileExistsError:
        return False
    effects.sync_folder((base / late.path).parent)
    return True


def _put(late: Late, base: Path, effects: Effects) -> str:
    """Into the dataset, in one step; answers with the name under which it stands then."""
    run = late.run.run
    clear_spares(run, effects)
    if late.over:
        if not is_same(base / late.over, late.made):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(base / late.over))
        put_newest(late.file, base / late.over, run, effects)
        effects.sync_folder((base / late.over).parent)
        return late.over
    _make_folders(late, base, effects)
    try:
        effects.link(late.file, base / late.path)
    except OSError as error:
        if isinstance(error, FileExistsError) or error.errno not in UNSUPPORTED:
            raise
        effects.copy(late.file, run.spare)
        effects.sync_folder(run.path)
        effects.rename(run.spare, base / late.path)
    return late.path


def _make_folders(late: Late, base: Path, effects: Effects) -> None:
    """Those that the file is in, as they are in the old tree."""
    for folder in reversed(folders_above(late.path)):
        if not (base / folder).is_dir():
            effects.make_folder(base / folder)
            effects.dress(base / folder, late.run.run.snapshot / folder)
            effects.sync_folder((base / folder).parent)


def record(taken: Sequence[tuple[Late, str]], effects: Effects) -> None:
    """What was taken in is known from now on, each with its hash ("" where nobody knows it): it is late no more, and what had been
    made of it counts no more.

    Raises:
        OSError: the disk says no. RunError: as `read_listing`.
    """
    runs = {run.id: run for late, _ in taken for run, _ in _places(late)}
    for run in runs.values():
        here = [(late, path, hash) for late, hash in taken for each, path in _places(late) if each.id == run.id]
        _renew(run.run, here, effects)
    for late, _ in taken:
        if late.what != "landed":
            for run, path in (*late.makers, (late.run, late.path)):
                run.run.open_journal(effects).write(Withdrawn(path, WHY))


def _places(late: Late) -> tuple[tuple[RunState, str], ...]:
    """The snapshots that hold it, and its name in each."""
    return ((late.run, late.path), *late.same)


def _renew(run: RunFolder, taken: Sequence[tuple[Late, str, str]], effects: Effects) -> None:
    """The first listing comes last: by it is told that there is nothing left to list."""
    before, after = read_listing(run.before), read_listing(run.after)
    came = dict[str, Entry]()
    for late, path, hash in taken:
        if path not in before:
            came |= {f"{folder}/": _folder(run.snapshot / folder) for folder in folders_above(path)} | {path: late.entry}
        if late.what == "landed" and late.stands not in ("", path):
            before.pop(late.stands, None)
        before[path] = late.entry._replace(hash=hash)
    clear_spares(run, effects)
    if came.keys() - after.keys():
        renew(run.after, listing_bytes({**came, **after}), effects)
    renew(run.before, listing_bytes({**came, **before}), effects)


def _folder(path: Path) -> Entry:
    known = os.stat(path)
    return Entry(0, known.st_mtime_ns, known.st_ino)
