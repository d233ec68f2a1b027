"""All that a run does to the file system, one small method each.

Stage, publish, rollback and the journal change the disk through an `Effects` object and nothing else (the data formats write
the contents of new files themselves; making those durable is done here). It can therefore be replaced: by one that stops at the
n-th effect, by one that records, or by one without hard links.

What durable means here. A *file's* contents and attributes survive a power cut after `sync_file`; its *name* survives only
after `sync_folder` of the folder that holds it. Rename, replace, link, exchange and unlink are each atomic to other
processes, and become durable at the next `sync_folder` of the folders concerned; before that a power cut may show either state,
never a mixture, save that a file moved between two folders may have both names when only the new one's folder was synced. A drive
that lies about flushing its cache is beyond us.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import shutil
import stat
import sys
from pathlib import Path
from typing import BinaryIO, Protocol

UNSUPPORTED = frozenset(
    {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOTTY, errno.EXDEV, errno.EPERM, errno.EMLINK}
)
"""What a file system answers that lacks a feature (hard links, clones, exchange), or lacks it between these two places."""


class Effects(Protocol):
    """Every effect raises OSError as the system does, and then has changed nothing (a copy removes what it had written)."""

    def create(self, path: Path, data: bytes) -> None:
        """A new file with this content, durable, but for its name; FileExistsError where there is one."""
        ...

    def append(self, path: Path, data: bytes) -> None:
        """Add to the end of a file (made if missing), durable but for its name. A power cut may leave a part of `data`."""
        ...

    def truncate(self, path: Path, size: int) -> None:
        """Cut a file to `size` bytes, durable."""
        ...

    def sync_file(self, path: Path) -> None:
        """Contents and attributes of the file reach the disk before this returns."""
        ...

    def sync_folder(self, path: Path) -> None:
        """The names in the folder and its attributes reach the disk (on Windows: nothing to do)."""
        ...

    def link(self, source: Path, target: Path) -> None:
        """A second name for the same file; FileExistsError where `target` is taken."""
        ...

    def symlink(self, source: Path, target: Path) -> None:
        """A symbolic link at `target`; FileExistsError where it is taken. For people to look through, never for data."""
        ...

    def copy(self, source: Path, target: Path) -> None:
        """A new file with the same bytes, attributes and times, durable but for its name; blocks are shared where possible."""
        ...

    def rename(self, source: Path, target: Path) -> None:
        """Move a file or folder to a name that is free."""
        ...

    def replace(self, source: Path, target: Path) -> None:
        """Move a file over another: whoever opens `target` gets one or the other, whole."""
        ...

    def exchange(self, one: Path, other: Path) -> None:
        """Swap two folders in one step; OSError(ENOSYS, EINVAL …) where the system or the file system cannot."""
        ...

    def unlink(self, path: Path) -> None: ...

    def make_folder(self, path: Path) -> None:
        """A new folder; its parent must be there. FileExistsError where there is one."""
        ...

    def remove_folder(self, path: Path) -> None:
        """Remove an empty folder."""
        ...

    def dress(self, path: Path, like: Path) -> None:
        """Give a file or folder the mode, owner, group, ACL and extended attributes of another (not its times)."""
        ...

    def set_times(self, path: Path, atime_ns: int, mtime_ns: int) -> None: ...

    def make_writable(self, folder: Path) -> None:
        """Let the owner change a folder that is about to be removed."""
        ...


class PosixEffects:
    """The real file system; on Windows what it offers of it."""

    def create(self, path: Path, data: bytes) -> None:
        with open(path, "xb") as file:
            try:
                file.write(data)
                _flush(file)
            except OSError:
                path.unlink(missing_ok=True)
                raise

    def append(self, path: Path, data: bytes) -> None:
        with open(path, "ab") as file:
            file.write(data)
            _flush(file)

    def truncate(self, path: Path, size: int) -> None:
        with open(path, "r+b") as file:
            file.truncate(size)
            _flush(file)

    def sync_file(self, path: Path) -> None:
        writable = sys.platform == "win32"  # FlushFileBuffers wants a handle that may write
        descriptor = os.open(path, (os.O_RDWR if writable else os.O_RDONLY) | getattr(os, "O_BINARY", 0))
        _sync_and_close(descriptor)

    def sync_folder(self, path: Path) -> None:
        if sys.platform != "win32":
            _sync_and_close(os.open(path, os.O_RDONLY | os.O_DIRECTORY))

    def link(self, source: Path, target: Path) -> None:
        os.link(source, target, follow_symlinks=False) if os.link in os.supports_follow_symlinks else os.link(source, target)

    def symlink(self, source: Path, target: Path) -> None:
        os.symlink(source, target)

    def copy(self, source: Path, target: Path) -> None:
        with open(source, "rb") as old, open(target, "xb") as new:
            try:
                _copy_bytes(old, new)
                new.flush()  # what is written later would set the time anew
                self.dress(target, source)
                known = os.fstat(old.fileno())
                self.set_times(target, known.st_atime_ns, known.st_mtime_ns)
                _flush(new)
            except OSError:
                target.unlink(missing_ok=True)
                raise

    def rename(self, source: Path, target: Path) -> None:
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
        os.rename(source, target)

    def replace(self, source: Path, target: Path) -> None:
        os.replace(source, target)

    def exchange(self, one: Path, other: Path) -> None:
        _exchange(one, other)

    def unlink(self, path: Path) -> None:
        os.unlink(path)

    def make_folder(self, path: Path) -> None:
        os.mkdir(path)

    def remove_folder(self, path: Path) -> None:
        os.rmdir(path)

    def dress(self, path: Path, like: Path) -> None:
        wanted, found = os.stat(like), os.stat(path)
        if (wanted.st_uid, wanted.st_gid) != (found.st_uid, found.st_gid) and hasattr(os, "chown"):
            os.chown(path, wanted.st_uid, wanted.st_gid)
        _copy_attributes(like, path)  # before the mode, which may forbid it: user attributes need a writable file
        os.chmod(
            path, stat.S_IMODE(wanted.st_mode)
        )  # after chown, which clears setuid and setgid, and after ACLs that were inherited

    def set_times(self, path: Path, atime_ns: int, mtime_ns: int) -> None:
        os.utime(path, ns=(atime_ns, mtime_ns))

    def make_writable(self, folder: Path) -> None:
        os.chmod(folder, stat.S_IRWXU)


def _flush(file: BinaryIO) -> None:
    file.flush()
    _sync(file.fileno())


def _sync(descriptor: int) -> None:
    if sys.platform == "darwin":  # fsync(2) there stops at the drive's cache; F_FULLFSYNC is refused by some network shares
        import fcntl

        with contextlib.suppress(OSError):
            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
            return
    os.fsync(descriptor)


def _sync_and_close(descriptor: int) -> None:
    try:
        _sync(descriptor)
    finally:
        os.close(descriptor)


def begin_flush(path: Path) -> None:
    """Let the system begin to write a file's contents to the disk (Linux), without waiting: `sync_file` has less to do later.
    A hint, on which nothing depends and which changes nothing."""
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None)
    if hasattr(libc, "sync_file_range"):
        with contextlib.suppress(OSError), open(path, "rb") as file:
            begin = ctypes.c_uint(2)  # SYNC_FILE_RANGE_WRITE
            libc.sync_file_range(file.fileno(), ctypes.c_int64(0), ctypes.c_int64(0), begin)


# ---- copying
_FICLONE = 0x40049409  # linux/fs.h: _IOW(0x94, 9, int)


def _copy_bytes(old: BinaryIO, new: BinaryIO) -> None:
    """Share the blocks where the file system can; else copy inside the kernel; else by hand."""
    if sys.platform == "linux":
        import fcntl

        with contextlib.suppress(OSError):
            fcntl.ioctl(new.fileno(), _FICLONE, old.fileno())
            return
        if _copied_by_kernel(old.fileno(), new.fileno()):
            return
    shutil.copyfileobj(old, new, 1 << 20)


def _copied_by_kernel(old: int, new: int) -> bool:
    """copy_file_range(2) to the end; False where it cannot between these two, nothing having been copied then."""
    copied = 0
    while True:
        try:
            count = os.copy_file_range(old, new, 1 << 30)
        except OSError as error:
            if copied == 0 and error.errno in UNSUPPORTED:
                return False
            raise
        if count == 0:
            return copied > 0 or os.fstat(old).st_size == 0  # some pseudo file systems copy nothing and say no error
        copied += count


def _copy_attributes(source: Path, target: Path) -> None:
    """Extended attributes, ACLs among them: the target has the source's afterwards and no others it may have inherited."""
    if sys.platform == "darwin":
        _copyfile_attributes(source, target)
    elif hasattr(os, "listxattr"):
        _copy_xattrs(source, target)


