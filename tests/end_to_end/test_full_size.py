"""Full-size flights in mixed versions: 336,776 rows, 12 partitions, four files already at version 2, two at version 3."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest
from support import Answer, data_tree, tree

MONTHS = [f"month={m:02d}" for m in range(1, 13)]


@pytest.fixture
def mixed(project: Path, full_size: Path, instar: Callable[..., Answer]) -> Path:
    flights = project / "data" / "flights"
    shutil.rmtree(flights)
    shutil.copytree(full_size / "flights", flights)
    return mix(project, instar)


@pytest.fixture
def small_mixed(project: Path, instar: Callable[..., Answer]) -> Path:
    return mix(project, instar)


def mix(project: Path, instar: Callable[..., Answer]) -> Path:
    """The dataset with months 1–4 at version 2 and 5–6 at version 3, made by upgrades of those months alone."""
    whole, aside = project / "data" / "whole", (project / "data" / "flights")
    shutil.move(aside, whole)
    for months, version in ((MONTHS[:4], 2), (MONTHS[4:6], 3)):
        aside.mkdir()
        for month in months:
            shutil.move(whole / month, aside / month)
        answer = instar("upgrade", "flights", str(version), "--json", at=project)
        assert answer.code == 0, answer.out
        for month in months:
            shutil.move(aside / month, whole / month)
        shutil.rmtree(aside)
        shutil.rmtree(project / "data" / ".instar")
    shutil.move(whole, aside)
    return project


def test_one_upgrade_brings_a_mixed_directory_to_the_newest_version(mixed: Path, instar: Callable[..., Answer]) -> None:
    data = mixed / "data" / "flights"
    found = instar("current", "flights", "--json", at=mixed).json[0]["versions"]
    assert found == {"1": 6, "2": 4, "3": 2}

    untouched = tree(mixed, times=True)
    planned = instar("plan", "flights", "--json", at=mixed)
    assert planned.code == 0, planned.out
    assert tree(mixed, times=True) == untouched
    assert planned.json["files"] == {"rewrite": 10, "keep": 2, "carried_over": 2, "skipped": 0}

    report = instar("upgrade", "flights", "--json", at=mixed).json
    assert report["from"] == {"1": 6, "2": 4}
    assert report["files"]["kept"] == 2
    assert report["proof"]["verdict"] == "proved"
    assert report["rows_in"] == report["rows_out"]
    assert abs(report["bytes_planned"] - report["bytes_out"]) <= 0.2 * report["bytes_out"]
    assert instar("current", "flights", "--json", at=mixed).json[0]["versions"] == {"3": 12}

    files = sorted(data.rglob("*.parquet"))
    assert len({pq.read_schema(f).remove_metadata() for f in files}) == 1
    relation = duckdb.sql(
        f"SELECT count(*), count(DISTINCT route.origin), sum(distance_km) FROM read_parquet({[str(f) for f in files]})"
    )
    assert relation is not None
    rows = relation.fetchall()[0]
    assert rows[:2] == (336_776, 3)

    after = tree(data, times=True)
    again = instar("upgrade", "flights", "--json", at=mixed)
    assert again.json["status"] == "nothing to do"
    assert tree(data, times=True) == after


def test_a_stamped_file_whose_columns_were_changed_is_reported_not_skipped(
    small_mixed: Path, instar: Callable[..., Answer]
) -> None:
    """pyarrow carries the stamp through `drop_columns`: a stamp alone is never believed."""
    path = small_mixed / "data" / "flights" / MONTHS[0] / "part-0.parquet"
    table = pq.ParquetFile(path).read()
    assert b"instar.version" in (table.schema.metadata or {})
    changed = table.drop_columns(["tailnum"])
    assert changed.schema.metadata[b"instar.version"] == b"2"
    pq.write_table(changed, path)
    before = data_tree(small_mixed)
    status = instar("status", "flights", "--json", at=small_mixed).json
    assert [p["path"] for p in status["problems"]] == [f"{MONTHS[0]}/part-0.parquet"]
    assert "tailnum" in status["problems"][0]["problem"]
    for verb in ("plan", "upgrade"):
        answer = instar(verb, "flights", "--json", at=small_mixed)
        assert answer.code == 1
        assert answer.json["error"]["where"]["file"] == f"{MONTHS[0]}/part-0.parquet"
    assert data_tree(small_mixed) == before
