"""Bad input: a clear error that names file, place and what to do, the right exit code, and not a byte of data changed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support import Answer, data_tree

FIRST = {"flights": "month=01/part-0.parquet", "weather": "EWR.avro", "events": "2024-05.ndjson"}


def refused(
    instar: Callable[..., Answer],
    project: Path,
    *arguments: str,
    code: int = 1,
    says: tuple[str, ...] = (),
    file: str | None = None,
) -> dict[str, object]:
    """The command fails as told, both as JSON and in words, and the data stay as they are."""
    before = data_tree(project / "data")
    answer = instar(*arguments, "--json", at=project)
    assert answer.code == code, answer.out + answer.err
    error = answer.json["error"]
    assert error["exit"] == code
    assert error["hint"], error
    every = [error, *error.get("errors", [])]
    for word in says:
        assert any(word in e["message"] or word in e["hint"] for e in every), (word, every)
    if file is not None:
        assert any(e["where"].get("file") == file for e in every), every
    spoken = instar(*arguments, at=project)
    assert spoken.code == code
    assert spoken.err.startswith("Error: ")
    assert not spoken.out
    assert data_tree(project / "data") == before
    return error


@pytest.mark.parametrize("dataset", sorted(FIRST))
@pytest.mark.parametrize("fault", ["truncated", "garbage", "cut in half"])
def test_a_damaged_file_is_named(dataset: str, fault: str, project: Path, instar: Callable[..., Answer]) -> None:
    path = project / "data" / dataset / FIRST[dataset]
    data = path.read_bytes()
    damaged = {
        "truncated": data[:-7],
        "garbage": data[:6] + b"\x00\xff garbage \xfe" * 50,
        "cut in half": data[: len(data) // 2 - 1],
    }
    path.write_bytes(damaged[fault])
    refused(instar, project, "upgrade", dataset, file=FIRST[dataset])


@pytest.mark.parametrize("dataset", ["flights", "weather"])
def test_an_empty_file_is_named(dataset: str, project: Path, instar: Callable[..., Answer]) -> None:
    (project / "data" / dataset / FIRST[dataset]).write_bytes(b"")
    refused(instar, project, "upgrade", dataset, file=FIRST[dataset], says=("empty",))


def test_a_zero_byte_ndjson_holds_no_records(project: Path, instar: Callable[..., Answer]) -> None:
    (project / "data" / "events" / "2024-08.ndjson").write_bytes(b"")
    answer = instar("upgrade", "events", "--json", at=project)
    assert answer.code == 0, answer.out
    assert (project / "data" / "events" / "2024-08.ndjson").read_bytes() == b""


def test_a_key_twice_is_found_where_no_operation_looks(project: Path, instar: Callable[..., Answer]) -> None:
    (project / "data" / "events" / "2024-08.ndjson").write_text('{"event": "x", "sender": {"odd": {"a": {"b": 1, "b": 2}}}}\n')
    refused(instar, project, "upgrade", "events", file="2024-08.ndjson", says=("the key 'b' is in one object twice",))


def test_duplicate_columns_are_named(project: Path, instar: Callable[..., Answer]) -> None:
    path = project / "data" / "flights" / FIRST["flights"]
    table = pq.ParquetFile(path).read()
    pq.write_table(pa.Table.from_arrays([*table.columns[:2], table.column(0)], names=["year", "month", "year"]), path)
    refused(instar, project, "upgrade", "flights", file=FIRST["flights"], says=("year",))


def test_an_invalid_schema_document_is_named(project: Path, instar: Callable[..., Answer]) -> None:
    (project / "bad.avsc").write_text('{"type": "record", "name": "R", "fields": [{"name": "a", "type": "strin"}]}')
    refused(instar, project, "register", "weather", str(project / "bad.avsc"), code=2, says=("strin",))


@pytest.mark.parametrize("name", ["odd.avsc", "odd.bin"])
def test_a_document_that_is_no_text_is_named(name: str, project: Path, instar: Callable[..., Answer]) -> None:
    (project / name).write_bytes(b"\xff\xfe{}")
    refused(instar, project, "register", "weather", str(project / name), code=2, says=(name,))
    weather = str(project / "data" / "weather")
    refused(
        instar,
        project,
        "convert",
        weather,
        str(project / "out"),
        "--to",
        "json",
        "--schema",
        str(project / name),
        code=2,
        says=(name,),
    )


def test_an_edited_registered_schema_is_found(project: Path, instar: Callable[..., Answer]) -> None:
    path = next((project / "schemas" / "weather").glob("v2*"))
    path.write_text(path.read_text().replace("visibility", "sight"))
    refused(instar, project, "upgrade", "weather", code=2, says=("v2",))


def test_a_chain_that_does_not_type_check_is_refused(project: Path, instar: Callable[..., Answer]) -> None:
    script = project / "migrations" / "flights" / "0003_routes.py"
    script.write_text(script.read_text().replace('op.cast("flight", "string")', 'op.cast("flight", "bool")'))
    refused(instar, project, "upgrade", "flights", code=2, says=("flight",))


def test_sql_of_another_type_is_refused(project: Path, instar: Callable[..., Answer]) -> None:
    script = project / "migrations" / "flights" / "0002_metric_distance.py"
    script.write_text(script.read_text().replace("distance * 1.609344::DOUBLE", "random()"))
    refused(instar, project, "upgrade", "flights", code=2, says=("random",))


def test_a_cast_that_fails_names_file_row_and_value(project: Path, instar: Callable[..., Answer]) -> None:
    path = project / "data" / "weather" / "EWR.avro"
    import fastavro

    with path.open("rb") as file:
        reader = fastavro.reader(file)
        schema, records = reader.writer_schema, [dict(record) for record in reader if isinstance(record, dict)]
    records[17]["wind_dir"] = 10.5
    assert schema is not None
    with path.open("wb") as file:
        fastavro.writer(file, fastavro.parse_schema(schema), records, codec="deflate")
    error = refused(instar, project, "upgrade", "weather", file="EWR.avro", says=("10.5",))
    assert error["where"]["row"] == 17  # type: ignore[index]


def test_a_version_that_does_not_exist_is_refused(project: Path, instar: Callable[..., Answer]) -> None:
    refused(instar, project, "upgrade", "flights", "9", code=2, says=("9", "3"))
    refused(instar, project, "downgrade", "flights", "-5", code=2)
    refused(instar, project, "upgrade", "flights", "three", code=2)


def test_a_missing_dataset_and_an_unknown_one_are_refused(project: Path, instar: Callable[..., Answer]) -> None:
    refused(instar, project, "upgrade", "flihgts", code=2, says=("flights",))
    shutil.move(project / "data" / "flights", project / "elsewhere")
    refused(instar, project, "upgrade", "flights", code=2, says=("data/flights",))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_no_permission_is_named(project: Path, instar: Callable[..., Answer]) -> None:
    path = project / "data" / "flights" / FIRST["flights"]
    path.chmod(0)
    answer = instar("upgrade", "flights", "--json", at=project)
    assert answer.code == 1
    assert FIRST["flights"] in answer.out


def test_a_table_formats_directory_is_refused(project: Path, instar: Callable[..., Answer]) -> None:
    log = project / "data" / "flights" / "_delta_log"
    log.mkdir()
    (log / "00000000000000000000.json").write_text("{}")
    refused(instar, project, "upgrade", "flights", says=("Delta",))


def test_an_operation_on_a_partition_key_is_refused(project: Path, instar: Callable[..., Answer]) -> None:
    """`month` is in these files, too; `region` is in the folders' names only."""
    data = project / "data" / "flights"
    shutil.move(data, project / "data" / "inner")
    data.mkdir()
    shutil.move(project / "data" / "inner", data / "region=us")
    script = project / "migrations" / "flights" / "0004_region.py"
    script.write_text('"""Region."""\nfrom instar import op\nupgrade = [op.rename("region", to="area")]\n')
    refused(instar, project, "register", "flights", code=2, says=("region", "partition"))


