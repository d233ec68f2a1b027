"""Files and folders keep what they had: modes, owners, ACLs, extended attributes, times; by both methods, and after a rollback."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import struct
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from authoring import Author

pytestmark = pytest.mark.skipif(not hasattr(os, "setxattr"), reason="extended attributes as on Linux")
METHODS = ("exchange", "replace")
ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


def acl(*entries: tuple[int, int, int]) -> bytes:
    """A POSIX ACL as Linux keeps it: (tag, permissions, id) each; linux/posix_acl_xattr.h."""
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


NOBODY = 0xFFFFFFFF
ACCESS = acl((1, 6, NOBODY), (2, 4, 54321), (4, 4, NOBODY), (0x10, 6, NOBODY), (0x20, 0, NOBODY))
DEFAULT = acl((1, 7, NOBODY), (2, 5, 54321), (4, 5, NOBODY), (0x10, 5, NOBODY), (0x20, 0, NOBODY))


def facts(root: Path) -> dict[str, tuple[Any, ...]]:
    """Of the dataset and all in it: mode, owner, group, attributes, time, inode, content."""
    found = {}
    for path in (root, *sorted(root.rglob("*"))):
        known = os.stat(path)
        attributes = {name: os.getxattr(path, name) for name in os.listxattr(path)}
        content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
        found[path.relative_to(root).as_posix()] = (
            stat.S_IMODE(known.st_mode), known.st_uid, known.st_gid, attributes, known.st_mtime_ns, known.st_ino, content,
        )  # fmt: skip
    return found


def parts(known: dict[str, tuple[Any, ...]], first: int, last: int, *, without: set[str] = frozenset()) -> dict[str, Any]:  # type: ignore[assignment]
    return {path: each[first:last] for path, each in known.items() if path not in without}


@pytest.fixture
def decorated(author: Author) -> Path:
    """A dataset whose files and folders have every attribute there is; some are at the target already."""
    data = author.data("sales")
    for path in ("a.parquet", "month=1/b.parquet", "month=1/deep/c.parquet", "month=2/d.parquet"):
        (data / path).parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table({"n": [1, 2]}), data / path)
    author.adopt("sales")
    author.step("sales", 'op.rename("n", to="m")')
    (data / "month=3").mkdir()
    pq.write_table(pa.table({"m": [1]}), data / "month=3" / "at the target.parquet")
    (data / "README").write_text("read me")
    (data / "empty").mkdir()
    with (data / "_sparse").open("wb") as file:
        file.truncate(64 << 20)
    decorate(data)
    return data


def decorate(data: Path) -> None:
    if ROOT:
        for path, (user, group) in {
            "a.parquet": (54321, 54321),
            "month=1": (54321, 100),
            "README": (0, 54321),
            ".": (54321, 54321),
        }.items():
            os.chown(data / path, user, group)
    try:
        for path in ("a.parquet", "month=3/at the target.parquet"):
            os.setxattr(data / path, "system.posix_acl_access", ACCESS)
        os.setxattr(data / "month=2", "system.posix_acl_default", DEFAULT)
        os.setxattr(data.parent, "system.posix_acl_default", DEFAULT)  # what is made beside the dataset inherits it
    except OSError:
        pytest.skip("no ACLs on this file system")
    for path in ("a.parquet", "month=1", "README", "empty", "."):
        os.setxattr(data / path, "user.origin", path.encode())
    for path, mode in {
        "month=1/b.parquet": 0o4755, "month=1/deep/c.parquet": 0o440, "month=2/d.parquet": 0o600, "month=1": 0o2775,
        "month=2": 0o1777, "empty": 0o700, "README": 0o000, "month=3": 0o555, ".": 0o751,
    }.items():  # fmt: skip
        os.chmod(data / path, mode)
    for number, path in enumerate(sorted([data, *data.rglob("*")], reverse=True)):
        os.utime(path, ns=(10**18, 10**18 + number * 1_000_000_007))


@pytest.mark.skipif(not ROOT, reason="only root may read a file of mode 0 and give files away")
@pytest.mark.parametrize("method", METHODS)
def test_all_that_is_not_the_content_stays(method: str, author: Author, decorated: Path) -> None:
    before = facts(decorated)
    author.do("upgrade", "sales", "--method", method)
    after = facts(decorated)
    rewritten = {path for path in before if before[path][6] != after[path][6]}
    assert rewritten == {"a.parquet", "month=1/b.parquet", "month=1/deep/c.parquet", "month=2/d.parquet"}
    assert parts(after, 0, 4) == parts(before, 0, 4)
    changed_folders = {".", "month=1", "month=1/deep", "month=2"}
    assert parts(after, 4, 5, without=rewritten | changed_folders) == parts(before, 4, 5, without=rewritten | changed_folders)
    folders = {path for path in before if (decorated / path).is_dir()}
    kept = parts(before, 5, 6, without=rewritten | folders)
    assert parts(after, 5, 6, without=rewritten | folders) == kept
    assert os.stat(decorated / "_sparse").st_blocks * 512 < 64 << 20
    author.do("rollback", "sales")
    assert parts(facts(decorated), 0, 5) == parts(before, 0, 5)
    assert parts(facts(decorated), 6, 7) == parts(before, 6, 7)
    author.do("upgrade", "sales", "--method", method)
    assert parts(facts(decorated), 0, 4) == parts(before, 0, 4)


@pytest.mark.parametrize("method", METHODS)
def test_two_names_of_one_file_become_two_files(method: str, author: Author) -> None:
    data = author.data("sales")
    pq.write_table(pa.table({"n": [1, 2]}), data / "a.parquet")
    os.link(data / "a.parquet", data / "b.parquet")
    author.adopt("sales")
    author.step("sales", 'op.rename("n", to="m")')
    author.do("upgrade", "sales", "--method", method)
    assert (data / "a.parquet").read_bytes() == (data / "b.parquet").read_bytes()
    assert pq.read_schema(data / "b.parquet").names == ["m"]
    assert os.stat(data / "a.parquet").st_ino != os.stat(data / "b.parquet").st_ino
    author.do("rollback", "sales")
    assert pq.read_schema(data / "a.parquet").names == pq.read_schema(data / "b.parquet").names == ["n"]


@pytest.mark.parametrize("method", METHODS)
def test_names_as_long_as_they_may_be_and_names_of_parts(method: str, author: Author) -> None:
    """255 bytes, where a suffix would be too much; a file called as another's unfinished form was; bytes that are no UTF-8."""
    data = author.data("events")
    names = [
        "a.jsonl",
        "a.jsonl.part",
        "x" * 249 + ".jsonl",
        "é" * 124 + ".jsonl",
        os.fsdecode(b"caf\xe9 \xff.jsonl"),
        "new\nline.jsonl",
    ]
    for number, name in enumerate(names):
        (data / name).write_text(f'{{"n": {number}}}\n')
    (data / ("y" * 255)).write_text('{"n": 99}\n')
    author.adopt("events")
    author.step("events", 'op.rename("n", to="m")')
    assert author.do("upgrade", "events", "--method", method)["files"]["rewritten"] == len(names) + 1
    assert [(data / name).read_text() for name in names] == [f'{{"m": {number}}}\n' for number in range(len(names))]
    assert sorted(os.listdir(data)) == sorted([*names, "y" * 255])
    author.do("rollback", "events")
    assert [(data / name).read_text() for name in names] == [f'{{"n": {number}}}\n' for number in range(len(names))]


