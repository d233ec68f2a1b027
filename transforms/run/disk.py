"""What the disk says, as an error that tells what to do."""

from __future__ import annotations

import errno

from instar.formats.errors import RunError, Where


def disk_error(what: str, error: OSError, where: Where | None = None) -> RunError:
    """An OSError as a RunError that says what to do."""
    place = f" ({error.filename})" if error.filename else ""
    return RunError(f"{what}: {error.strerror or error}{place}", hint=_advice(error.errno), where=where)


def no_space(number: int | None) -> str:
    """What to do about a full disk or a quota that is used up; "" where the error is another."""
    match number:
        case errno.ENOSPC:
            return "The disk is full: free some space there, then repeat the command."
        case errno.EDQUOT:
            return "The disk quota is used up: free some space, then repeat the command."
        case _:
            return ""


def _advice(number: int | None) -> str:
    match number:
        case errno.ENOSPC | errno.EDQUOT:
            return no_space(number)
        case errno.EACCES | errno.EPERM:
            return "This user lacks a permission there. Run as the owner of the files, or correct the permissions."
        case errno.EROFS:
            return "The file system is mounted read-only."
        case errno.EMFILE | errno.ENFILE:
            return "Too many files are open. Raise the limit (`ulimit -n 4096`) or use fewer workers."
        case errno.EIO:
            return "The drive reports an error: check it (`dmesg`) before you trust what it holds."
        case _:
            return "Correct the cause, then repeat the command."
