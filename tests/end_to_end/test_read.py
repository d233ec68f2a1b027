"""`instar read`: the records of a version on stdout or in a file, in each format."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support import Answer, tree

import instar as library


def process(project: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """The command in a process of its own: its stdout takes bytes."""
    return subprocess.run([sys.executable, "-m", "instar", "-C", str(project), *arguments], capture_output=True, check=False)


@pytest.fixture
def expected(project: Path) -> pa.Table:
    return library.open(project).dataset("flights").scan(2, columns=["day", "tailnum", "time_hour"]).read_all().slice(0, 5)


FIVE = ("read", "flights", "--version", "2", "--columns", "day,tailnum,time_hour", "--limit", "5")


def test_a_table_shows_the_first_records(project: Path, instar: Callable[..., Answer]) -> None:
    lines = instar("read", "flights", "--columns", "day,route.origin", at=project).out.splitlines()
    assert lines[0].split() == ["day", "route.origin"]
    assert lines[1].split() == ["1", "EWR"]
    assert len(lines) == 22
    assert "--limit" in lines[-1]
    whole = instar("read", "flights", "--where", "day = 1 and month = 2", "--limit", "1000", "--columns", "day", at=project)
    assert set(whole.out.splitlines()[1:]) == {"1  "}


def test_each_format_holds_the_same_records(
    project: Path, instar: Callable[..., Answer], expected: pa.Table, tmp_path: Path
) -> None:
    rows = [{**row, "time_hour": row["time_hour"].strftime("%Y-%m-%dT%H:%M:%S.%fZ")} for row in expected.to_pylist()]
    assert [json.loads(line) for line in instar(*FIVE, "--format", "ndjson", at=project).out.splitlines()] == rows
    assert json.loads(instar(*FIVE, "--format", "json", at=project).out) == rows
    in_csv = csv.DictReader(io.StringIO(instar(*FIVE, "--format", "csv", at=project).out))
    assert [{**row, "day": int(row["day"])} for row in in_csv] == rows
    for suffix, read in ((".parquet", pq.read_table), (".arrow", lambda path: pa.ipc.open_stream(path).read_all())):
        output = tmp_path / f"out{suffix}"
        assert instar(*FIVE, "--output", str(output), at=project).code == 0
        assert read(output).equals(expected)
    stream = process(project, *FIVE, "--format", "arrow")
    assert pa.ipc.open_stream(stream.stdout).read_all().equals(expected)
    assert pq.read_table(pa.BufferReader(process(project, *FIVE, "--format", "parquet").stdout)).equals(expected)


def test_json_is_one_object(project: Path, instar: Callable[..., Answer], tmp_path: Path) -> None:
    said = instar(*FIVE, "--json", at=project).json
    assert (said["dataset"], said["version"], said["count"], len(said["records"])) == ("flights", 2, 5, 5)
    assert said["columns"][0] == {"name": "day", "type": "int32"}
    output = tmp_path / "o.csv"
    assert instar(*FIVE, "--output", str(output), "--json", at=project).json == {
        "dataset": "flights", "version": 2, "records": 5, "output": str(output),
    }  # fmt: skip
    assert instar("read", "flights", "--version", "9", "--json", at=project).json["error"]["exit"] == 2


def test_what_avro_and_json_hold_is_text_in_ndjson(project: Path, instar: Callable[..., Answer]) -> None:
    weather = json.loads(instar("read", "weather", "--limit", "1", "--format", "ndjson", at=project).out)
    assert weather["time_hour"] == "2013-01-01T06:00:00.000Z"
    assert weather["station"] == {"code": "EWR", "network": "ASOS"}
    said = instar("read", "events", "--version", "1", "--format", "ndjson", at=project).out
    events = [json.loads(line) for line in said.splitlines()]
    assert all(isinstance(event["repository"]["id"], int) for event in events if event["repository"].get("id"))
    assert any(isinstance(event["repository"].get("license"), dict) for event in events)


@pytest.mark.parametrize("form", ["ndjson", "csv", "arrow"])
def test_a_reader_that_leaves_is_no_failure(project: Path, form: str) -> None:
    command = [sys.executable, "-m", "instar", "-C", str(project), "read", "flights", "--format", form]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        assert running.stdout.read(100)
        running.stdout.close()
        assert running.stderr.read() == b""
        assert running.wait() == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--columns", "day,,month"), "empty name"),
        (("--columns", "nothing"), "there is no column nothing"),
        (("--where", "sum(day) > 1"), "an aggregate"),
        (("--output", "x.txt"), "what is x.txt"),
        (("--output", "data/flights/x.csv"), "lies in the dataset"),
        (("--output", "x.csv", "--format", "table"), "for people"),
        (("--output", "nowhere/x.csv"), "no folder nowhere"),
        (("--output", "instar.toml/x.csv"), "no folder instar.toml"),
        (("--version", "x"), "not a version"),
    ],
)
def test_wrong_use_is_refused_and_leaves_nothing(
    project: Path, instar: Callable[..., Answer], arguments: tuple[str, ...], said: str
) -> None:
    before = tree(project)
    answer = instar("read", "flights", *arguments, at=project)
    assert answer.code == 2
    assert said in answer.err
    assert tree(project) == before


def test_data_that_do_not_convert_leave_no_file(project: Path, instar: Callable[..., Answer], tmp_path: Path) -> None:
    path = project / "data" / "events" / "2024-05.ndjson"
    lines = path.read_text().splitlines()
    assert instar("stamp", "events", "1", "2024-05.ndjson", at=project).code == 0
    known = path.stat()
    document = json.loads(lines[3])
    old = str(document["sender"]["id"])
    path.write_text("\n".join([*lines[:3], lines[3].replace(f'"id":{old}', f'"id":{"x" * len(old)}', 1), *lines[4:]]) + "\n")
    os.utime(path, ns=(known.st_atime_ns, known.st_mtime_ns))
    output = tmp_path / "o.ndjson"
    answer: Any = instar("read", "events", "--output", str(output), "--json", at=project)
    assert answer.code == 1
    assert not output.exists()
    assert not list(tmp_path.glob(".o*"))
    assert answer.json["error"]["where"]["file"] == "2024-05.ndjson"
    assert answer.json["error"]["where"]["row"] == 3


def test_a_dataset_of_mixed_versions_is_read_whole(project: Path, instar: Callable[..., Answer], tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(project, other)
    library.open(other).dataset("flights").upgrade()
    path = "data/flights/month=05/part-0.parquet"
    shutil.copy2(other / path, project / path)
    answer = instar("read", "flights", "--version", "1", "--format", "csv", "--columns", "month", at=project)
    assert len(answer.out.splitlines()) == 14_401


def test_a_table_shows_what_json_cannot_hold(tmp_path: Path, instar: Callable[..., Answer]) -> None:
    (tmp_path / "data").mkdir()
    table = pa.table({"x": [1.5, float("nan"), None], "y": pa.array([0.1, float("-inf"), 1.0], pa.float32())})
    pq.write_table(table, tmp_path / "data" / "a.parquet")
    (tmp_path / "instar.toml").write_text('[datasets.d]\npath = "data"\nformat = "parquet"\n')
    library.open(tmp_path).register("d", tmp_path / "data" / "a.parquet")
    answer = instar("read", "d", at=tmp_path)
    assert [line.split() for line in answer.out.splitlines()] == [["x", "y"], ["1.5", "0.1"], ["nan", "-inf"], ["1.0"]]


def test_a_table_whose_reader_leaves_is_no_failure(project: Path) -> None:
    command = [sys.executable, "-m", "instar", "-C", str(project), "read", "flights"]
    reading, writing = os.pipe()
    os.close(reading)
    answer = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert (answer.returncode, answer.stderr) == (0, b"")
