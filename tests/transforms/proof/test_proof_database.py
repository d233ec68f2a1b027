"""Many files proved in one DuckDB instance: as each would be alone, whatever came before it."""

from __future__ import annotations

import gc
import weakref
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from instar import op
from instar.formats.schema import Field, Integer, Record, Schema, String
from instar.transforms.proof import connection
from instar.transforms.proof.connection import cleared, file_literal, sealed
from instar.transforms.proof.database import Database
from instar.transforms.proof.integrity import prove_file
from instar.transforms.run.unit import FileProof
from tests.faults import plant
from tests.transforms.proof.conftest import Staged, staged_at

MEMORY = 1 << 27
OPERATIONS = [op.rename("id", to="key"), op.cast("count", "string"), op.add("currency", "string", default="EUR")]
LINES = Schema(Field("", Record((Field("id", Integer()), Field("count", Integer()), Field("name", String())))), {})


def half(count: int) -> int:
    return count // 2


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[duckdb.DuckDBPyConnection]:
    """The instances that are opened."""
    made: list[duckdb.DuckDBPyConnection] = []

    def opening(*files: Path, **options: Any) -> duckdb.DuckDBPyConnection:
        made.append(sealed(*files, **options))
        return made[-1]

    monkeypatch.setattr(connection, "sealed", opening)
    return made


def a_file(path: Path, format: str, start: int = 0) -> Path:
    rows = [{"id": i, "count": i * 7, "name": f"é{i}"} for i in range(start, start + 40)]
    path.parent.mkdir(parents=True, exist_ok=True)
    match format:
        case "parquet":
            pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=20)
        case "avro":
            fields = [{"name": n, "type": t} for n, t in (("id", "long"), ("count", "long"), ("name", "string"))]
            with path.open("wb") as file:
                fastavro.writer(file, {"type": "record", "name": "r", "fields": fields}, rows)
        case _:
            path.write_text("".join(f'{{"id": {r["id"]}, "count": {r["count"]}, "name": "{r["name"]}"}}\n' for r in rows))
    return path


def some(folder: Path, format: str, count: int = 3, operations: Any = OPERATIONS) -> list[Staged]:
    """Files in folders of their own of one dataset, upgraded."""
    made = []
    for number in range(count):
        name = f"month={number}/a.{format}"
        file = a_file(folder / "data" / name, format, number)
        unit, receipt = staged_at(folder / "stage" / name, file, format, operations, LINES if format == "json" else None)
        made.append((replace(unit, path=name, memory=MEMORY), replace(receipt, path=name)))
    return made


def told(proof: FileProof) -> FileProof:
    return replace(proof, seconds=0.0)


FORMATS = ["parquet", "avro", "json"]


@pytest.mark.parametrize("level", ["auto", "full"])
@pytest.mark.parametrize("format", FORMATS)
def test_files_are_proved_in_one_instance_as_they_are_alone(tmp_path, opened, format, level):
    files = some(tmp_path, format)
    with closing(Database()) as database:
        together = [prove_file(*file, level=level, database=database) for file in files]
        assert [proof.verdict for proof in together] == ["proved"] * 3
        assert len(opened) == 1
    with pytest.raises(duckdb.ConnectionException):
        opened[0].execute("SELECT 1")
    assert list(map(told, together)) == [told(prove_file(*file, level=level)) for file in files]


@pytest.mark.parametrize("format", FORMATS)
def test_what_is_wrong_is_found_as_it_is_alone_and_nothing_is_used_again(tmp_path, opened, format):
    files = some(tmp_path, format)
    with closing(Database()) as database:
        assert prove_file(*files[0], level="full", database=database).verdict == "proved"
        plant("value", Path(files[1][0].staged), format)
        wrong = prove_file(*files[1], level="full", database=database)
        assert wrong.verdict == "failed"
        assert prove_file(*files[2], level="full", database=database).verdict == "proved"
        assert len(opened) == (3 if format == "json" else 2)  # in JSON what is wrong is first looked at in a plain way
    assert told(wrong) == told(prove_file(*files[1], level="full"))


@pytest.mark.parametrize("format", FORMATS)
def test_a_file_that_changes_between_two_proofs_is_read_again(tmp_path, format):
    (file,) = some(tmp_path, format, 1)
    with closing(Database()) as database:
        assert prove_file(*file, level="full", database=database).verdict == "proved"
        plant("value", Path(file[0].staged), format)
        assert prove_file(*file, level="full", database=database).verdict == "failed"