def _copy_xattrs(source: Path, target: Path) -> None:
    wanted, found = _xattrs(source), _xattrs(target)
    for name in found.keys() - wanted.keys():
        if not _belongs_to_the_host(name):
            os.removexattr(target, name)
    for name, value in wanted.items():
        if found.get(name) == value:
            continue
        try:
            os.setxattr(target, name, value)
        except OSError as error:
            if not (_belongs_to_the_host(name) and error.errno in UNSUPPORTED):
                raise


def _xattrs(path: Path) -> dict[str, bytes]:
    try:
        return {name: os.getxattr(path, name) for name in os.listxattr(path)}
    except OSError as error:
        if error.errno in UNSUPPORTED:
            return {}
        raise


def _belongs_to_the_host(name: str) -> bool:
    """Labels that the system's policy sets (SELinux, IMA) and may not let a user set; everything else is the data owner's."""
    return name.startswith(("security.", "trusted."))


def _copyfile_attributes(source: Path, target: Path) -> None:
    """macOS copyfile(3) with COPYFILE_ACL | COPYFILE_XATTR."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.copyfile(os.fsencode(source), os.fsencode(target), None, ctypes.c_uint32(1 << 0 | 1 << 2)) != 0:
        _raise_errno(target)


# ---- exchange
def _exchange(one: Path, other: Path) -> None:
    """Linux renameat2(RENAME_EXCHANGE), macOS renamex_np(RENAME_SWAP)."""
    if sys.platform == "win32":
        raise OSError(errno.ENOSYS, "Windows cannot exchange two folders", str(one))
    libc = ctypes.CDLL(None, use_errno=True)
    if sys.platform == "darwin" and hasattr(libc, "renamex_np"):
        result = libc.renamex_np(os.fsencode(one), os.fsencode(other), ctypes.c_uint(2))
    elif hasattr(libc, "renameat2"):
        here = ctypes.c_int(-100)  # AT_FDCWD
        result = libc.renameat2(here, os.fsencode(one), here, os.fsencode(other), ctypes.c_uint(2))
    else:
        raise OSError(errno.ENOSYS, "this system's C library cannot exchange two folders", str(one))
    if result != 0:
        _raise_errno(one)


def _raise_errno(path: Path) -> None:
    number = ctypes.get_errno()
    raise OSError(number, os.strerror(number), str(path))
