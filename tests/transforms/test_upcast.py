"""Upcasters: records one by one, in lists, as batches; up and down; in every format's terms."""

from __future__ import annotations

import datetime as dt
import decimal
import io
import json
import pickle
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa
import pytest

import instar
from instar.formats.errors import DataError, InstarError, MigrationError, UsageError
from instar.transforms.project import Project

JSON = {
    "type": "object",
    "properties": {
        "id": {"type": "integer"},
        "note": {"type": "string"},
        "price": {"type": "number"},
        "who": {"type": "object", "properties": {"first": {"type": "string"}}, "required": ["first"]},
        "lines": {"type": "array", "items": {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}},
    },
    "required": ["id", "who"],
}
AVRO = {
    "type": "record",
    "name": "event",
    "fields": [
        {"name": "day", "type": {"type": "int", "logicalType": "date"}},
        {"name": "at", "type": ["null", {"type": "long", "logicalType": "timestamp-millis"}]},
        {"name": "cents", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
        {"name": "key", "type": {"type": "string", "logicalType": "uuid"}},
        {"name": "either", "type": ["string", "long"]},
    ],
}


def made(folder: Path, document: Any, suffix: str, *steps: str) -> Project:
    """A project of the subject `things`, one version a step."""
    (folder / "instar.toml").write_text('[datasets.things]\npath = "data"\nsubject = "things"\nformat = "json"\n')
    project = instar.open(folder)
    path = folder / f"first{suffix}"
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    project.register("things", path)
    for step in steps:
        script = project.revision("things", "a step")
        text = step if "upgrade" in step else f"upgrade = [{step}]"
        script.write_text(f'"""A step."""\nfrom instar import op\n{text}\n')
        project.register("things")
    return project


@pytest.fixture
def things(tmp_path: Path) -> Project:
    return made(
        tmp_path,
        JSON,
        ".schema.json",
        'op.rename("note", to="remark"), op.cast("id", "string"), op.add("tags", "list<string>", default=[])',
        'op.move("who.first", to="name", emptied="drop"), op.rename("lines[].n", to="number")',
    )


def test_one_record_up_and_down(things: Project) -> None:
    up, down = things.upcaster("things", 1), things.upcaster("things", 3, 1)
    record = {"id": 7, "note": "x", "who": {"first": "Ada"}, "lines": [{"n": 1}, {"n": 2}], "extra": {"any": 1.50}}
    given = json.loads(json.dumps(record))
    new = up(given)
    expected = {"id": "7", "remark": "x", "lines": [{"number": 1}, {"number": 2}], "tags": [], "name": "Ada", "extra": {"any": 1.5}}
    assert new == expected
    assert given == record, "what is given is not changed"
    assert new["extra"] is given["extra"], "what is not touched is passed on"
    assert up(given)["tags"] is not new["tags"], "a default is each record's own"
    assert down(new) == record
    assert (up.subject, up.losses) == ("things", ())
    assert down.losses == things.upcaster("things", 3, 1).losses
    assert things.upcaster("things", 2, 2)(new) == {**new}


def test_missing_and_unknown_keys_are_as_json_says(things: Project) -> None:
    up = things.upcaster("things", 1, 2)
    assert up({"id": 1.0, "who": {"first": "A"}}) == {"id": "1", "who": {"first": "A"}, "tags": []}
    with pytest.raises(DataError, match="the key is missing") as error:
        up({"id": 1})
    assert error.value.where is not None
    assert (error.value.where.path, error.value.where.row) == ("who", None)
    with pytest.raises(DataError, match="the key remark, which no schema names"):
        up({"id": 1, "who": {"first": "A"}, "remark": "mine"})


@pytest.mark.parametrize(
    ("record", "path", "message"),
    [
        ({"id": "x", "who": {"first": "A"}}, "id", "not a value of type integer"),
        ({"id": True, "who": {"first": "A"}}, "id", "not a value of type integer"),
        ({"id": 1, "who": "A"}, "name", "is no dict"),
        ({"id": 1, "who": {"first": "A"}, "lines": [{"n": 1}, 5]}, "lines[]", "is no dict"),
        ([], None, "is no dict"),
    ],
)
def test_what_is_refused_is_named_by_its_path(things: Project, record: Any, path: str | None, message: str) -> None:
    with pytest.raises(DataError, match=message) as error:
        things.upcaster("things", 1)(record)
    assert (error.value.where.path if error.value.where else None) == path
    assert error.value.hint


def test_all_records_before_a_refused_one_are_yielded(things: Project) -> None:
    up = things.upcaster("things", 1)
    good = [{"id": i, "who": {"first": "A"}} for i in range(3)]
    bad: dict[str, Any] = {"id": "no", "who": {"first": "A"}}
    for given in ([*good, bad], iter([*good, bad]), [*good, bad, *good]):
        seen = []
        with pytest.raises(DataError) as error:  # noqa: PT012 (what was yielded before is looked at)
            for record in up.records(given):
                seen.append(record["id"])
        assert seen == ["0", "1", "2"]
        assert error.value.where is not None
        assert error.value.where.row == 3
    with pytest.raises(DataError) as error:
        list(up.records([*good, bad], together=2))
    assert error.value.where is not None
    assert error.value.where.row == 3


def test_a_stream_is_not_read_ahead(things: Project) -> None:
    taken: list[int] = []

    def stream() -> Iterator[dict[str, Any]]:
        for i in range(3):
            taken.append(i)
            yield {"id": i, "who": {"first": "A"}}

    out = things.upcaster("things", 1).records(stream())
    assert next(out)["id"] == "0"
    assert taken == [0]
    assert [record["id"] for record in out] == ["1", "2"]


def test_sql_and_functions_in_a_chain(tmp_path: Path) -> None:
    text = """
def initial(who):
    return who["first"][0]

upgrade = [
    op.derive("double", "integer", sql="id * 2"),
    op.python(initial, reads=["who"], writes={"initial": "string"}),
    op.python(lambda n, p: n * (p or 0), reads=["id", "price"], writes={"total": "number"}),
]"""
    project = made(tmp_path, JSON, ".schema.json", text)
    up = project.upcaster("things", 1)
    records = [{"id": i, "price": 1.5, "who": {"first": "Ada"}} for i in range(1500)]
    expected = [{**r, "double": 2 * r["id"], "initial": "A", "total": 1.5 * r["id"]} for r in records]
    assert list(up.records(iter(records))) == expected
    assert up(records[3]) == expected[3]
    assert json.dumps(up(records[3]))
    with pytest.raises(DataError, match="at first: the key is missing"):
        up({"id": 1, "who": {}})
    with pytest.raises(DataError, match=r"raised IndexError: .* \(0002_a_step.py, line \d+\) for \(\{'first': ''\},\)"):
        up({"id": 1, "who": {"first": ""}})


def test_an_upcaster_travels_with_its_functions(tmp_path: Path) -> None:
    project = made(tmp_path, JSON, ".schema.json", 'op.python(lambda id: id + 1, reads=["id"], writes={"next": "integer"})')
    up = pickle.loads(pickle.dumps(project.upcaster("things", 1)))
    assert up({"id": 1, "who": {"first": "A"}})["next"] == 2
    again = pickle.dumps(up)
    script = next((tmp_path / "migrations" / "things").glob("0002*"))
    script.write_text(script.read_text().replace("id + 1", "id + 2"))
    from instar.transforms import scripted

    scripted._operations_again.cache_clear()  # as in another process
    with pytest.raises(MigrationError, match="changed since"):
        pickle.loads(again)


def test_what_fastavro_reads_is_taken_and_what_comes_out_it_writes(tmp_path: Path) -> None:
    project = made(
        tmp_path,
        AVRO,
        ".avsc",
        'op.cast("day", "string"), op.cast("cents", "string"), op.cast("at", "timestamp(us, UTC)"), op.rename("key", to="id")',
    )
    moment, key = dt.datetime(2024, 2, 29, 12, 30, 0, 1000, tzinfo=dt.UTC), uuid.uuid4()
    records: list[Any] = [
        {"day": dt.date(2020, 1, 31), "at": moment, "cents": decimal.Decimal("1.50"), "key": key, "either": 5},
        {"day": dt.date(1, 1, 1), "at": None, "cents": decimal.Decimal("-0.01"), "key": str(key), "either": "text"},
    ]
    sink = io.BytesIO()
    fastavro.writer(sink, AVRO, records)
    sink.seek(0)
    read: list[Any] = list(fastavro.reader(sink))
    up, down = project.upcaster("things", 1), project.upcaster("things", 2, 1)
    new = list(up.records(read))
    assert new == [
        {"day": "2020-01-31", "at": moment, "cents": "1.50", "id": key, "either": 5},
        {"day": "0001-01-01", "at": None, "cents": "-0.01", "id": key, "either": "text"},
    ]
    out = io.BytesIO()
    fastavro.writer(out, json.loads(project.registry.document("things", 2)), new)
    out.seek(0)
    assert list(down.records(fastavro.reader(out))) == read  # type: ignore[arg-type]
    assert up({k: v for k, v in read[1].items() if k != "at"})["day"] == "0001-01-01", "what may be null may be left out"
    with pytest.raises(DataError, match="the key is missing"):
        up({k: v for k, v in read[1].items() if k != "either"})
    with pytest.raises(DataError, match="not a value of type date"):
        up({**read[0], "day": moment})


def test_batches_and_tables(tmp_path: Path) -> None:
    table = pa.table({"a": [1, 2, None], "b": ["x", None, "z"], "when": pa.array([1, 2, 3], pa.timestamp("ms", "UTC"))})
    project = made_of_table(tmp_path, table, 'op.rename("b", to="c"), op.cast("a", "string")')
    up, down = project.upcaster("things", 1), project.upcaster("things", 2, 1)
    batch = table.to_batches()[0]
    new = up.batch(batch)
    assert isinstance(new, pa.RecordBatch)
    assert new.to_pydict() == {"a": ["1", "2", None], "c": ["x", None, "z"], "when": table["when"].to_pylist()}
    assert new.column("c") is not None
    assert new.column("c").buffers()[2].address == batch.column("b").buffers()[2].address, "what is carried is not copied"
    assert down.batch(new).equals(batch)
    twice = pa.concat_tables([table, table])
    assert up.batch(twice).to_pydict() == pa.Table.from_batches([new, new]).to_pydict()
    assert up.batch(table.slice(0, 0)).schema == new.schema
    large = table.set_column(1, "b", table["b"].cast(pa.large_string()))
    assert up.batch(large).schema.field("c").type == pa.large_string(), "a variant keeps its storage"
    assert list(up.records(table.to_pylist())) == new.to_pylist()
    with pytest.raises(UsageError, match="not of version 1"):
        up.batch(table.drop_columns(["a"]))
    with pytest.raises(DataError) as error:
        down.batch(pa.concat_tables([up.batch(table), up.batch(table).set_column(0, "a", pa.array(["1", "x", "3"]))]))
    assert error.value.where is not None
    assert (error.value.where.row, error.value.where.path) == (4, "a")


def made_of_table(folder: Path, table: pa.Table, *steps: str) -> Project:
    import pyarrow.parquet as pq

    data = folder / "data"
    data.mkdir()
    pq.write_table(table, data / "a.parquet")
    instar.init(folder, source=data, name="things")
    project = instar.open(folder)
    for step in steps:
        project.revision("things", "a step").write_text(f'"""A step."""\nfrom instar import op\nupgrade = [{step}]\n')
        project.register("things")
    return project


def test_ways_down_that_lose_something_say_so_or_are_refused(tmp_path: Path) -> None:
    project = made(tmp_path, JSON, ".schema.json", 'op.drop("note")', 'op.drop("id")')
    down = project.upcaster("things", 2, 1)
    assert [(loss.path, loss.fatal) for loss in down.losses] == [(("note",), False)]
    assert down({"id": 1, "who": {"first": "A"}}) == {"id": 1, "who": {"first": "A"}}
    with pytest.raises(MigrationError, match=r"cannot recover id \(dropped\)"):
        project.upcaster("things", 3, 1)
    assert project.upcaster("things", 1, 3).losses == ()


def test_unknown_subjects_and_versions_are_refused(things: Project) -> None:
    for subject, from_, to in (("thing", 1, 2), ("things", 0, 2), ("things", 1, 9)):
        with pytest.raises(InstarError) as error:
            things.upcaster(subject, from_, to)
        assert error.value.exit_code == 2
        assert error.value.hint
