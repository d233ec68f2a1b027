"""`dataset.scan`: a directory at three versions, read as each of them, is what physically moving its files there gives."""

from __future__ import annotations

import gzip
import json
import shutil
from decimal import Decimal
from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq
import pytest
from support import leave_three_months

import instar
from instar.formats.errors import Collected, DatasetError, MigrationError, SchemaError, UsageError

pc: Any = pyarrow.compute
DATASETS = ("flights", "weather", "events")
VERSIONS = (1, 2, 3)


def files_of(folder: Path) -> list[str]:
    """The data files below a folder."""
    kinds = (".parquet", ".avro", ".json", ".ndjson", ".ndjson.gz")
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.name.endswith(kinds))


def moved(project: Path, dataset: str, at: int) -> Path:
    """The sample dataset with all files at a version; its folder."""
    found = instar.open(project).dataset(dataset)
    versions = {file.version for file in found.inventory().files}
    if min(v for v in versions if v) < at:
        found.upgrade(at)
    elif max(v for v in versions if v) > at:
        found.downgrade(at)
    return project / "data" / dataset


@pytest.fixture(scope="module")
def at_each(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, int], Path]:
    """For each sample dataset and version: a project in which all its files are at it."""
    samples = Path(__file__).resolve().parents[2] / "samples" / "project"
    made = {}
    for dataset in DATASETS:
        for version in VERSIONS:
            project = tmp_path_factory.mktemp(f"{dataset}{version}") / "project"
            shutil.copytree(samples, project, ignore=shutil.ignore_patterns(".instar"))
            leave_three_months(project / "data" / "flights")
            moved(project, dataset, version)
            made[dataset, version] = project
    return made


@pytest.fixture
def mixed(tmp_path: Path, at_each: dict[tuple[str, int], Path]) -> Path:
    """The sample project with every third file at version 1, 2, 3."""
    project = tmp_path / "project"
    shutil.copytree(at_each["flights", 1], project, ignore=shutil.ignore_patterns(".instar", "data"))
    for dataset in DATASETS:
        for i, path in enumerate(files_of(at_each[dataset, 1] / "data" / dataset)):
            source = at_each[dataset, i % 3 + 1] / "data" / dataset / path
            target = project / "data" / dataset / path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    found = instar.open(project).dataset("events")  # no JSON file says its version
    for i, path in enumerate(files_of(project / "data" / "events")):
        found.stamp(i % 3 + 1, [path])
    return project


def physically(at_each: dict[tuple[str, int], Path], dataset: str, version: int, tmp_path: Path) -> list[dict[str, Any]]:
    """The records of the mixed directory's files, each file really brought to the version; read by others' readers."""
    projects = {}
    for start in VERSIONS:
        project = tmp_path / f"from{start}to{version}"
        shutil.copytree(at_each[dataset, start], project)
        projects[start] = moved(project, dataset, version)
    records: list[dict[str, Any]] = []
    for i, path in enumerate(files_of(projects[1])):
        records += read_by_others(projects[i % 3 + 1] / path)
    return records