def test_no_project_says_how_to_make_one(tmp_path: Path, instar: Callable[..., Answer]) -> None:
    answer = instar("status", "--json", at=tmp_path)
    assert answer.code == 2
    assert "instar init" in answer.json["error"]["hint"]


def test_an_unknown_command_and_option_are_wrong_use(project: Path, instar: Callable[..., Answer]) -> None:
    assert instar("upgrad", at=project).code == 2
    assert instar("upgrade", "flights", "--nonsense", at=project).code == 2


def test_a_revision_drafts_the_step_that_has_no_script(project: Path, instar: Callable[..., Answer]) -> None:
    """A schema from elsewhere was registered first: the script to it is what is missing."""
    (project / "migrations" / "weather" / "0003_stations.py").unlink()
    answer = instar("revision", "weather", "-m", "stations, again", "--json", at=project)
    assert answer.code == 0, answer.out
    path = Path(answer.json["path"])
    assert path.name == "0003_stations_again.py"
    assert "temperature_c" in path.read_text()
    again = instar("revision", "weather", "-m", "more", "--json", at=project)
    assert Path(again.json["path"]).name == "0004_more.py"
    refused(instar, project, "revision", "weather", "-m", "too many", code=2, says=("0004_more.py",))


def test_a_script_that_is_not_registered_stands_in_nobodys_way_and_is_not_forgotten(
    project: Path, instar: Callable[..., Answer]
) -> None:
    (project / "migrations" / "weather" / "0004_half_written.py").write_text("upgrade = [op.rena")
    for verb in ("status", "plan"):
        answer = instar(verb, "weather", "--json", at=project)
        assert answer.code == 0, answer.out
        assert any(
            "0004_half_written.py" in warning and "instar register weather" in warning for warning in answer.json["warnings"]
        )
    assert instar("upgrade", "weather", at=project).code == 0
    again = instar("upgrade", "weather", at=project)
    assert again.code == 0
    assert "nothing to do" in again.out
    assert "0004_half_written.py" in again.out
    refused(instar, project, "register", "weather", code=2, says=("0004_half_written.py",))
