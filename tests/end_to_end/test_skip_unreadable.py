"""Files that cannot be read: by default all of them are named and nothing happens; with --skip-unreadable they stay untouched."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from authoring import Author
from support import Answer, data_tree

from instar.formats import manifest
from instar.transforms.run import stage_file

Instar = Callable[..., Answer]

ONE = ("--workers", "1")
FILES = {
    "flights": ("month=01/part-0.parquet", "month=02/part-0.parquet"),
    "weather": ("EWR.avro", "JFK.avro"),
    "events": ("2024-06.ndjson.gz", "2024-05.ndjson"),
}


@pytest.fixture(params=sorted(FILES))
def damaged(request: pytest.FixtureRequest, project: Path, instar: Instar) -> tuple[str, Path, dict[str, bytes]]:
    """A dataset, its folder, and two files: of one the end is missing, the other is damaged where the inventory does not look."""
    name = request.param
    folder = project / "data" / name
    for month in range(4, 13):
        shutil.rmtree(folder / f"month={month:02}", ignore_errors=True)
    cut, inside = (folder / file for file in FILES[name])
    if name == "events":  # what the manifest knows is not read again for the inventory
        instar("stamp", name, "1", FILES[name][1], "--json", at=project)
    cut.write_bytes(cut.read_bytes()[:-9])
    known, data = inside.stat(), bytearray(inside.read_bytes())
    at = {"flights": 4, "weather": len(data) // 2, "events": data.index(b"\n", len(data) // 2) + 1}[name]
    data[at : at + 64] = b"\xff" * 64
    inside.write_bytes(data)
    os.utime(inside, ns=(known.st_atime_ns, known.st_mtime_ns))
    return name, folder, {file: (folder / file).read_bytes() for file in FILES[name]}


def test_by_default_every_one_is_named_and_nothing_changes(
    damaged: tuple[str, Path, dict[str, bytes]], project: Path, instar: Instar
) -> None:
    name, folder, files = damaged
    before = data_tree(folder)
    first = instar("upgrade", name, *ONE, "--json", at=project)
    assert first.code == 1
    assert first.json["error"]["where"]["file"] == FILES[name][0]
    status = instar("status", name, at=project)
    assert "Nothing can be migrated before these are settled; --skip-unreadable leaves them as they are." in status.out
    assert [p["unreadable"] for p in instar("status", name, "--json", at=project).json["problems"]] == [True]
    (folder / FILES[name][0]).unlink()
    twice = [FILES[name][1], *([] if name == "events" else [f"copy-{Path(FILES[name][1]).name}"])]
    for copy in twice[1:]:
        shutil.copy(folder / twice[0], folder / copy)
    second = instar("upgrade", name, *ONE, "--json", at=project)
    assert second.code == 1
    errors = second.json["error"].get("errors", [second.json["error"]])
    assert {e["where"]["file"] for e in errors} == set(twice)
    now = data_tree(folder)
    assert {path: now[path] for path in now if path not in twice} == {
        path: before[path] for path in before if path not in FILES[name]
    }
    assert (folder / FILES[name][1]).read_bytes() == files[FILES[name][1]]


@pytest.mark.parametrize("method", ["exchange", "replace"])
def test_skipped_they_stay_untouched_and_named(
    method: str, damaged: tuple[str, Path, dict[str, bytes]], project: Path, instar: Instar
) -> None:
    name, folder, files = damaged
    inodes = {file: (folder / file).stat().st_ino for file in files}
    others = {path for path in data_tree(folder) if (folder / path).is_file()} - set(files)
    before = data_tree(folder)

    plan = instar("plan", name, "--skip-unreadable", "--json", at=project)
    assert plan.code == 0, plan.out
    assert [s["path"] for s in plan.json["skipped"]] == [FILES[name][0]]
    assert plan.json["files"]["skipped"] == 1

    done = instar("upgrade", name, *ONE, "--skip-unreadable", "--method", method, "--json", at=project)
    assert done.code == 0, done.out + done.err
    assert [s["path"] for s in done.json["skipped"]] == sorted(FILES[name])
    assert all(s["problem"] for s in done.json["skipped"])
    assert done.json["files"]["skipped"] == 2
    assert done.json["files"]["rewritten"] == sum(done.json["from"].values()) > 0
    assert {file: (folder / file).read_bytes() for file in files} == files
    assert {file: (folder / file).stat().st_ino for file in files} == inodes
    assert {path for path in data_tree(folder) if (folder / path).is_file()} == others | set(files)
    assert not list(project.rglob("*.part"))
    status = instar("status", name, "--json", at=project).json
    assert [p["path"] for p in status["problems"]] == [FILES[name][0]]
    assert any(w.startswith(f"{FILES[name][1]}: the last run could not read it") for w in status["warnings"])

    again = instar("upgrade", name, *ONE, "--skip-unreadable", at=project)
    assert again.code == 0, again.out + again.err
    assert "nothing to do, all other files are at version 3" in again.out
    assert all(f"skipped: {file}" in again.out for file in files)
    assert all(again.out.count(file) == 1 for file in files), again.out

    assert instar("rollback", name, at=project).code == 0
    assert data_tree(folder) == before


def test_the_setting_of_the_dataset_counts_where_the_option_is_silent(project: Path, instar: Instar) -> None:
    path = project / "data" / "weather" / "EWR.avro"
    path.write_bytes(path.read_bytes()[:-5])
    toml = project / "instar.toml"
    toml.write_text(toml.read_text().replace("[datasets.weather]\n", "[datasets.weather]\nskip_unreadable = true\n"))
    plan = instar("plan", "weather", "--out", str(project / "plan.json"), at=project)
    assert plan.code == 0, plan.err
    assert "skipped: EWR.avro: " in plan.out
    path.write_bytes(path.read_bytes()[:-1])  # still unreadable: still the same plan
    done = instar("upgrade", "weather", *ONE, "--plan", str(project / "plan.json"), "--json", at=project)
    assert done.code == 0, done.out
    assert [s["path"] for s in done.json["skipped"]] == ["EWR.avro"]
    toml.write_text(toml.read_text().replace("skip_unreadable = true", 'skip_unreadable = "yes"'))
    assert instar("plan", "weather", at=project).code == 2


def test_what_does_not_fit_is_no_unreadable_file(project: Path, instar: Instar) -> None:
    (project / "data" / "events" / "2024-05.ndjson").write_text('{"event": 5}\n')
    answer = instar("upgrade", "events", *ONE, "--skip-unreadable", "--json", at=project)
    assert answer.code == 1
    assert answer.json["error"]["where"]["file"] == "2024-05.ndjson"


def test_a_drive_that_cannot_read_one_file(project: Path, instar: Instar, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(path: Path) -> manifest.Hashed:
        if path.name == "EWR.avro":
            raise OSError(5, "Input/output error")
        return manifest.Hashed(path)

    monkeypatch.setattr(stage_file, "Hashed", broken)
    before = (project / "data" / "weather" / "EWR.avro").read_bytes()
    refused: Any = instar("upgrade", "weather", *ONE, "--json", at=project)
    assert refused.code == 1
    assert refused.json["error"]["where"]["file"] == "EWR.avro"
    assert "Input/output error" in refused.json["error"]["message"]
    done = instar("upgrade", "weather", *ONE, "--skip-unreadable", "--json", at=project)
    assert done.code == 0, done.out
    assert [s["path"] for s in done.json["skipped"]] == ["EWR.avro"]
    assert (project / "data" / "weather" / "EWR.avro").read_bytes() == before


@pytest.mark.parametrize("damaged", ["EWR.avro", "LGA.avro"])
def test_a_batch_of_nothing_but_an_unreadable_file_does_not_stop_the_others(damaged: str, project: Path, instar: Instar) -> None:
    folder = project / "data" / "weather"
    cut = "EWR.avro" if damaged != "EWR.avro" else "LGA.avro"  # the inventory finds it, so that it is in no batch
    (folder / cut).write_bytes((folder / cut).read_bytes()[:-3])
    data = bytearray((folder / damaged).read_bytes())
    data[len(data) // 2 : len(data) // 2 + 64] = b"\xff" * 64
    (folder / damaged).write_bytes(data)
    done = instar(
        "upgrade", "weather", *ONE, "--skip-unreadable", "--batch-files", "1", "--method", "replace", "--json", at=project
    )
    assert done.code == 0, done.out + done.err
    assert [s["path"] for s in done.json["skipped"]] == sorted([cut, damaged])
    assert (done.json["status"], done.json["files"]["rewritten"], done.json["files"]["skipped"]) == ("done", 1, 2)
    assert (folder / damaged).read_bytes() == data
    versions = {v["version"]: v["files"] for v in instar("status", "weather", "--json", at=project).json["versions"]}
    assert versions == {1: 1, 3: 1}
    assert instar("rollback", "weather", at=project).code == 0


def test_a_file_that_only_the_reader_of_the_proof_refuses(author: Author) -> None:
    """A key is twice where no operation looks: what was staged is taken out of the run."""
    folder = author.data("things")
    for name in ("a", "b"):
        (folder / f"{name}.ndjson").write_text('{"id": 1, "more": {"one": 1, "two": 2}}\n')
    author.adopt("things")
    author.step("things", 'op.rename("id", to="number"),')
    known = (folder / "a.ndjson").stat()
    (folder / "a.ndjson").write_text('{"id": 1, "more": {"one": 1, "one": 2}}\n')
    os.utime(folder / "a.ndjson", ns=(known.st_atime_ns, known.st_mtime_ns))
    error = author.refused("upgrade", "things")
    assert "cannot be compared with its old form" in error["message"]
    assert "--skip-unreadable" in error["hint"]
    report = author.do("upgrade", "things", "--skip-unreadable")
    assert [problem["path"] for problem in report["skipped"]] == ["a.ndjson"]
    assert (report["files"]["rewritten"], report["files"]["skipped"], report["rows_in"]) == (1, 1, 1)
    assert (folder / "a.ndjson").read_text().startswith('{"id": 1, "more": {"one": 1, "one"')
    assert (folder / "b.ndjson").read_text().startswith('{"number": 1')
    assert author.run("verify", "things").code == 0
    author.do("rollback", "things")
    assert (folder / "b.ndjson").read_text().startswith('{"id": 1')


def test_the_way_out_is_said_where_one_file_refuses_a_run(author: Author) -> None:
    folder = author.data("things")
    (folder / "a.ndjson").write_text('{"id": 1}\n')
    author.adopt("things")
    author.step("things", 'op.rename("id", to="number"),')
    (folder / "b.ndjson").write_text('{"id": 1\n')
    error = author.refused("upgrade", "things")
    assert error["where"]["file"] == "b.ndjson"
    assert error["hint"].endswith("With --skip-unreadable files that cannot be read stay as they are.")
    (folder / "b.ndjson").write_text('{"id": 1}\n')
    author.do("stamp", "things", "1", "b.ndjson")
    known = (folder / "b.ndjson").stat()
    (folder / "b.ndjson").write_text('{"id": 1;\n')
    os.utime(folder / "b.ndjson", ns=(known.st_atime_ns, known.st_mtime_ns))
    error = author.refused("upgrade", "things")
    assert "not valid JSON" in error["message"]
    assert error["hint"].endswith("With --skip-unreadable files that cannot be read stay as they are.")