AS_ANOTHER = """
import contextlib, io, json, os, sys
from instar.cli.main import run

def command(*arguments):
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        code = run(["-C", sys.argv[1], *arguments, "--json"])
    return code, json.loads(said.getvalue())

for verb in ("upgrade", "rollback", "plan", "status"):  # loads everything, which the other user may not be able to
    command(verb, "warm")
os.chown(os.path.join(sys.argv[1], "data", ".instar"), 54321, 54321)
os.setgroups([])
os.setresgid(54321, 54321, 54321)
os.setresuid(54321, 54321, 54321)
print(json.dumps([command(*line.split()) for line in sys.argv[2:]]))
"""


def as_another_user(folder: Path, *commands: str) -> list[tuple[int, Any]]:
    """What the commands answer to a user who is not root: the exit code and the JSON of each."""
    done = subprocess.run([sys.executable, "-c", AS_ANOTHER, str(folder), *commands], capture_output=True, text=True, check=False)
    if "ModuleNotFoundError" in done.stdout + done.stderr:
        pytest.skip("another user cannot read this Python installation")
    assert done.returncode == 0, done.stdout + done.stderr
    return [(code, answer) for code, answer in json.loads(done.stdout)]


@pytest.fixture
def shared(author: Author) -> Any:
    """A project that another user owns, below a folder which everybody may enter."""
    if not ROOT:
        pytest.skip("only root can become somebody else")
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        place.chmod(0o755)
        team = Author(place / "team", author.instar)
        team.folder.mkdir()
        for dataset in ("warm", "sales"):
            data = team.data(dataset)
            for path in ("a.parquet", "b.parquet"):
                pq.write_table(pa.table({"n": [1, 2]}), data / path)
            (data / "README").write_text("read me")
            team.adopt(dataset)
            team.step(dataset, 'op.rename("n", to="m")')
        for path in (team.folder, *team.folder.rglob("*")):
            os.chown(path, 54321, 54321)
        yield team


def test_another_users_own_files_with_attributes_on_files_he_may_not_write(shared: Author) -> None:
    data = shared.folder / "data" / "sales"
    os.setxattr(data / "a.parquet", "user.origin", b"somewhere")
    os.setxattr(data, "user.origin", b"a folder")
    (data / "a.parquet").chmod(0o444)
    before = facts(data)
    answers = as_another_user(shared.folder, "upgrade sales", "rollback sales", "upgrade sales --method replace")
    assert [code for code, _ in answers] == [0, 0, 0], answers
    assert parts(facts(data), 0, 4) == parts(before, 0, 4)


def test_what_could_not_be_kept_is_named_before_anything_is_done(shared: Author) -> None:
    data = shared.folder / "data" / "sales"
    os.chown(data / "a.parquet", 0, 0)
    os.chown(data / "b.parquet", 54321, 0)
    (data / "_private").touch(0o600)
    before = facts(data)
    planned, (code, refused), (again, by_replace) = as_another_user(
        shared.folder, "plan sales", "upgrade sales", "upgrade sales --method replace"
    )
    said = [each["message"] for each in refused["error"]["errors"]]
    assert code == again == 1
    assert said == [
        "a.parquet belongs to another user, who could not be kept",
        "b.parquet belongs to a group that this user is not in, which could not be kept",
        "_private belongs to another user and may not be linked by this one, so it could not be carried over as it is",
    ]
    assert len(by_replace["error"]["errors"]) == 2
    assert [text for text in planned[1]["warnings"] if "would be refused" in text] == [
        f"the run would be refused: {text}" for text in said
    ]
    assert facts(data) == before
