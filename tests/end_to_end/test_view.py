"""`dataset.view`: the SQL, run by a plain DuckDB, gives what `scan` gives."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support import Answer

import instar
from instar.formats.errors import UsageError


def in_duckdb(sql: str, name: str) -> pa.Table:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(sql)
        return connection.sql(f"SELECT * FROM {name}").to_arrow_table()


def rows(table: pa.Table) -> list[str]:
    return sorted(map(repr, table.to_pylist()))


@pytest.fixture
def half_migrated(three_months: Path, tmp_path: Path) -> Path:
    """The flights with a month at version 1, one at 2, and one at 3."""
    project = three_months
    for version in (2, 3):
        other = tmp_path / f"at{version}"
        shutil.copytree(project, other)
        instar.open(other).dataset("flights").upgrade(version)
        path = f"data/flights/month={version:02d}/part-0.parquet"
        shutil.copy2(other / path, project / path)
    return project


@pytest.mark.parametrize("version", [1, 2, 3])
def test_a_view_of_a_half_migrated_directory_is_the_scan(half_migrated: Path, version: int) -> None:
    found = instar.open(half_migrated).dataset("flights")
    assert {file.version for file in found.inventory().files} == {1, 2, 3}
    expected = found.scan(version).read_all()
    table = in_duckdb(found.view(version), '"flights"')
    assert table.schema.names == expected.schema.names
    assert rows(table.cast(expected.schema)) == rows(expected)


def test_names_are_quoted_wherever_they_come_from(tmp_path: Path) -> None:
    """A dataset, a column, a folder and a view whose names would end a statement."""
    odd = 'a"; DROP TABLE x; --'
    folder = tmp_path / "it's" / "key=o'brien"
    folder.mkdir(parents=True)
    table = pa.table({odd: [1, None], "b": [[{"x y": "1"}], None], "select": pa.array([b"\x00", b"'"])})
    pq.write_table(table, folder / "a'b.parquet")
    (tmp_path / "instar.toml").write_text('[datasets.odd]\npath = "it\'s"\nsubject = "odd"\nformat = "parquet"\n')
    opened = instar.open(tmp_path)
    opened.register("odd", folder / "a'b.parquet")
    (tmp_path / "migrations" / "odd").mkdir(parents=True)
    (tmp_path / "migrations" / "odd" / "0002_x.py").write_text(
        'from instar import op\nupgrade = [op.derive("twice", "int64", sql=\'2 * "a""; DROP TABLE x; --"\'), '
        'op.add("note", "string", default="it\'s -- \\"")]\n'
    )
    opened.register("odd")
    found = opened.dataset("odd")
    made = in_duckdb(found.view(2, name=odd), '"a""; DROP TABLE x; --"')
    assert made.to_pylist() == found.scan(2).read_all().to_pylist()
    assert made.column("key").to_pylist() == ["o'brien"] * 2
    assert made.column("twice").to_pylist() == [2, None]


@pytest.mark.parametrize(("dataset", "said"), [("weather", "extension"), ("events", "numbers")])
def test_what_duckdb_cannot_read_exactly_is_refused_with_the_way_that_can(project: Path, dataset: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        instar.open(project).dataset(dataset).view()
    assert "scan" in caught.value.hint


def test_columns_that_duckdb_cannot_tell_apart_are_refused(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    pq.write_table(pa.table({"a": [1], "A": [2]}), tmp_path / "data" / "a.parquet")
    (tmp_path / "instar.toml").write_text('[datasets.d]\npath = "data"\nsubject = "d"\nformat = "parquet"\n')
    opened = instar.open(tmp_path)
    opened.register("d", tmp_path / "data" / "a.parquet")
    with pytest.raises(UsageError, match="case"):
        opened.dataset("d").view()


def test_the_command_prints_the_sql(project: Path, instar: Callable[..., Answer]) -> None:
    answer = instar("view", "flights", "--version", "2", "--name", "v", at=project)
    assert answer.code == 0
    assert in_duckdb(answer.out, "v").num_rows == 14_400
    assert instar("view", "flights", "--version", "2", "--name", "v", "--json", at=project).json["sql"] == answer.out


def test_what_a_chain_uses_twice_over_and_over_is_looked_at_once(tmp_path: Path) -> None:
    (tmp_path / "numbers").mkdir()
    pq.write_table(pa.table({"n": pa.array([0.5, 1.0])}), tmp_path / "numbers" / "a.parquet")
    instar.init(str(tmp_path), source="numbers")
    steps = 'op.derive("n", "double", sql="n / 2 + n / 2", replace=True)'
    (tmp_path / "migrations" / "numbers").mkdir()
    script = f"from instar import op\n\nupgrade = [{', '.join([steps] * 40)}, op.rename('n', to='m')]\n"
    (tmp_path / "migrations" / "numbers" / "0002_again.py").write_text(script)
    found = instar.open(tmp_path)
    found.register("numbers")
    assert in_duckdb(found.dataset("numbers").view(), '"numbers"').column("m").to_pylist() == [0.5, 1.0]


def test_a_file_whose_name_is_a_pattern_is_read_alone(tmp_path: Path) -> None:
    """DuckDB takes `f[1]` for `f1`, and `a*` for all that begins so."""
    names = ("f[1].parquet", "f1.parquet", "a*.parquet", "ab.parquet", "q?.parquet", "qq.parquet")
    (tmp_path / "data[1]").mkdir()
    for name in names:
        pq.write_table(pa.table({"n": [name]}), tmp_path / "data[1]" / name)
    (tmp_path / "instar.toml").write_text('[datasets.odd]\npath = "data[1]"\nsubject = "odd"\nformat = "parquet"\n')
    opened = instar.open(tmp_path)
    opened.register("odd", tmp_path / "data[1]" / "f1.parquet")
    found = opened.dataset("odd")
    assert sorted(in_duckdb(found.view(), "odd")["n"].to_pylist()) == sorted(names)
    (tmp_path / "migrations" / "odd").mkdir(parents=True)
    script = 'from instar import op\nupgrade = [op.derive("long", "string", sql="n || \'!\'")]\n'
    (tmp_path / "migrations" / "odd" / "0002_long.py").write_text(script)
    opened.register("odd")
    found.upgrade(2)
    assert sorted(in_duckdb(found.view(), "odd")["long"].to_pylist()) == sorted(f"{name}!" for name in names)
    assert found.verify().ok


def test_a_folder_key_that_differs_from_a_column_in_case_only_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data" / "ID=1").mkdir(parents=True)
    pq.write_table(pa.table({"id": [1]}), tmp_path / "data" / "ID=1" / "a.parquet")
    (tmp_path / "instar.toml").write_text('[datasets.d]\npath = "data"\nformat = "parquet"\n')
    opened = instar.open(tmp_path)
    opened.register("d", tmp_path / "data" / "ID=1" / "a.parquet")
    with pytest.raises(UsageError, match="case only"):
        opened.dataset("d").view()
    assert opened.dataset("d").scan().read_all().to_pylist() == [{"id": 1, "ID": "1"}]
