"""Real rewrites of one file, to be proved and to be damaged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from instar.formats.format import Stamp, format_named
from instar.formats.schema import Schema
from instar.transforms.mapping import chain
from instar.transforms.run.stage_file import stage_file
from instar.transforms.run.unit import Receipt, Unit

Staged = tuple[Unit, Receipt]


@pytest.fixture
def staged(tmp_path: Path) -> Callable[..., Staged]:
    """Rewrites a file by operations: the unit and its receipt."""

    def rewrite(file: Path, format: str, operations: Sequence[Any], schema: Schema | None = None) -> Staged:
        return staged_at(tmp_path / "stage" / file.name, file, format, operations, schema)

    return rewrite


def staged_at(new: Path, file: Path, format: str, operations: Sequence[Any], schema: Schema | None = None) -> Staged:
    """Rewrites a file by operations to that place."""
    own = format_named(format).inspect(file).schema
    source = schema or own
    assert source is not None
    mapping = chain(source, operations)
    unit = Unit(file.name, str(file), str(new), format, mapping, own, Stamp("subject", 2), "chain", 1 << 28)
    return unit, stage_file(unit)


def problems(proof: Any) -> dict[str, str]:
    """The problems of a proof by place."""
    return {column.path: column.problem for column in proof.columns if column.problem}
