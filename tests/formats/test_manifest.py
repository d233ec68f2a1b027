"""The manifest: what it remembers, when it stops believing itself, and that it is written whole or not at all."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from instar.formats.atomic import write_text
from instar.formats.errors import DatasetError
from instar.formats.manifest import NAME, Entry, Hashed, Manifest, content_hash, entry


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "a.json").write_text('{"id": 1}\n')
    (folder / "b.json").write_text('{"id": 2}\n')
    return folder


def met(data: Path, name: str, version: int = 1) -> Entry:
    return entry(data, name, version=version, how="adopted", document="d")


def spoken_of(manifest: Manifest, data: Path, name: str) -> int | None:
    status = (data / name).stat()
    found = manifest.entry_for(data, name, status.st_size, status.st_mtime_ns)
    return found.version if found else None


def test_it_is_saved_and_loaded(tmp_path: Path, data: Path) -> None:
    state = tmp_path / ".instar" / "data"
    assert Manifest.load(state) == Manifest()
    manifest = Manifest().with_entries([met(data, "b.json"), met(data, "a.json", 2)])
    manifest.save(state)
    assert Manifest.load(state) == manifest
    assert [path.name for path in state.iterdir()] == [NAME]
    lines = (state / NAME).read_text().splitlines()
    assert [line.split('"')[1] for line in lines[1:-1]] == ["a.json", "b.json"]
    Manifest().save(state)
    assert Manifest.load(state).entries == {}


def test_odd_names_survive(tmp_path: Path) -> None:
    names = ['a "b"\\c.json', "été ✈.json", "line\nbreak.json", os.fsdecode(b"\xff\xfe.json")]
    for name in names:
        (tmp_path / name).write_text("{}")
    manifest = Manifest().with_entries(met(tmp_path, name) for name in names)
    manifest.save(tmp_path / "state")
    assert Manifest.load(tmp_path / "state") == manifest


def test_an_entry_counts_while_its_file_is_the_same(data: Path) -> None:
    manifest = Manifest().with_entries([met(data, "a.json")])
    assert spoken_of(manifest, data, "a.json") == 1
    assert spoken_of(manifest, data, "b.json") is None


def test_a_copy_with_another_time_is_known_by_its_content(data: Path) -> None:
    manifest = Manifest().with_entries([met(data, "a.json")])
    os.utime(data / "a.json", (1, 1))
    assert spoken_of(manifest, data, "a.json") == 1
    (data / "a.json").write_text('{"id": 7}\n')
    assert (data / "a.json").stat().st_size == manifest.entries["a.json"].size
    assert spoken_of(manifest, data, "a.json") is None


def test_another_size_needs_no_reading(data: Path) -> None:
    manifest = Manifest().with_entries([met(data, "a.json")])
    assert manifest.entry_for(data / "nowhere", "a.json", 3, 1) is None


def test_entries_replace_older_ones_of_the_same_file(data: Path) -> None:
    first = Manifest().with_entries([met(data, "a.json"), met(data, "b.json")])
    second = first.with_entries([met(data, "a.json", 2)])
    assert spoken_of(first, data, "a.json") == 1
    assert spoken_of(second, data, "a.json") == 2
    assert spoken_of(second, data, "b.json") == 1


def test_the_hash_is_xxh3_128(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    assert content_hash(tmp_path / "empty") == "99aa06d3014798d86001c324468d497f"  # the algorithm's own test vector


@pytest.mark.parametrize("size", [0, 5, 1 << 19, (3 << 19) + 7, 70 << 19])
def test_the_hash_of_a_file_that_begins_alike_goes_on_from_there(size: int, tmp_path: Path) -> None:
    data = bytes(i * i % 251 for i in range(1 << 10)) * (size >> 10) + b"x" * (size % 1024)
    (tmp_path / "one").write_bytes(data)
    known = Hashed(tmp_path / "one")
    for alike in {0, size // 2, max(size - 9, 0), size}:
        (tmp_path / "other").write_bytes(data[:alike] + b"another end")
        assert known.hash_of(tmp_path / "other", alike) == content_hash(tmp_path / "other")


def test_what_is_alike_is_not_read_again(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).write_bytes(name.encode() * (1 << 19))
    known = Hashed(tmp_path / "one")
    assert known.hash_of(tmp_path / "other", 3 << 19) != content_hash(tmp_path / "other")  # it takes our word for it


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"form": 1}',
        '{"form": 2, "files": {}}',
        '{"form": 1, "files": {"a": {}}}',
        '{"form": 1, "files": {"a": {"size": "1", "mtime_ns": 1, "hash": "", "version": 1, "how": "adopted", "document": ""}}}',
        '{"form": 1, "files": {"a": {"size": 1, "mtime_ns": 1, "hash": "", "version": 1, "how": "guessed", "document": ""}}}',
    ],
)
def test_a_damaged_manifest_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / NAME).write_text(text)
    with pytest.raises(DatasetError, match=NAME) as error:
        Manifest.load(tmp_path)
    assert "instar stamp" in error.value.hint


def test_a_failed_save_keeps_the_old_one(tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = Manifest().with_entries([met(data, "a.json")])
    manifest.save(tmp_path / "state")

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        manifest.with_entries([met(data, "b.json")]).save(tmp_path / "state")
    assert Manifest.load(tmp_path / "state") == manifest
    assert [path.name for path in (tmp_path / "state").iterdir()] == [NAME]


def test_an_exclusive_write_takes_no_name_that_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    write_text(path, "1", exclusive=True)
    with pytest.raises(FileExistsError):
        write_text(path, "2", exclusive=True)
    assert path.read_text() == "1"
    path.chmod(0o640)
    write_text(path, json.dumps("é"))
    assert path.stat().st_mode & 0o777 == 0o640
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.json"]
