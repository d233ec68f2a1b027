"""What is known to go wrong is said before the first byte; how a run will publish is found by trying, and leaves no trace."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from instar.formats.errors import RunError
from instar.transforms.run import preflight as module
from instar.transforms.run.effects import PosixEffects
from instar.transforms.run.listing import Entry, listing
from instar.transforms.run.preflight import bytes_copied, check_open_files, check_permissions, check_space, preflight, probe
from instar.transforms.run.state import State

root = pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may do everything")


@pytest.mark.skipif(sys.platform not in ("linux", "darwin"), reason="needs exchange")
def test_this_file_system_exchanges_and_the_probe_leaves_nothing(lake, facts):
    found = probe(lake.dataset, lake.state, PosixEffects())
    assert (found.method, found.links) == ("exchange", True)
    assert os.listdir(lake.dataset.parent) == ["flights"]
    lake.state.folder.mkdir(parents=True)
    probe(lake.dataset, lake.state, PosixEffects())
    assert os.listdir(lake.state.folder) == []


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOSYS])
def test_without_exchange_it_is_replace_with_the_reason(lake, number):
    class Old(PosixEffects):
        def exchange(self, one, other):
            raise OSError(number, os.strerror(number))

    found = probe(lake.dataset, lake.state, Old())
    assert found.method == "replace"
    assert os.strerror(number) in found.reason


def test_one_file_is_replaced(single):
    found = probe(single.dataset, single.state, PosixEffects())
    assert (found.method, found.reason) == ("replace", "the dataset is one file")


def test_a_missing_dataset(lake):
    with pytest.raises(RunError, match="is not there"):
        probe(lake.dataset / "nothing", lake.state, PosixEffects())


def test_another_file_system_is_refused_with_the_ways_out(lake):
    other = Path("/dev/shm")
    if not other.is_dir() or other.stat().st_dev == lake.dataset.stat().st_dev or not os.access(other, os.W_OK):
        pytest.skip("no second file system here")
    with pytest.raises(RunError, match="two file systems") as caught:
        probe(lake.dataset, State(other / f"instar-test-{os.getpid()}"), PosixEffects())
    assert "state =" in caught.value.hint
    assert not (other / f"instar-test-{os.getpid()}").exists()


def test_a_bind_mount_of_the_same_file_system_is_refused_too(lake, monkeypatch):
    monkeypatch.setattr(module, "_mount", lambda path: "27" if path == lake.dataset else "26")
    with pytest.raises(RunError, match="two file systems"):
        probe(lake.dataset, lake.state, PosixEffects())


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_mounts_are_told_apart_by_the_kernels_number(tmp_path):
    assert module._mount(tmp_path) == module._mount(tmp_path.parent)
    assert module._mount(Path("/proc")) != module._mount(tmp_path)


def test_a_state_folder_that_cannot_be_made(lake):
    (lake.dataset.parent / ".instar").write_bytes(b"a file is in the way")
    with pytest.raises(RunError, match="cannot be made") as caught:
        probe(lake.dataset, lake.state, PosixEffects())
    assert "state =" in caught.value.hint


def test_too_little_disk(lake):
    with pytest.raises(RunError, match=r"needs 1000000.0 TB below .* are free"):
        check_space(lake.state.folder, 10**18)
    check_space(lake.state.folder, 0)


def test_a_dataset_that_changed_since_the_plan(lake):
    planned = listing(lake.dataset)
    preflight(lake.dataset, lake.state, planned, lake.paths, "exchange", 100, 2)
    os.utime(lake.dataset / "README", ns=(1, 1))
    with pytest.raises(RunError, match="README was changed"):
        preflight(lake.dataset, lake.state, planned, lake.paths, "exchange", 100, 2)


def test_permissions(lake, monkeypatch):
    planned = listing(lake.dataset)
    denied: list[str] = []
    monkeypatch.setattr(module.os, "access", lambda path, mode: str(path) not in denied)
    check_permissions(lake.dataset, planned, lake.paths, "replace")
    denied[:] = [str(lake.dataset / lake.paths[0])]
    with pytest.raises(RunError, match=r"a\.parquet cannot be read"):
        check_permissions(lake.dataset, planned, lake.paths, "replace")
    denied[:] = [str(lake.dataset / "month=2")]
    with pytest.raises(RunError, match="month=2 cannot be written"):
        check_permissions(lake.dataset, planned, lake.paths, "replace")
    check_permissions(lake.dataset, planned, lake.paths, "exchange")
    denied[:] = [str(lake.dataset.parent)]
    with pytest.raises(RunError, match="cannot be written"):
        check_permissions(lake.dataset, planned, lake.paths, "exchange")


def test_an_owner_that_could_not_be_kept(lake, monkeypatch):
    monkeypatch.setattr(module.os, "geteuid", lambda: 54321)
    with pytest.raises(RunError, match="belongs to another user"):
        check_permissions(lake.dataset, listing(lake.dataset), lake.paths, "exchange")


@root
def test_an_unwritable_parent_is_refused(lake):
    lake.dataset.parent.chmod(0o500)
    try:
        with pytest.raises(RunError, match="cannot be written"):
            probe(lake.dataset, lake.state, PosixEffects())
    finally:
        lake.dataset.parent.chmod(0o700)


@pytest.mark.skipif(sys.platform == "win32", reason="no such limit")
def test_open_files():
    check_open_files(2)
    with pytest.raises(RunError, match="workers need") as caught:
        check_open_files(10**9)
    assert "ulimit -n" in caught.value.hint


UNPRIVILEGED = """
import os, sys
from pathlib import Path
from instar.formats.errors import RunError
from instar.transforms.run.effects import PosixEffects
from instar.transforms.run.listing import Entry, listing
from instar.transforms.run.preflight import check_permissions, probe
from instar.transforms.run.state import State
import instar.formats.manifest, instar.transforms.run.snapshot

