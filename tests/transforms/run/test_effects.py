"""The one module that touches the disk: what it copies, what it refuses, and that it works on this file system."""

from __future__ import annotations

import errno
import os
import stat
import sys

import pytest

from instar.transforms.run import effects as module
from instar.transforms.run.effects import PosixEffects

EFFECTS = PosixEffects()
linux = pytest.mark.skipif(sys.platform != "linux", reason="Linux's extended attributes and system calls")


def test_create_and_rename_never_overwrite(tmp_path):
    EFFECTS.create(tmp_path / "a", b"1")
    with pytest.raises(FileExistsError):
        EFFECTS.create(tmp_path / "a", b"2")
    EFFECTS.create(tmp_path / "b", b"2")
    for name in ("rename", "link", "copy"):
        with pytest.raises(FileExistsError):
            getattr(EFFECTS, name)(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == b"2"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot exchange folders")
def test_exchange_swaps_two_folders_and_keeps_their_inodes_and_times(tmp_path):
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).write_bytes(b"")
        os.utime(tmp_path / name, ns=(1, len(name)))
    inodes = {name: os.stat(tmp_path / name).st_ino for name in ("one", "other")}
    (tmp_path / "deep").mkdir()
    EFFECTS.rename(tmp_path / "other", tmp_path / "deep" / "other")
    EFFECTS.exchange(tmp_path / "one", tmp_path / "deep" / "other")
    assert (tmp_path / "one" / "other").exists()
    assert os.stat(tmp_path / "one").st_ino == inodes["other"]
    assert os.stat(tmp_path / "deep" / "other").st_ino == inodes["one"]
    assert os.stat(tmp_path / "one").st_mtime_ns == 5
    with pytest.raises(FileNotFoundError):
        EFFECTS.exchange(tmp_path / "one", tmp_path / "nothing")


@pytest.mark.parametrize("size", [0, 1, 3_000_001])
@pytest.mark.parametrize("kernel", [True, False])
def test_copy_has_bytes_mode_times_and_attributes(tmp_path, monkeypatch, size, kernel):
    if not kernel:
        monkeypatch.setattr(module, "_copied_by_kernel", lambda old, new: False)
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(os.urandom(size))
    source.chmod(0o4751)
    if hasattr(os, "setxattr"):
        os.setxattr(source, "user.a", b"\x00\xff")
    os.utime(source, ns=(3, 10**18 + 7))
    EFFECTS.copy(source, target)
    assert target.read_bytes() == source.read_bytes()
    assert stat.S_IMODE(target.stat().st_mode) == 0o4751
    assert target.stat().st_mtime_ns == 10**18 + 7
    if hasattr(os, "getxattr"):
        assert os.getxattr(target, "user.a") == b"\x00\xff"


def test_a_copy_that_fails_leaves_nothing(tmp_path, monkeypatch):
    def full(old, new):
        new.write(b"part")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module, "_copy_bytes", full)
    (tmp_path / "source").write_bytes(b"x")
    with pytest.raises(OSError, match="No space"):
        EFFECTS.copy(tmp_path / "source", tmp_path / "target")
    assert not (tmp_path / "target").exists()


@linux
def test_dress_also_takes_away_what_the_new_file_inherited(tmp_path):
    like, path = tmp_path / "like", tmp_path / "path"
    like.write_bytes(b"")
    path.write_bytes(b"")
    os.setxattr(path, "user.inherited", b"1")
    os.setxattr(like, "user.kept", b"2")
    EFFECTS.dress(path, like)
    assert os.listxattr(path) == ["user.kept"]


@linux
def test_an_access_control_list_is_kept(tmp_path):
    """ACL_USER_OBJ rw-, ACL_USER 1234 r--, ACL_GROUP_OBJ r--, ACL_MASK r--, ACL_OTHER --- (acl(5), the kernel's form)."""
    import struct

    entries = [(0x01, 6, 0xFFFFFFFF), (0x02, 4, 1234), (0x04, 4, 0xFFFFFFFF), (0x10, 4, 0xFFFFFFFF), (0x20, 0, 0xFFFFFFFF)]
    acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
    like, path = tmp_path / "like", tmp_path / "path"
    like.write_bytes(b"")
    path.write_bytes(b"")
    try:
        os.setxattr(like, "system.posix_acl_access", acl)
    except OSError as error:
        pytest.skip(f"this file system has no ACLs: {error}")
    EFFECTS.dress(path, like)
    assert os.getxattr(path, "system.posix_acl_access") == acl


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives files away")
def test_owner_and_group_are_kept(tmp_path):
    like, path = tmp_path / "like", tmp_path / "path"
    like.write_bytes(b"")
    path.write_bytes(b"")
    os.chown(like, 1234, 4321)
    like.chmod(0o2640)
    EFFECTS.dress(path, like)
    assert (path.stat().st_uid, path.stat().st_gid, stat.S_IMODE(path.stat().st_mode)) == (1234, 4321, 0o2640)


def test_a_system_without_the_call_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(module.ctypes, "CDLL", lambda *args, **named: object())
    with pytest.raises(OSError, match="cannot exchange") as caught:
        EFFECTS.exchange(tmp_path, tmp_path)
    assert caught.value.errno in module.UNSUPPORTED


def test_append_and_truncate(tmp_path):
    EFFECTS.append(tmp_path / "a", b"12")
    EFFECTS.append(tmp_path / "a", b"34")
    EFFECTS.truncate(tmp_path / "a", 3)
    EFFECTS.sync_file(tmp_path / "a")
    EFFECTS.sync_folder(tmp_path)
    assert (tmp_path / "a").read_bytes() == b"123"
