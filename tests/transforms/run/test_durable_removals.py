"""What a run has removed stays removed when the power goes: it would lie about for good beside a run that is done."""

from __future__ import annotations

from pathlib import Path

import pytest
from killing import Quick

from instar.transforms.run.preflight import probe


class Noting(Quick):
    """Notes of which folders the names are not durable: in all, and when the run was written down as published."""

    def __init__(self) -> None:
        self.open: set[Path] = set()
        self.when_published: set[Path] | None = None

    def unlink(self, path: Path) -> None:
        super().unlink(path)
        self.open.add(path.parent)

    def remove_folder(self, path: Path) -> None:
        super().remove_folder(path)
        self.open.discard(path)
        self.open.add(path.parent)

    def sync_folder(self, path: Path) -> None:
        super().sync_folder(path)
        self.open.discard(path)

    def append(self, path: Path, data: bytes) -> None:
        super().append(path, data)
        if b'"event": "Published"' in data:
            self.when_published = set(self.open)


@pytest.mark.parametrize("method", ["exchange", "replace"])
def test_of_a_publish(lake, method):
    effects = Noting()
    lake.publish(effects, method=method)
    assert effects.when_published == set()


def test_of_the_trials_before_it(lake):
    lake.state.folder.mkdir(parents=True)
    effects = Noting()
    probe(lake.dataset, lake.state, effects)
    assert effects.open == set()
