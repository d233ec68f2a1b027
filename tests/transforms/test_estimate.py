"""What a run is estimated to take, and how many processes it is worth."""

from __future__ import annotations

from pathlib import Path

import pytest

from instar.transforms.estimate import BYTES_A_WORKER, estimate_seconds, workers_worth


def sized(path: Path, size: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.truncate(size)


@pytest.mark.parametrize(
    ("sizes", "workers"),
    [
        ((), 1),
        ((BYTES_A_WORKER - 1,), 1),
        ((BYTES_A_WORKER, BYTES_A_WORKER - 1), 1),
        ((BYTES_A_WORKER, BYTES_A_WORKER), 2),
        ((3 * BYTES_A_WORKER + 5,), 3),
        ((1, BYTES_A_WORKER * 9, 1), 4),
    ],
)
def test_little_data_is_not_worth_many_processes(sizes: tuple[int, ...], workers: int, tmp_path: Path) -> None:
    place = tmp_path / "lake"
    place.mkdir()
    for number, size in enumerate(sizes):
        sized(place / f"month={number}" / "part", size)
    assert workers_worth(place, 4) == workers
    link = tmp_path / "link"
    link.symlink_to(place)
    assert workers_worth(link, 4) == workers


def test_a_file_is_a_dataset_too_and_one_that_is_not_there_is_told_of_elsewhere(tmp_path: Path) -> None:
    sized(tmp_path / "one.json", 2 * BYTES_A_WORKER)
    sized(tmp_path / "other.json", 2 * BYTES_A_WORKER)
    assert workers_worth(tmp_path / "one.json", 4) == 2
    assert workers_worth(tmp_path / "two.json", 4) == 1


def test_many_small_files_take_longer_than_one_of_their_size() -> None:
    assert estimate_seconds("parquet", 1_600_000, 300, 2) > 5 * estimate_seconds("parquet", 1_600_000, 1, 2)
    assert estimate_seconds("json", 0, 300, 1) > 1.9 * estimate_seconds("json", 0, 300, 4)
