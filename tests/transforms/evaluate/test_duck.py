"""Instar's DuckDB connections say nothing of themselves."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "opened",
    [
        "from instar.transforms.evaluate.duck import connect; connection = connect()",
        "from instar.transforms.proof.connection import sealed; connection = sealed(memory=1 << 30)",
    ],
)
def test_no_progress_bar_is_drawn_where_python_has_no_main_file(opened: str) -> None:
    """DuckDB takes `python -c`, a prompt or a notebook for a person who watches, and draws its bar among the library's output."""
    asked = "print(connection.sql(\"SELECT current_setting('enable_progress_bar')\").fetchall()[0][0])"
    done = subprocess.run([sys.executable, "-c", f"{opened}; {asked}"], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
