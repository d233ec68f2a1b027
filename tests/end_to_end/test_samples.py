"""The three sample datasets, up, down and back: Parquet, Avro and JSON as a team would have them."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fastavro
import pyarrow.parquet as pq
import pytest
from support import Answer, tree

DATASETS = ("flights", "weather", "events")


@pytest.mark.parametrize("dataset", DATASETS)
def test_upgrade_takes_two_versions_in_one_pass_and_rollback_restores_every_byte(
    dataset: str, project: Path, instar: Callable[..., Answer]
) -> None:
    data = project / "data" / dataset
    before = tree(data)
    answer = instar("upgrade", dataset, "--json", at=project)
    assert answer.code == 0, answer.out
    report = answer.json
    assert report["status"] == "done"
    assert list(report["from"]) == ["1"]
    assert report["to"] == 3
    assert report["rows_in"] == report["rows_out"] > 0
    assert report["proof"]["verdict"] == "proved"
    assert tree(data) != before
    current = instar("current", dataset, "--json", at=project).json
    assert list(current[0]["versions"]) == ["3"]
    back = instar("rollback", dataset, "--json", at=project)
    assert back.code == 0, back.out
    assert tree(data) == before


@pytest.mark.usefixtures("three_months")
@pytest.mark.parametrize("dataset", ["flights", pytest.param("weather", marks=pytest.mark.slow), "events"])
def test_the_same_upgrade_twice_gives_equal_trees(
    dataset: str, project: Path, instar: Callable[..., Answer], tmp_path: Path
) -> None:
    assert instar("upgrade", dataset, "--workers", "2", at=project).code == 0
    first = tree(project / "data" / dataset)
    assert instar("rollback", dataset, at=project).code == 0
    assert instar("upgrade", dataset, "--workers", "1", at=project).code == 0
    assert tree(project / "data" / dataset) == first


@pytest.mark.usefixtures("three_months")
@pytest.mark.parametrize("dataset", DATASETS)
def test_an_upgraded_dataset_upgrades_to_itself(dataset: str, project: Path, instar: Callable[..., Answer]) -> None:
    assert instar("upgrade", dataset, at=project).code == 0
    before = tree(project / "data" / dataset, times=True)
    again = instar("upgrade", dataset, "--json", at=project)
    assert again.code == 0
    assert again.json["status"] == "nothing to do"
    assert tree(project / "data" / dataset, times=True) == before


def test_check_proves_every_script_of_the_samples(project: Path, instar: Callable[..., Answer]) -> None:
    answer = instar("check", "--json", at=project)
    assert answer.code == 0, answer.out
    assert {subject: [step["version"] for step in steps] for subject, steps in answer.json["subjects"].items()} == {
        "events": [2, 3], "flights": [2, 3], "weather": [2, 3],
    }  # fmt: skip


@pytest.mark.usefixtures("three_months")
def test_a_dataset_elsewhere_upgrades_the_same(project: Path, instar: Callable[..., Answer], tmp_path: Path) -> None:
    """The state lies beside the data, wherever that is; the project's folder is not written."""
    lake = tmp_path / "lake"
    shutil.move(project / "data" / "flights", lake / "flights")
    text = (project / "instar.toml").read_text().replace('"data/flights"', f'"{lake / "flights"}"')
    (project / "instar.toml").write_text(text)
    before = tree(project)
    assert instar("upgrade", "flights", at=project).code == 0
    assert tree(project) == before
    assert (lake / ".instar" / "flights").is_dir()


def test_flights_come_back_whole(project: Path, instar: Callable[..., Answer]) -> None:
    """What the scripts drop, their `downgrade` computes again: every value is as it was."""
    data = project / "data" / "flights"
    files = sorted(path.relative_to(data) for path in data.rglob("*.parquet"))
    before = {path: pq.ParquetFile(data / path).read() for path in files}
    assert instar("upgrade", "flights", at=project).code == 0
    answer = instar("downgrade", "flights", "1", "--json", at=project)
    assert answer.code == 0, answer.out
    assert {loss["path"] for loss in answer.json["losses"]} == {"distance", "hour", "minute"}
    assert answer.json["proof"]["verdict"] == "proved"
    for path in files:
        after = pq.ParquetFile(data / path).read()
        assert after.schema.remove_metadata() == before[path].schema.remove_metadata()
        assert after.equals(before[path])


def test_weather_comes_back_but_for_the_filled_pressures(project: Path, instar: Callable[..., Answer]) -> None:
    data = project / "data" / "weather"

    def records() -> list[dict[str, Any]]:
        found = []
        for path in sorted(data.glob("*.avro")):
            with path.open("rb") as file:
                found += list(fastavro.reader(file))
        return found

    before = records()
    assert instar("upgrade", "weather", at=project).code == 0
    answer = instar("downgrade", "weather", "1", "--json", at=project)
    assert answer.code == 0, answer.out
    assert {loss["path"] for loss in answer.json["losses"]} == {"pressure", "temp"}
    for old, new in zip(before, records(), strict=True):
        assert new["pressure"] == (-1.0 if old["pressure"] is None else old["pressure"])
        assert new["temp"] == (None if old["temp"] is None else round(old["temp"], 2))
        assert {k: v for k, v in new.items() if k not in ("pressure", "temp")} == {
            k: v for k, v in old.items() if k not in ("pressure", "temp")
        }


def test_events_come_back_but_for_the_filled_actions(project: Path, instar: Callable[..., Answer]) -> None:
    data = project / "data" / "events"

    def documents() -> list[dict[str, Any]]:
        lines = (data / "2024-05.ndjson").read_text().splitlines()
        packed = gzip.decompress((data / "2024-06.ndjson.gz").read_bytes()).decode().splitlines()
        return [*map(json.loads, [*lines, *packed]), *json.loads((data / "2024-07.json").read_text())]

    before = documents()
    assert instar("upgrade", "events", at=project).code == 0
    upgraded = documents()
    assert all(isinstance(d["actor"]["id"], str) and d["source"] == "github" and "action" in d for d in upgraded)
    answer = instar("downgrade", "events", "1", "--json", at=project)
    assert answer.code == 0, answer.out
    assert {loss["path"] for loss in answer.json["losses"]} == {"action", "repository.size"}
    assert documents() == [{**old, "action": old.get("action", "none")} for old in before]