parent, dataset = Path(sys.argv[1]), Path(sys.argv[1]) / "data"
os.setresgid(54321, 54321, 54321)
os.setresuid(54321, 54321, 54321)
for attempt in (
    lambda: probe(dataset, State.beside(dataset), PosixEffects()),
    lambda: check_permissions(dataset, listing(dataset), ("mine", "secret"), "replace"),
    lambda: check_permissions(dataset, listing(dataset), ("mine",), "exchange"),
    lambda: check_permissions(dataset, listing(dataset), ("other",), "replace"),
    lambda: PosixEffects().dress(dataset / "mine", dataset / "other"),
):
    try:
        attempt()
    except (RunError, PermissionError) as error:
        print(type(error).__name__, error)
"""


@pytest.mark.skipif(not hasattr(os, "setresuid") or os.geteuid() != 0, reason="only root can become somebody else")
def test_as_a_user_without_rights():
    with tempfile.TemporaryDirectory() as name:
        parent = Path(name)
        parent.chmod(0o755)
        (parent / "data").mkdir()
        os.chown(parent / "data", 54321, 54321)
        for file, owner, mode in (("mine", 54321, 0o600), ("secret", 0, 0o600), ("other", 0, 0o644)):
            (parent / "data" / file).write_bytes(b"")
            os.chown(parent / "data" / file, owner, owner)
            (parent / "data" / file).chmod(mode)
        ran = subprocess.run([sys.executable, "-c", UNPRIVILEGED, name], capture_output=True, text=True, check=False)
        if "ModuleNotFoundError" in ran.stderr or "Permission" in ran.stderr:
            pytest.skip("another user cannot read this Python installation")
    said = ran.stdout.splitlines()
    assert len(said) == 5, (said, ran.stderr)
    assert said[0].startswith("RunError the state folder")
    assert "cannot be made: Permission denied" in said[0]
    assert said[1] == "RunError secret cannot be read by this user"
    assert said[2] == f"RunError {name} cannot be written by this user"
    assert said[3] == "RunError other belongs to another user, who could not be kept"
    assert said[4].startswith("PermissionError")


def test_without_links_a_publish_copies_what_stays_or_what_goes():
    entries = {
        "./": Entry(0, 1, 1),
        "a": Entry(10, 1, 2),
        "d/": Entry(0, 1, 3),
        "d/b": Entry(200, 1, 4),
        "README": Entry(3000, 1, 5),
    }
    assert bytes_copied(entries, {"a"}, "exchange") == 3200
    assert bytes_copied(entries, {"a", "d/b"}, "replace") == 210
