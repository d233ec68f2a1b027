"""Of many files alike, a plan looks once for what a rewrite could not keep; of every file that is unlike them it looks again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support import Answer

from instar.formats.parquet import fidelity


def test_files_of_one_form_are_looked_at_once(
    tmp_path: Path, instar: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data" / "sales"
    data.mkdir(parents=True)
    for number in range(40):
        codec = {17: "gzip", 23: "snappy"}.get(number, "zstd")
        rows = pa.table({"id": range(number, number + 3), "name": [str(number)] * 3})
        pq.write_table(rows, data / f"{number:02}.parquet", compression=codec)
    assert instar("init", "--from", "data/sales", at=tmp_path).code == 0
    (tmp_path / "migrations" / "sales").mkdir()
    script = '"""A name."""\nfrom instar import op\nupgrade = [op.rename("name", to="label")]\n'
    (tmp_path / "migrations" / "sales" / "0002_label.py").write_text(script)
    assert instar("register", "sales", at=tmp_path).code == 0
    asked, really = list[str](), fidelity.unkeepable

    def unkeepable(path: Path, *rest: Any, **named: Any) -> object:
        asked.append(path.name)
        return really(path, *rest, **named)

    monkeypatch.setattr(fidelity, "unkeepable", unkeepable)
    assert instar("plan", "sales", at=tmp_path).code == 0
    assert asked == ["00.parquet", "17.parquet", "23.parquet"]
