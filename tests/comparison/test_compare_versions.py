"""The old side through a subject's migrations: the sample project's data, and what other tools make of them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from authoring import said
from two_sides import COUNTS, FULL, IN_PLACE, KEYED, UNORDERED, How, write

import instar
from instar.formats.errors import DatasetError, MigrationError, UsageError

EMAIL: How = {"key": "email"}
PROJECT = Path(__file__).resolve().parents[2] / "samples" / "project"


@pytest.fixture(scope="module")
def upgraded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A project whose three datasets are at their newest versions, and the folder of the data as they were."""
    folder = tmp_path_factory.mktemp("versions")
    shutil.copytree(PROJECT, folder / "project", ignore=shutil.ignore_patterns(".instar"))
    for month in (folder / "project/data/flights").glob("month=*"):
        if month.name > "month=02":
            shutil.rmtree(month)
    shutil.copytree(folder / "project/data", folder / "before")
    project = instar.open(folder / "project")
    for name in ("flights", "weather", "events"):
        project.dataset(name).upgrade()
    return folder / "project", folder / "before"


@pytest.mark.parametrize("subject", ["flights", "weather", "events"])
def test_what_a_run_made_is_what_the_migrations_make(subject: str, upgraded: tuple[Path, Path]) -> None:
    project, before = upgraded
    opened = instar.open(project)
    for how in (IN_PLACE, UNORDERED):
        report = opened.compare(before / subject, project / "data" / subject, subject=subject, from_=1, to=3, **how)
        assert report.ok, (how, report.problems, report.rows)
        assert (report.subject, report.old.version, report.new.version) == (subject, 1, 3)
    assert not opened.compare(before / subject, before / subject, subject=subject, from_=1, to=3).ok


def test_backwards(upgraded: tuple[Path, Path]) -> None:
    project, before = upgraded
    report = instar.open(project).compare(project / "data/weather", before / "weather", subject="weather", from_=3, to=1)
    assert not report.problems
    assert report.old.rows == report.new.rows


def test_another_tools_migration_of_the_same_data(upgraded: tuple[Path, Path], tmp_path: Path) -> None:
    """DuckDB writes other null-ness, row groups, codec and order of columns: none of them is a difference of the data."""
    project, before = upgraded
    for path in (project / "data/flights").rglob("*.parquet"):
        target = tmp_path / "theirs" / path.relative_to(project / "data/flights")
        target.parent.mkdir(parents=True)
        names = [f'"{name}"' for name in pq.read_schema(path).names]
        duckdb.sql(
            f"COPY (SELECT {', '.join(names[1:] + names[:1])} FROM read_parquet('{path}', hive_partitioning = false)) "
            f"TO '{target}' (FORMAT parquet, CODEC gzip)"
        )
    for how in (IN_PLACE, UNORDERED):
        report = instar.open(project).compare(before / "flights", tmp_path / "theirs", subject="flights", from_=1, **how)
        assert report.ok, (report.problems, report.rows)


def test_across_formats(upgraded: tuple[Path, Path], tmp_path: Path) -> None:
    project, before = upgraded
    for to in ("avro", "ndjson"):
        instar.convert(project / "data/flights", tmp_path / to, to)
        report = instar.open(project).compare(before / "flights", tmp_path / to, subject="flights", from_=1, to=3)
        assert report.ok, (report.problems, report.rows)
    first = next((tmp_path / "ndjson").rglob("*.ndjson"))
    lines = first.read_text(encoding="utf-8").splitlines()
    record = json.loads(lines[7])
    field = next(name for name, value in record.items() if isinstance(value, float))
    record[field] += 0.001
    first.write_text("\n".join([*lines[:7], json.dumps(record), *lines[8:]]) + "\n", encoding="utf-8")
    report = instar.open(project).compare(before / "flights", tmp_path / "ndjson", subject="flights", from_=1, to=3)
    (row,) = report.rows
    assert (row.new and row.new.row, [f.path for f in row.fields]) == (7, [field])


def test_what_cannot_be_asked(upgraded: tuple[Path, Path], tmp_path: Path) -> None:
    project, before = upgraded
    opened, flights = instar.open(project), before / "flights"
    with pytest.raises(UsageError, match="no version 9"):
        opened.compare(flights, flights, subject="flights", from_=1, to=9)
    with pytest.raises(DatasetError, match="it is not of version 3 of flights") as error:
        opened.compare(flights, flights, subject="flights", from_=3)
    assert "--from" in error.value.hint
    with pytest.raises(UsageError, match="are avro, and the schemas of flights are parquet"):
        opened.compare(before / "weather", flights, subject="flights", from_=1)
    with pytest.raises((UsageError, MigrationError)):
        opened.compare(flights, flights, subject="nonsense", from_=1)


