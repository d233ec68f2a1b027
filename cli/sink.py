"""Where the lines of a log go. What cannot be written is counted, told at the end, and stops nothing."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path
from typing import Protocol

import click

from instar.formats.errors import UsageError

LATER = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE, errno.EAGAIN)
"""What may be over by the next line; everything else was wrong from the beginning."""


class Sink(Protocol):
    on_stderr: bool

    def write(self, line: str) -> None:
        """A line, without its end. Raises nothing."""
        ...

    def close(self) -> str:
        """What was lost, and why; "" where nothing was."""
        ...


class ToStderr:
    """Lines on standard error. Where nobody reads them any more there is nobody to tell of it."""

    on_stderr = True

    def write(self, line: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            click.echo(line, err=True)

    def close(self) -> str:
        return ""


class ToFile:
    """Lines at the end of a file, each in one write, so that several jobs can share it.

    Raises:
        UsageError: there is no such folder, it is no file, or a permission is missing.
    """

    on_stderr = False

    def __init__(self, path: Path) -> None:
        self._path, self._file = path.absolute(), -1
        self._torn = False  # the last line has no end yet
        self._lost, self._why = 0, ""
        try:
            self._open()
        except OSError as error:
            if error.errno not in LATER:
                raise UsageError(
                    f"the log cannot be written to {path}: {error.strerror}", hint="Say --log-file another."
                ) from error

    def _open(self) -> None:
        if self._file < 0:
            self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o666)

    def write(self, line: str) -> None:
        try:
            self._open()
            data = ("\n" * self._torn + line + "\n").encode("utf-8", "backslashreplace")
            while data:
                self._torn = True
                data = data[os.write(self._file, data) :]
            self._torn = False
        except OSError as error:
            self._lost += 1
            self._why = error.strerror or type(error).__name__

    def close(self) -> str:
        if self._file >= 0:
            with contextlib.suppress(OSError):  # what was written is written
                os.close(self._file)
            self._file = -1
        if not self._lost:
            return ""
        lines = "1 line" if self._lost == 1 else f"{self._lost:,} lines"
        return f"{lines} of the log could not be written to {self._path}: {self._why}"
