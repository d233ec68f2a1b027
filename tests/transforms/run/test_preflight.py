"""What is known to go wrong is said before the first byte; how a run will publish is found by trying, and leaves no trace."""

from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import get_args

import pytest

from instar.formats.errors import Collected, RunError
from instar.transforms.run import obstacles as module_of_obstacles
from instar.transforms.run import preflight as module
from instar.transforms.run.effects import PosixEffects
from instar.transforms.run.journal import Method
from instar.transforms.run.listing import Entry, listing
from instar.transforms.run.obstacles import obstacles
from instar.transforms.run.preflight import bytes_copied, preflight, probe
from instar.transforms.run.state import State

METHODS = get_args(Method)
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
    here, places = lake.dataset.stat().st_dev, (Path("/dev/shm"), Path("/var/tmp"), Path.home())
    other = next((p for p in places if p.is_dir() and p.stat().st_dev != here and os.access(p, os.W_OK)), None)
    if other is None:
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


def hindrances(
    lake, method: Method = "replace", *, paths: tuple[str, ...] | None = None, needed: int = 0, workers: int = 2
) -> list[str]:
    """What stands in the way, in words."""
    planned = listing(lake.dataset)
    return [str(each) for each in obstacles(lake.dataset, lake.state, planned, paths or lake.paths, method, needed, workers)]


def test_nothing_stands_in_the_way(lake):
    for method in METHODS:
        assert hindrances(lake, method, needed=1000) == []


def test_too_little_disk(lake):
    (said,) = hindrances(lake, needed=10**18)
    assert re.search(r"needs 1000000.0 TB below .* are free", said)


def test_a_little_too_little_disk_is_said_in_bytes(lake, monkeypatch):
    monkeypatch.setattr(module_of_obstacles.shutil, "disk_usage", lambda path: SimpleNamespace(free=2_955_000))
    (said,) = hindrances(lake, needed=2_900_000)
    assert re.search(r"needs 2,9\d\d,\d\d\d bytes below .*, and 2,955,000 are free", said)


def test_too_few_inodes(lake, monkeypatch):
    real = os.statvfs(lake.dataset)
    few = SimpleNamespace(
        f_frsize=4096, f_bavail=real.f_bavail, f_blocks=real.f_blocks, f_bfree=real.f_bfree, f_files=100, f_favail=3
    )
    monkeypatch.setattr(module_of_obstacles.os, "statvfs", lambda path: few)
    assert any("3 inodes are free" in said for said in hindrances(lake))
    few.f_files = few.f_favail = 0  # a file system that does not count them
    assert hindrances(lake) == []


def test_everything_is_named_at_once(lake, monkeypatch):
    denied = [str(lake.dataset / path) for path in lake.paths[:2]] + [str(lake.dataset / "month=2")]
    monkeypatch.setattr(module_of_obstacles.os, "access", lambda path, mode: str(path) not in denied)
    planned = listing(lake.dataset)
    with pytest.raises(Collected) as caught:
        preflight(lake.dataset, lake.state, planned, lake.paths, "replace", 10**18, 10**9)
    said = [str(each) for each in caught.value.errors]
    assert len(said) == 4, said
    for part, text in zip(
        ("TB below", "workers need", f"{lake.paths[0]}, {lake.paths[1]}: each cannot be read", "month=2 cannot be written"),
        (said[0], said[-1], said[1], said[2]),
        strict=True,
    ):
        assert part in text
    assert all(each.hint for each in caught.value.errors)
    assert caught.value.exit_code == 1


def test_paths_that_the_state_folder_makes_too_long(lake):
    deep = lake.dataset
    limit = os.pathconf("/", "PC_PATH_MAX")
    while len(os.fsencode(deep)) < limit - 150:
        deep = deep / ("d" * min(100, limit - 50 - len(os.fsencode(deep))))
    deep = deep / ("e" * (limit - 20 - len(os.fsencode(deep))))
    deep.mkdir(parents=True)
    assert any("longer path below" in said for said in hindrances(lake, "exchange"))


@pytest.mark.skipif(sys.platform != "linux", reason="chattr")
@pytest.mark.parametrize(
    ("method", "place", "refused"), [("exchange", "README", True), ("replace", "README", False), ("replace", "month=1", True)]
)
def test_what_is_marked_immutable(method, place, refused, lake):
    path = lake.dataset / place
    if subprocess.run(["chattr", "+i", str(path)], capture_output=True, check=False).returncode:
        pytest.skip("chattr is not permitted here")
    try:
        said = hindrances(lake, method)
        assert bool(said) == refused
        assert refused == any(f"{place} is marked immutable" in each.replace("/ is", " is") for each in said)
    finally:
        subprocess.run(["chattr", "-i", str(path)], check=True)


