"""Writing one small text file so that it is there whole or not at all."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path as FilePath


def write_text(path: FilePath, text: str, *, exclusive: bool = False) -> None:
    """Write UTF-8 text by a temporary file beside `path`, made durable and then put in place in one step.

    A reader sees the old file or the new one. On any failure the old file stays and no temporary file is left. An existing
    file keeps its mode.

    Raises:
        FileExistsError: `exclusive`, and there is a file already.
        OSError: the folder cannot be written, or the disk is full.
    """
    temporary = path.with_name(f".{path.name}.{os.urandom(6).hex()}.tmp")
    try:
        with open(temporary, "x", encoding="utf-8", newline="") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        with contextlib.suppress(FileNotFoundError):
            temporary.chmod(path.stat().st_mode & 0o7777)
        if exclusive:
            _place(temporary, path)
        else:
            temporary.replace(path)
        _sync_folder(path.parent)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def _place(temporary: FilePath, path: FilePath) -> None:
    """Give the file its name unless that is taken; a link is the one call that refuses a taken name by itself."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        if path.exists():
            raise FileExistsError(f"{path} exists") from None
        temporary.replace(path)


def _sync_folder(folder: FilePath) -> None:
    """Make a rename durable; a platform without folder handles (Windows) has no such step."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
