"""A fault of ours is told as one: exit 70, one JSON object, the traceback only where it was asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support import Answer

from instar.transforms.dataset import Dataset


@pytest.mark.parametrize("verbose", [False, True])
def test_exit_70_and_one_object(
    verbose: bool, project: Path, instar: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Dataset) -> None:
        raise ZeroDivisionError("surprise")

    monkeypatch.setattr(Dataset, "status", broken)
    answer = instar("status", "flights", "--json", *(["-v"] if verbose else []), at=project)
    assert answer.code == 70
    assert answer.json["error"]["exit"] == 70
    assert "surprise" in answer.json["error"]["message"]
    assert ("Traceback" in answer.err) is verbose