def read_by_others(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".parquet":
        with path.open("rb") as file:
            return pq.read_table(file).to_pylist()
    if path.suffix == ".avro":
        with path.open("rb") as file:
            return [dict(r) for r in fastavro.reader(file) if isinstance(r, dict)]
    text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    exact: Any = {"parse_float": Decimal}
    return json.loads(text, **exact) if path.suffix == ".json" else [json.loads(line, **exact) for line in text.splitlines()]


class Text:
    """Equal to every JSON text of a value, however it is spaced."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and json.loads(other) == self.value


def as_shown(value: Any, type: pa.DataType) -> Any:
    """A value of a JSON document as a column of that type shows it."""
    if value is None:
        return None
    if pa.types.is_struct(type):
        return {field.name: as_shown(value.get(field.name), field.type) for field in type}
    if pa.types.is_list(type):
        return [as_shown(item, type.value_type) for item in value]
    if pa.types.is_string(type) and isinstance(value, dict):
        return Text(value)
    if pa.types.is_string(type) and not isinstance(value, str):
        return f"{value.normalize():f}" if isinstance(value, Decimal) else json.dumps(value)
    return value


EACH = [("flights", 1), ("flights", 3), ("weather", 2), ("events", 1), ("events", 3)]
"""Each dataset, and each version up, down and both ways; the others are for `make test-all`."""


@pytest.mark.parametrize(
    ("dataset", "version"),
    [pytest.param(d, v, marks=pytest.mark.slow if (d, v) not in EACH else ()) for d in DATASETS for v in VERSIONS],
)
def test_a_directory_at_three_versions_reads_as_each(
    dataset: str, version: int, mixed: Path, at_each: dict[tuple[str, int], Path], tmp_path: Path
) -> None:
    import duckdb
    import polars

    expected = physically(at_each, dataset, version, tmp_path)
    found = instar.open(mixed).dataset(dataset)
    assert {file.version for file in found.inventory().files} == {1, 2, 3}
    reader = found.scan(version)
    table = reader.read_all()
    table.validate(full=True)
    if dataset == "events":
        expected = [as_shown(record, pa.struct(list(table.schema))) for record in expected]
    rows = table.to_pylist()
    assert len(rows) == len(expected) > 0
    assert [{name: record.get(name) for name in table.schema.names} for record in expected] == rows

    assert pa.table(polars.DataFrame(found.scan(version))).cast(table.schema).equals(table)
    batches: Any = found.scan(version)  # noqa: F841  DuckDB finds it by its name
    in_duckdb: Any = duckdb.sql("SELECT * FROM batches")
    assert in_duckdb.to_arrow_table().cast(table.schema).to_pylist() == rows
    in_pandas = found.scan(version).read_pandas(types_mapper=None, integer_object_nulls=True, timestamp_as_object=True)
    assert list(in_pandas.columns) == table.schema.names
    assert pa.Table.from_pandas(in_pandas, schema=table.schema, preserve_index=False).equals(table)


def test_the_version_is_the_newest_where_none_is_named(mixed: Path) -> None:
    found = instar.open(mixed).dataset("flights")
    assert found.scan().schema == found.scan(3).schema
    assert found.scan("-1").schema == found.scan(2).schema
    with pytest.raises(UsageError, match="no version 9"):
        found.scan(9)


# ---- columns
def test_columns_come_in_the_order_asked_for(mixed: Path) -> None:
    found = instar.open(mixed).dataset("flights")
    whole = found.scan(3).read_all()
    table = found.scan(3, columns=["route.origin", "distance_km", "day"]).read_all()
    assert table.schema.names == ["route.origin", "distance_km", "day"]
    assert table.column("day").equals(whole.column("day"))
    assert table.column("route.origin").to_pylist() == [route["origin"] for route in whole.column("route").to_pylist()]
    assert found.scan(3, columns=[]).read_all().num_rows == whole.num_rows


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (["departure"], "departure_delay"),
        (["route.orign"], "origin"),
        (["day.x"], "records"),
        (["day", "day"], "once"),
        ("day", "list"),
    ],
)
def test_a_column_that_is_not_there_is_refused_with_a_hint(mixed: Path, columns: Any, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        instar.open(mixed).dataset("flights").scan(3, columns=columns)
    assert said in caught.value.hint


def test_a_dropped_column_is_not_read(tmp_path: Path) -> None:
    """Of a file of 2 MB, the one column that version 2 still has is 40 kB."""
    project = tmp_path / "team"
    (project / "data").mkdir(parents=True)
    noise = [bytes((i * 7919 + j * 104729) % 251 for j in range(100)).hex() for i in range(10_000)]
    table = pa.table({"id": pa.array(range(10_000), pa.int32()), "noise": noise})
    pq.write_table(table, project / "data" / "a.parquet", compression="none", use_dictionary=False)
    (project / "instar.toml").write_text('[datasets.data]\npath = "data"\nsubject = "data"\nformat = "parquet"\n')
    opened = instar.open(project)
    opened.register("data", project / "data" / "a.parquet")
    (project / "migrations" / "data").mkdir(parents=True)
    (project / "migrations" / "data" / "0002_drop.py").write_text(
        'from instar import op\nupgrade = [op.rename("id", to="number"), op.drop("noise")]\n'
    )
    opened.register("data")
    found = opened.dataset("data")
    expected = table.select(["id"]).rename_columns(["number"])
    assert found.scan(2).read_all().equals(expected.cast(found.scan(2).schema))
    reader, before = found.scan(2), _bytes_read()
    assert reader.read_all().num_rows == 10_000
    assert _bytes_read() - before < 220_000 < 2_000_000 < (project / "data" / "a.parquet").stat().st_size


def _bytes_read() -> int:
    path = Path("/proc/self/io")
    if not path.exists():
        pytest.skip("only Linux counts the bytes a process reads")
    return int(path.read_text().split()[1])


# ---- filters
def test_a_filter_is_over_the_version_asked_for(mixed: Path) -> None:
    found = instar.open(mixed).dataset("flights")
    whole = found.scan(3).read_all()
    wanted = whole.filter(pc.field("distance_km") > 2_000).select(["day"])
    assert 0 < wanted.num_rows < whole.num_rows
    assert found.scan(3, columns=["day"], filter=pc.field("distance_km") > 2_000).read_all().equals(wanted)
    assert found.scan(3, columns=["day"], filter="distance_km > 2000").read_all().equals(wanted)
    newark = whole.filter(pc.field("route", "origin") == "EWR")
    assert found.scan(3, filter=pc.field("route", "origin") == "EWR").read_all().equals(newark)
    assert found.scan(3, filter="route.origin = 'EWR'").read_all().equals(newark)


@pytest.mark.parametrize(
    "filter",
    ["departure_delay", "dep_delay > 1", "count(*) > 1", "random() > 0.5", "1; DROP TABLE x", 3, pc.field("dep_delay") > 1],
)
def test_a_filter_that_cannot_be_is_refused_before_reading(mixed: Path, filter: Any) -> None:
    with pytest.raises((UsageError, MigrationError)):
        instar.open(mixed).dataset("flights").scan(3, filter=filter)


def test_row_groups_that_hold_nothing_wanted_are_not_read_and_change_nothing(tmp_path: Path) -> None:
    project = tmp_path / "team"
    (project / "data").mkdir(parents=True)
    ids: list[int | None] = [*range(5_000), *[None] * 10, *range(5_000, 10_000)]
    noise = [bytes((i * 7919 + j * 104729) % 251 for j in range(100)).hex() for i in range(len(ids))]
    table = pa.table({"id": pa.array(ids, pa.int64()), "noise": noise})
    pq.write_table(table, project / "data" / "a.parquet", compression="none", use_dictionary=False, row_group_size=1_000)
    (project / "instar.toml").write_text('[datasets.data]\npath = "data"\nsubject = "data"\nformat = "parquet"\n')
    opened = instar.open(project)
    opened.register("data", project / "data" / "a.parquet")
    (project / "migrations" / "data").mkdir(parents=True)
    (project / "migrations" / "data" / "0002_rename.py").write_text(
        'from instar import op\nupgrade = [op.rename("id", to="number")]\n'
    )
    opened.register("data")
    found, renamed = opened.dataset("data"), table.rename_columns(["number", "noise"])
    found.scan(2, filter=pc.field("number") == 4_242).read_all()
    before = _bytes_read()
    assert found.scan(2, filter=pc.field("number") == 4_242).read_all().num_rows == 1
    assert _bytes_read() - before < 700_000 < 2_000_000
    number = pc.field("number")
    for wanted in (
        number.is_null(), number.is_valid(), number >= 9_990, (number < 10) | number.is_null(), ~(number < 9_000), number != 5,
        number.isin([3, 7_777]), (number > 4_990) & (number < 5_010), (number > 9_990) | (pc.field("noise") == noise[17]),
    ):  # fmt: skip
        assert found.scan(2, filter=wanted).read_all().equals(renamed.filter(wanted)), str(wanted)


def test_statistics_beyond_what_python_reaches_are_reasoned_with(tmp_path: Path) -> None:
    """Dates before the year 1 and after 9999, and nanoseconds, at which pyarrow's own Python values end."""
    project = tmp_path / "team"
    (project / "data").mkdir(parents=True)
    units: list[tuple[pa.DataType, pa.DataType, list[int]]] = [
        (pa.date32(), pa.int32(), [-800_000, 0, 1, 3_000_000]),
        (pa.timestamp("us"), pa.int64(), [-(2**62), 0, 1, 2**62]),
        (pa.timestamp("ms", tz="UTC"), pa.int64(), [-(2**62), 0, 1, 2**62]),
        (pa.timestamp("ns"), pa.int64(), [-(2**63) + 1, 1, 2, 2**63 - 1]),
    ]
    columns = [pa.array(values, whole).cast(type) for type, whole, values in units]
    table = pa.Table.from_arrays(columns, [f"c{i}" for i in range(len(columns))])
    pq.write_table(table, project / "data" / "a.parquet", row_group_size=2)
    (project / "instar.toml").write_text('[datasets.data]\npath = "data"\nsubject = "data"\nformat = "parquet"\n')
    opened = instar.open(project)
    opened.register("data", project / "data" / "a.parquet")
    found = opened.dataset("data")
    for i, column in enumerate(columns):
        for value in column:
            for wanted in (pc.field(f"c{i}") == value, pc.field(f"c{i}") > value, pc.field(f"c{i}") <= value):
                assert found.scan(filter=wanted).read_all().equals(table.filter(wanted)), str(wanted)


# ---- folders
@pytest.fixture
def hive(tmp_path: Path) -> Path:
    project = tmp_path / "team"
    for year, month, n in (("2023", "01", 1), ("2023", "02", 2), ("2024", "__HIVE_DEFAULT_PARTITION__", 3)):
        folder = project / "data" / f"year={year}" / f"month={month}"
        folder.mkdir(parents=True)
        pq.write_table(pa.table({"n": pa.array([n] * 2, pa.int32())}), folder / "a.parquet")
    (project / "instar.toml").write_text('[datasets.data]\npath = "data"\nsubject = "data"\nformat = "parquet"\n')
    instar.open(project).register("data", project / "data" / "year=2023" / "month=01" / "a.parquet")
    return project


def test_partition_keys_are_columns_of_text_unless_typed(hive: Path) -> None:
    rows = instar.open(hive).dataset("data").scan().read_all().to_pylist()
    assert rows == [
        {"n": n, "year": y, "month": m} for n, y, m in ((1, "2023", "01"), (2, "2023", "02"), (3, "2024", None)) for _ in "ab"
    ]
    with (hive / "instar.toml").open("a") as file:
        file.write('[datasets.data.partitions]\nyear = "int32"\nmonth = "int8"\n')
    typed = instar.open(hive).dataset("data").scan().read_all()
    assert typed.schema.field("month").type == pa.int8()
    assert typed.column("month").to_pylist() == [1, 1, 2, 2, None, None]
    assert (
        instar.open(hive).dataset("data").scan(columns=["month", "n"], filter="month = 2").read_all().to_pylist()
        == [{"month": 2, "n": 2}] * 2
    )


def test_files_that_their_folders_rule_out_are_not_opened(hive: Path) -> None:
    found = instar.open(hive).dataset("data")
    reader = found.scan(filter=pc.field("month") == "02")
    (hive / "data" / "year=2023" / "month=01" / "a.parquet").write_bytes(b"PAR1 no longer a Parquet file PAR1")
    assert reader.read_all().column("n").to_pylist() == [2, 2]


def test_a_folder_that_is_not_of_its_type_is_named(hive: Path) -> None:
    with (hive / "instar.toml").open("a") as file:
        file.write('[datasets.data.partitions]\nyear = "int8"\n')
    with pytest.raises(DatasetError, match="year=2023"):
        instar.open(hive).dataset("data").scan()


# ---- refusals
def test_files_of_no_known_version_are_all_named_before_anything_is_read(mixed: Path) -> None:
    for i, path in enumerate(files_of(mixed / "data" / "flights")[:2]):
        pq.write_table(pa.table({f"other{i}": [1]}), mixed / "data" / "flights" / path)
    with pytest.raises(Collected) as caught:
        instar.open(mixed).dataset("flights").scan(3)
    assert len(caught.value.errors) == 2


def test_a_way_down_that_loses_what_must_have_a_value_is_refused(tmp_path: Path) -> None:
    project = tmp_path / "team"
    (project / "data").mkdir(parents=True)
    schema = pa.schema([pa.field("a", pa.int32(), nullable=False), pa.field("b", pa.int32(), nullable=False)])
    pq.write_table(pa.table({"a": [1], "b": [2]}, schema=schema), project / "data" / "a.parquet")
    (project / "instar.toml").write_text('[datasets.data]\npath = "data"\nsubject = "data"\nformat = "parquet"\n')
    opened = instar.open(project)
    opened.register("data", project / "data" / "a.parquet")
    (project / "migrations" / "data").mkdir(parents=True)
    (project / "migrations" / "data" / "0002_drop.py").write_text('from instar import op\nupgrade = [op.drop("b")]\n')
    opened.register("data")
    opened.dataset("data").upgrade()
    with pytest.raises(MigrationError, match="cannot recover b"):
        opened.dataset("data").scan(1)


def test_data_that_do_not_convert_name_file_record_and_field(mixed: Path) -> None:
    """A carrier of no value, in the file at version 1 that holds the third month."""
    path = mixed / "data" / "events" / "2024-05.ndjson"
    lines = path.read_text().splitlines()
    document = json.loads(lines[3])
    document["sender"]["id"] = "not a number"
    lines[3] = json.dumps(document)
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises((DatasetError, SchemaError)) as caught:
        instar.open(mixed).dataset("events").scan(3).read_all()
    assert "2024-05.ndjson" in str(caught.value)


def test_nothing_is_written(mixed: Path) -> None:
    from support import tree

    before = tree(mixed, times=True)
    instar.open(mixed).dataset("flights").scan(1).read_all()
    assert tree(mixed, times=True) == before