@pytest.mark.parametrize("format", FORMATS)
def test_a_file_that_cannot_be_read_is_told_as_it_is_alone(tmp_path, format):
    files = some(tmp_path, format)
    Path(files[1][0].staged).write_bytes(Path(files[1][0].staged).read_bytes()[:-30])
    with closing(Database()) as database:
        found = [prove_file(*file, level="full", database=database) for file in files]
    assert [proof.verdict for proof in found] == ["proved", "failed", "proved"]
    assert told(found[1]) == told(prove_file(*files[1], level="full"))


def test_functions_of_the_users_stay_in_no_instance(tmp_path, opened):
    files = some(tmp_path, "parquet", 2, [op.python(half, reads=["count"], writes={"half": "int64"})])
    with closing(Database()) as database:
        assert [prove_file(*file, database=database).verdict for file in files] == ["repeated"] * 2
    assert len(opened) == 2


def test_it_reads_what_is_in_its_folders_and_nothing_else(tmp_path):
    for name in ("a[1]/deep/f", "a1/f", "a[1]b/f"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table({"x": [name]}), tmp_path / name)
    with closing(Database()) as database, database.connected((tmp_path / "a[1]",), memory=MEMORY) as connection:

        def read(path: Path) -> Any:
            return connection.execute(f"SELECT x FROM read_parquet({file_literal(path)})").fetchall()

        assert read(tmp_path / "a[1]/deep/f") == [("a[1]/deep/f",)]
        for path in (tmp_path / "a1/f", tmp_path / "a[1]b/f", tmp_path / "a[1]/../a1/f"):
            with pytest.raises(duckdb.PermissionException):
                read(path)
        for setting in ("allowed_directories = ['/']", "enable_external_access = true", "TimeZone = 'Europe/Paris'"):
            with pytest.raises(duckdb.Error):
                connection.execute(f"SET {setting}")


def test_nothing_that_was_registered_is_left(tmp_path):
    table = pa.table({"x": [1]})
    with closing(Database()) as database:
        with database.connected((), memory=MEMORY) as connection:
            connection.register("old", reader := pa.RecordBatchReader.from_batches(table.schema, table.to_batches()))
            gone = weakref.ref(reader)
            del reader
        with database.connected((), memory=MEMORY) as again:
            assert again is connection
            gc.collect()
            assert gone() is None
            with pytest.raises(duckdb.CatalogException):
                again.execute("FROM old")


@contextmanager
def failing():
    with pytest.raises(ArithmeticError):
        yield


def test_another_instance_is_opened_where_one_failed_or_something_else_is_asked_for(tmp_path, opened):
    with closing(Database()) as database:
        with failing(), database.connected((), memory=MEMORY):
            raise ArithmeticError
        for folders, memory, lossless in [((), MEMORY, False), ((tmp_path,), MEMORY, False), ((tmp_path,), 2 * MEMORY, False),
                                          ((tmp_path,), 2 * MEMORY, True)]:  # fmt: skip
            for _ in range(2):
                with database.connected(folders, memory=memory, lossless=lossless) as connection:
                    limit = connection.execute("SELECT current_setting('memory_limit')").fetchall()
                    assert limit == [(f"{memory >> 20}.0 MiB",)]
    assert len(opened) == 5
    for each in opened:
        with pytest.raises(duckdb.ConnectionException):
            each.execute("SELECT 1")


def test_one_use_within_another_has_an_instance_of_its_own(opened):
    with closing(Database()) as database:
        with database.connected((), memory=MEMORY) as outer:
            outer.register("mine", pa.table({"x": [1]}))
            with database.connected((), memory=MEMORY) as inner:
                assert inner is not outer
            assert outer.execute("FROM mine").fetchall() == [(1,)]
        with database.connected((), memory=MEMORY) as again:
            assert again is outer
    assert len(opened) == 2


def test_what_the_instance_has_of_itself_is_not_taken_out():
    with closing(sealed(memory=MEMORY)) as connection:
        before = connection.execute("SELECT count(*) FROM duckdb_views()").fetchall()
        connection.register('odd "name', pa.table({"x": [1]}))
        cleared(connection)
        assert connection.execute("SELECT count(*) FROM duckdb_views()").fetchall() == before
