"""What a process of the command line loads for an upgrade that only copies, and that it ends without a word."""

from __future__ import annotations

import json
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from authoring import Author

OPERATIONS = ('op.rename("n", to="number")', 'op.cast("n", "string")', 'op.derive("k", "int64", sql="n + 1")')
LOADED = """
import sys
from instar.cli.main import main
try:
    main()
finally:
    print(*sys.modules, sep="\\n", file=sys.stderr)
"""


def with_sales(author: Author, operation: str) -> None:
    data = author.data("sales")
    for i in range(3):
        pq.write_table(pa.table({"n": list(range(i, i + 50)), "m": ["x"] * 50}), data / f"{i}.parquet")
    author.adopt("sales")
    author.step("sales", operation)


def upgrade(author: Author, *python: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *python, "upgrade", "sales", "--json"]
    return subprocess.run(command, cwd=author.folder, capture_output=True, text=True, check=True)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_process_ends_without_a_word(operation: str, author: Author) -> None:
    with_sales(author, operation)
    ended = upgrade(author, "-m", "instar")
    assert json.loads(ended.stdout)["status"] == "done"
    assert ended.stderr == ""


UNUSED = (
    "instar.formats.parquet.rewrite", "instar.formats.parquet.scratch", "instar.formats.parquet.recoding",
    "instar.formats.parquet.uniform", "instar.transforms.proof.claims", "instar.transforms.proof.bounds",
    "instar.cli.log", "instar.cli.metrics", "instar.transforms.run.collect", "instar.transforms.run.footprint",
    "instar.transforms.profile", "instar.transforms.aligned", "instar.transforms.account", "instar.formats.levels",
    "instar.transforms.operations._cast", "instar.transforms.operations._python", "instar.transforms.function",
    "instar.transforms.casts", "instar.transforms.inverse", "instar.transforms.recovered", "instar.transforms.backwards",
    "instar.transforms.most_errors", "instar.transforms.naming", "instar.transforms.run.processes", "instar.transforms.run.late",
    "jinja2", "matplotlib", "duckdb", "fastavro", "msgspec", "rich", "pandas", "statistics", "difflib", "zoneinfo",
    "pyarrow.dataset", "pyarrow.compute",
)  # fmt: skip
"""What is for files that are encoded or computed, or for other migrations and options: a start has no time to give."""


def test_a_rename_loads_nothing_that_only_other_changes_use(author: Author) -> None:
    with_sales(author, 'op.rename("n", to="number")')
    loaded = upgrade(author, "-c", LOADED).stderr.splitlines()
    assert "instar.transforms.proof.copied" in loaded
    assert [name for name in UNUSED if name in loaded] == []