@pytest.mark.parametrize("method", ["exchange", "replace", "shadow"])
def test_what_writers_did_since_the_plan_is_in_nobodys_way(lake, method):
    planned = listing(lake.dataset)
    os.utime(lake.dataset / "README", ns=(1, 1))
    (lake.dataset / lake.paths[0]).unlink()
    shutil.rmtree(lake.dataset / "empty")
    (lake.dataset / "late.parquet").write_bytes(b"late")
    preflight(lake.dataset, lake.state, planned, lake.paths, method, 100, 2)


def test_permissions(lake, monkeypatch):
    denied: list[str] = []
    monkeypatch.setattr(module_of_obstacles.os, "access", lambda path, mode: str(path) not in denied)
    denied[:] = [str(lake.dataset / lake.paths[0])]
    assert hindrances(lake) == [f"{lake.paths[0]} cannot be read by this user"]
    denied[:] = [str(lake.dataset / "month=2")]
    assert hindrances(lake) == [f"{lake.dataset / 'month=2'} cannot be written by this user"]
    assert hindrances(lake, "exchange") == []
    denied[:] = [str(lake.dataset.parent)]
    assert any("cannot be written" in said for said in hindrances(lake, "exchange"))


def test_an_owner_that_could_not_be_kept(lake, monkeypatch):
    monkeypatch.setattr(module_of_obstacles, "_may_give_away", lambda: False)
    monkeypatch.setattr(module_of_obstacles.os, "geteuid", lambda: 54321)
    assert any("belongs to another user" in said for said in hindrances(lake, "exchange"))
    monkeypatch.undo()
    monkeypatch.setattr(module_of_obstacles, "_may_give_away", lambda: False)
    monkeypatch.setattr(module_of_obstacles.os, "getegid", lambda: 54321)
    monkeypatch.setattr(module_of_obstacles.os, "getgroups", list)
    assert any("a group that this user is not in" in said for said in hindrances(lake))


@root
def test_an_unwritable_parent_is_refused(lake):
    lake.dataset.parent.chmod(0o500)
    try:
        with pytest.raises(RunError, match="cannot be written"):
            probe(lake.dataset, lake.state, PosixEffects())
    finally:
        lake.dataset.parent.chmod(0o700)


LIMITED = """
import resource, sys
from instar.transforms.run.obstacles import _open_files, allow_open_files
resource.setrlimit(resource.RLIMIT_NOFILE, (70, int(sys.argv[1])))
print([str(each) for each in _open_files(4)])
allow_open_files(4)
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no such limit")
@pytest.mark.parametrize(("hard", "enough"), [(500, True), (80, False)])
def test_the_limit_on_open_files_is_raised_where_that_helps(hard, enough):
    done = subprocess.run([sys.executable, "-c", LIMITED, str(hard)], capture_output=True, text=True, check=True)
    refused, soft = done.stdout.splitlines()
    assert ("workers need" in refused) == (not enough)
    assert (int(soft) > 90) == enough


UNPRIVILEGED = """
import os, sys
from pathlib import Path
from instar.formats.errors import RunError
from instar.transforms.run.effects import PosixEffects
from instar.transforms.run.listing import Entry, listing
from instar.transforms.run.obstacles import obstacles
from instar.transforms.run.preflight import probe
from instar.transforms.run.state import State
import fcntl, resource, instar.formats.manifest, instar.transforms.run.snapshot

parent, dataset = Path(sys.argv[1]), Path(sys.argv[1]) / "data"
os.setresgid(54321, 54321, 54321)
os.setresuid(54321, 54321, 54321)
def look(paths, method):
    for each in obstacles(dataset, State.beside(dataset), listing(dataset), paths, method, 0, 2):
        print("found", each)
for attempt in (
    lambda: probe(dataset, State.beside(dataset), PosixEffects()),
    lambda: look(("mine", "secret"), "replace"),
    lambda: look(("mine",), "exchange"),
    lambda: look(("other",), "replace"),
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
    assert "Traceback" not in ran.stderr, ran.stderr
    assert said[0].startswith("RunError the state folder")
    assert "cannot be made: Permission denied" in said[0]
    made = f"found the state folder {name}/.instar/data cannot be made by this user"
    unlinked = "belongs to another user and may not be linked by this one, so it could not be carried over as it is"
    assert said[1:-1] == [
        made, "found secret cannot be read by this user", "found secret belongs to another user, who could not be kept",
        made, f"found {name} cannot be written by this user",
        f"found other, secret: each {unlinked}",
        made, "found other belongs to another user, who could not be kept",
    ], said  # fmt: skip
    assert said[-1].startswith("PermissionError")


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