def test_values_of_tagged_fields_are_not_shown(tmp_path: Path) -> None:
    schema = pa.schema([pa.field("id", pa.int64()), pa.field("email", pa.string(), metadata={"instar.tags": '["pii"]'})])
    rows = [{"id": i, "email": f"secret{i}@example.com"} for i in range(20)]
    other = [*rows[:3], {"id": 3, "email": "secret-other@example.com"}, *rows[4:], {"id": 99, "email": "secret99"}]
    for name, made in (("old", rows), ("new", other)):
        (tmp_path / name).mkdir()
        pq.write_table(pa.Table.from_pylist(made, schema=schema), tmp_path / name / "a.parquet")
    for how in (IN_PLACE, FULL, COUNTS, UNORDERED, KEYED, EMAIL):
        report = instar.compare(tmp_path / "old", tmp_path / "new", **how)
        assert not report.ok
        assert "secret" not in json.dumps(report.as_json()), how


def test_what_a_function_gives_is_repeated_and_never_called_proved(tmp_path: Path) -> None:
    schema = pa.schema([("id", pa.int64()), ("name", pa.string())])
    rows = [{"id": i, "name": f"n{i}"} for i in range(12)]
    write(tmp_path / "data" / "things", {"a.parquet": rows}, schema=schema)
    assert said("init", "--from", "data/things", at=tmp_path).code == 0
    script = tmp_path / "migrations" / "things" / "0002_loud.py"
    script.parent.mkdir(parents=True)
    script.write_text(
        '"""Louder."""\nfrom instar import op\n\n\ndef loud(name):\n    return name.upper()\n\n\n'
        'upgrade = [op.python(loud, reads=["name"], writes={"loud": "string"})]\n'
    )
    assert said("register", "things", at=tmp_path).code == 0
    wider = schema.append(pa.field("loud", pa.string()))
    write(tmp_path / "made", {"a.parquet": [{**row, "loud": row["name"].upper()} for row in rows]}, schema=wider)
    write(tmp_path / "wrong", {"a.parquet": [{**row, "loud": row["name"]} for row in rows]}, schema=wider)
    project = instar.open(tmp_path)
    for how in (IN_PLACE, UNORDERED, KEYED):
        report = project.compare(tmp_path / "data/things", tmp_path / "made", subject="things", from_=1, **how)
        assert (report.ok, report.verdict) == (True, "repeated"), (report.problems, report.rows)
        assert {c.path: c.ways for c in report.columns}["loud"] == ("repeated",)
        wrong = project.compare(tmp_path / "data/things", tmp_path / "wrong", subject="things", from_=1, **how)
        assert not wrong.ok
        assert {f.path for row in wrong.rows for f in row.fields} == {"loud"}


@pytest.mark.parametrize("how", [{}, {"unordered": True}, {"key": "id"}, {"level": "counts"}])
def test_a_value_of_another_type_is_not_quoted_where_its_field_is_tagged_pii(tmp_path: Path, how: How) -> None:
    schema = pa.schema([pa.field("id", pa.int64()), pa.field("email", pa.string(), metadata={"instar.tags": '["pii"]'})])
    old = write(tmp_path / "old", {"a.parquet": [{"id": 1, "email": "me"}]}, schema=schema)
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "a.json").write_text('{"id": 1, "email": {"k": "secret"}}\n')
    report = instar.compare(old, tmp_path / "new", **how)
    assert not report.ok
    assert "secret" not in str(report.as_json())


@pytest.mark.parametrize("how", [IN_PLACE, FULL, COUNTS, UNORDERED, KEYED, EMAIL], ids=str)
def test_a_tag_that_only_the_registry_has_hides_values_of_files_that_do_not_say_it(tmp_path: Path, how: How) -> None:
    schema = pa.schema([("id", pa.int64()), ("email", pa.string())])
    rows = [{"id": i, "email": f"secret{i}@example.com"} for i in range(5)]
    write(tmp_path / "data" / "things", {"a.parquet": rows}, schema=schema)
    assert said("init", "--from", "data/things", at=tmp_path).code == 0
    script = tmp_path / "migrations" / "things" / "0002_tag.py"
    script.parent.mkdir(parents=True)
    script.write_text('"""Tag."""\nfrom instar import op\n\nupgrade = [op.set_tag("email", "pii")]\n')
    assert said("register", "things", at=tmp_path).code == 0
    other = [*rows[:3], {"id": 3, "email": "secret-other@example.com"}, rows[4]]
    write(tmp_path / "made", {"a.parquet": other}, schema=schema)
    report = instar.open(tmp_path).compare(tmp_path / "data/things", tmp_path / "made", subject="things", from_=1, **how)
    assert not report.ok
    assert "secret" not in json.dumps(report.as_json())
