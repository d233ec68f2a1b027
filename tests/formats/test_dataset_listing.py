"""What lies in a dataset's directory: names only, in real trees."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
from pathlib import Path
from typing import Any

import pytest

from instar.formats.discover import Listing, list_dataset, resolve_dataset, state_folder
from instar.formats.errors import ConfigurationError, DatasetError, UsageError
from instar.formats.inventory import Inventory


def make(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        if name.endswith("/"):
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(name.encode())
    return folder


def data(listing: Listing) -> list[str]:
    return [file.path for file in listing.files]


def others(listing: Listing) -> dict[str, str]:
    return {other.path: other.kind for other in listing.others}


def test_data_and_others(tmp_path: Path) -> None:
    make(
        tmp_path, "b.parquet", "a/c.parquet", "a.parquet", "month=1/000000_0", "_SUCCESS", ".hidden", "month=1/_SUCCESS", "empty/",
        "_temporary/0/part.parquet", ".ipynb_checkpoints/x.parquet", "deep/er/", "_year=2013/x.parquet",
    )  # fmt: skip
    listing = list_dataset(tmp_path)
    assert data(listing) == ["_year=2013/x.parquet", "a.parquet", "a/c.parquet", "b.parquet", "month=1/000000_0"]
    assert others(listing) == {
        "_SUCCESS": "other", ".hidden": "other", "month=1/_SUCCESS": "other", "empty": "folder", "deep/er": "folder",
        "_temporary/0/part.parquet": "other", ".ipynb_checkpoints/x.parquet": "other",
    }  # fmt: skip
    assert listing.problems == ()
    assert listing.files[1].size == len("a.parquet")
    assert listing.files[1].mtime_ns == (tmp_path / "a.parquet").stat().st_mtime_ns


def test_side_files_describe_what_lies_beside_them(tmp_path: Path) -> None:
    make(tmp_path, "_metadata", "x/_common_metadata", "x/part.parquet", "x/.part.parquet.crc", ".gone.parquet.crc", "._SUCCESS.crc")
    found = {other.path: (other.kind, other.of) for other in list_dataset(tmp_path).others}
    assert found == {
        "_metadata": ("describes", ""),
        "x/_common_metadata": ("describes", "x"),
        "x/.part.parquet.crc": ("describes", "x/part.parquet"),
        ".gone.parquet.crc": ("other", ""),
        "._SUCCESS.crc": ("other", ""),
    }


@pytest.mark.parametrize(
    ("include", "exclude", "wanted"),
    [
        ((), (), "a.parquet b.pq x/a.parquet x/y/a.parquet x/y/c[1].pq"),
        (("*.parquet",), (), "a.parquet x/a.parquet x/y/a.parquet"),
        (("/*.parquet", "nothing"), (), "a.parquet x/a.parquet x/y/a.parquet"),
        (("x/*.parquet",), (), "x/a.parquet"),
        (("x/**/*.parquet",), (), "x/a.parquet x/y/a.parquet"),
        (("x",), (), "x/a.parquet x/y/a.parquet x/y/c[1].pq"),
        (("x/y/",), (), "x/y/a.parquet x/y/c[1].pq"),
        (("x/**",), ("*.pq",), "x/a.parquet x/y/a.parquet"),
        ((), ("y", "b.*"), "a.parquet x/a.parquet"),
        (("[ab].p*",), (), "a.parquet b.pq x/a.parquet x/y/a.parquet"),
        (("[!a].pq",), (), "b.pq"),
        (("c[[]1].pq",), (), "x/y/c[1].pq"),
        (("?.pq",), (), "b.pq"),
        (("A.parquet",), (), ""),
    ],
)
def test_globs_narrow_the_data(tmp_path: Path, include: tuple[str, ...], exclude: tuple[str, ...], wanted: str) -> None:
    make(tmp_path, "a.parquet", "b.pq", "x/a.parquet", "x/y/a.parquet", "x/y/c[1].pq")
    listing = list_dataset(tmp_path, include=include, exclude=exclude)
    assert data(listing) == wanted.split()
    assert len(listing.files) + len(listing.others) == 5


def test_an_empty_glob_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError):
        list_dataset(tmp_path, exclude=["/"])


def test_links_and_special_files_are_named(tmp_path: Path) -> None:
    make(tmp_path / "data", "a.parquet", "sub/b.parquet")
    folder = tmp_path / "data"
    (folder / "link.parquet").symlink_to("a.parquet")
    (folder / "dangling").symlink_to("nowhere")
    (folder / "sub" / "loop").symlink_to("..")
    (folder / "_link").symlink_to("a.parquet")
    os.mkfifo(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "socket"))
        listing = list_dataset(folder)
    assert data(listing) == ["a.parquet", "sub/b.parquet"]
    assert [problem.path for problem in listing.problems] == ["_link", "dangling", "link.parquet", "pipe", "socket", "sub/loop"]
    assert "named pipe" in listing.problems[3].message


@pytest.mark.parametrize(
    ("names", "owner"),
    [
        (("_delta_log/00000000000000000000.json", "part.parquet"), "Delta Lake"),
        (("tables/t/_delta_log/0.json",), "Delta Lake"),
        ((".hoodie/hoodie.properties", "x.parquet"), "Apache Hudi"),
        (("metadata/v1.metadata.json", "data/x.parquet"), "Apache Iceberg"),
        (("t/metadata/00000-abc.metadata.json.gz",), "Apache Iceberg"),
    ],
)
def test_a_table_format_owns_its_directory(tmp_path: Path, names: tuple[str, ...], owner: str) -> None:
    with pytest.raises(DatasetError, match=owner) as error:
        list_dataset(make(tmp_path, *names))
    assert error.value.exit_code == 1


def test_a_part_of_a_table_is_refused_too(tmp_path: Path) -> None:
    make(tmp_path, "t/_delta_log/0.json", "t/month=1/x.parquet", "i/metadata/v1.metadata.json", "i/data/x.parquet", "i/mine/x.json")
    with pytest.raises(DatasetError, match="Delta Lake"):
        list_dataset(tmp_path / "t" / "month=1")
    with pytest.raises(DatasetError, match="Apache Iceberg"):
        list_dataset(tmp_path / "i" / "data")
    with pytest.raises(DatasetError, match="Apache Iceberg"):
        list_dataset(tmp_path / "i" / "metadata")
    assert data(list_dataset(tmp_path / "i" / "mine")) == ["x.json"]


def test_metadata_of_ones_own_is_no_iceberg_table(tmp_path: Path) -> None:
    make(tmp_path, "metadata/notes.json", "metadata/x.parquet", "x.metadata.json")
    assert len(list_dataset(tmp_path).files) == 3


def test_a_dataset_around_another_is_refused(tmp_path: Path) -> None:
    make(tmp_path, "flights/.instar/2013/manifest.json", "flights/2013/x.parquet")
    with pytest.raises(DatasetError, match="state of another dataset"):
        list_dataset(tmp_path / "flights")


def test_a_single_file_is_a_dataset(tmp_path: Path) -> None:
    make(tmp_path, "_only.json", "other.json")
    listing = list_dataset(tmp_path / "_only.json")
    assert data(listing) == ["_only.json"]
    assert (listing.location, listing.root) == (tmp_path / "_only.json", tmp_path)


def test_the_path_is_resolved_once(tmp_path: Path) -> None:
    make(tmp_path, "real/data/x.json")
    (tmp_path / "alias").symlink_to("real/data")
    location = resolve_dataset(tmp_path / "alias")
    assert location == (tmp_path / "real" / "data").resolve()
    assert state_folder(location) == location.parent / ".instar" / "data"
    assert state_folder(location, tmp_path / "state") == tmp_path / "state"


def test_a_missing_dataset_comes_with_what_is_near(tmp_path: Path) -> None:
    make(tmp_path, "data/flights/x.json")
    with pytest.raises(UsageError) as error:
        resolve_dataset(tmp_path / "data" / "flihgts")
    assert "'flights'" in error.value.hint
    assert error.value.exit_code == 2
    with pytest.raises(UsageError) as error:
        resolve_dataset(tmp_path / "dta" / "deep" / "flights")
    assert "dta does not exist" in error.value.hint
    assert "'data'" in error.value.hint
    with pytest.raises(UsageError):
        resolve_dataset(Path("/"))
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(DatasetError):
        resolve_dataset(tmp_path / "loop")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read anything")
def test_a_closed_folder_is_named(tmp_path: Path) -> None:
    make(tmp_path, "open/x.json", "closed/y.json")
    (tmp_path / "closed").chmod(0)
    try:
        listing = list_dataset(tmp_path)
        assert [problem.path for problem in listing.problems] == ["closed"]
        with pytest.raises(DatasetError, match="cannot be listed"):
            list_dataset(tmp_path / "closed")
    finally:
        (tmp_path / "closed").chmod(0o700)


def test_names_that_are_no_text_are_listed(tmp_path: Path) -> None:
    name = os.fsdecode(b"\xff.json")
    make(tmp_path, "été ✈.json", "line\nbreak.json")
    (tmp_path / name).write_text("{}")
    assert sorted(data(list_dataset(tmp_path, include=["*.json"]))) == sorted([name, "été ✈.json", "line\nbreak.json"])


def test_only_what_describes_rewritten_files_is_dropped(tmp_path: Path) -> None:
    make(tmp_path, "_metadata", "x/_metadata", "y/_metadata", "x/a.parquet", "x/.a.parquet.crc", "x/b.parquet", "x/.b.parquet.crc")
    listing = list_dataset(tmp_path)
    inventory = Inventory(tmp_path, tmp_path, "s", "parquet", (), listing.others)
    assert [other.path for other in inventory.describing(["x/a.parquet"])] == ["_metadata", "x/.a.parquet.crc", "x/_metadata"]
    assert inventory.describing([]) == ()


def test_a_file_that_goes_while_the_directory_is_listed_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that publishes other names removes them in one step, wherever a listing just is."""
    for name in ("a.parquet", "b.parquet", "c.parquet", "deep/d.parquet"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"PAR1")
    scandir = os.scandir

    def listed(path: Any) -> Any:
        found = scandir(path)
        if str(path) == str(tmp_path):
            entries = list(found)
            (tmp_path / "b.parquet").unlink()
            shutil.rmtree(tmp_path / "deep")
            return contextlib.nullcontext(entries)
        return found

    monkeypatch.setattr(os, "scandir", listed)
    found = list_dataset(tmp_path)
    assert [file.path for file in found.files] == ["a.parquet", "c.parquet"]
    assert not found.problems
