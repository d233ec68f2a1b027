"""op.python in whole runs: real worker processes, every format, proof by repetition, planted faults, ways back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import fastavro
import faults
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from authoring import Author
from stepwise import begun
from support import data_tree

from instar.formats.errors import InstarError
from instar.transforms.job import Options
from instar.transforms.migrate import abandoned_on_failure, prove, publish, stage

RECORDS: list[dict[str, Any]] = [
    {"name": f"n{i}", "size": i, "parts": [{"cents": i}, {"cents": 2 * i}], "note": None if i % 3 else "x"} for i in range(20)
]
SCRIPT = '''"""What SQL cannot say."""

from instar import op

FACTOR = 3


def shout(name, note):
    """Two fields at once."""
    return {"loud": name.upper() + "!" * FACTOR, "noted": None if note is None else len(note)}


def times(n):
    def inner(x):
        return x * n

    return inner


upgrade = [
    op.python(shout, reads=["name", "note"], writes={"loud": "string", "noted": "int64?"}),
    op.python(times(2), reads=["parts[].cents"], writes={"parts[].twice": "int64"}, inverse=lambda twice: twice // 2),
    op.drop("parts[].cents"),
    op.derive("longer", "string", sql="loud || size::VARCHAR"),
    op.rename("size", to="bytes"),
]
'''
AVRO = {
    "type": "record",
    "name": "thing",
    "fields": [
        {"name": "name", "type": "string"},
        {"name": "size", "type": "long"},
        {
            "name": "parts",
            "type": {
                "type": "array",
                "items": {"type": "record", "name": "part", "fields": [{"name": "cents", "type": "long"}]},
            },
        },
        {"name": "note", "type": ["null", "string"]},
    ],
}
FORMATS = ("parquet", "avro", "json")


def write(format: str, folder: Path, count: int = 3) -> None:
    """The same records in several files, so that there is work for several workers."""
    for number in range(count):
        match format:
            case "parquet":
                part = pa.list_(pa.field("item", pa.struct([pa.field("cents", pa.int64(), nullable=False)]), nullable=False))
                fields = [pa.field("name", pa.string(), nullable=False), pa.field("size", pa.int64(), nullable=False)]
                fields += [pa.field("parts", part, nullable=False), pa.field("note", pa.string())]
                pq.write_table(pa.Table.from_pylist(RECORDS, pa.schema(fields)), folder / f"{number}.parquet")
            case "avro":
                with (folder / f"{number}.avro").open("wb") as file:
                    fastavro.writer(file, AVRO, RECORDS, sync_marker=b"0123456789abcdef")
            case _:
                text = "".join(json.dumps(record) + "\n" for record in RECORDS)
                (folder / f"{number}.ndjson").write_text(text, encoding="utf-8")


def read(format: str, file: Path) -> list[dict[str, Any]]:
    match format:
        case "parquet":
            return pq.read_table(file).to_pylist()
        case "avro":
            with file.open("rb") as opened:
                return list(fastavro.reader(opened))  # type: ignore[arg-type]
        case _:
            return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def expected(record: dict[str, Any]) -> dict[str, Any]:
    loud = record["name"].upper() + "!!!"
    return {
        "name": record["name"],
        "bytes": record["size"],
        "parts": [{"twice": 2 * part["cents"]} for part in record["parts"]],
        "note": record["note"],
        "loud": loud,
        "noted": None if record["note"] is None else 1,
        "longer": f"{loud}{record['size']}",
    }


def scripted(author: Author, subject: str, text: str) -> None:
    """Register a step by a script that is written whole."""
    path = Path(author.do("revision", subject, "-m", "one step")["path"])
    path.write_text(text, encoding="utf-8")
    author.do("register", subject)


# What travels to a worker does not depend on the format: one is enough, unless there is time.
@pytest.mark.parametrize(
    ("format", "workers"),
    [("parquet", 2), ("avro", 1), ("json", 1), *(pytest.param(f, 2, marks=pytest.mark.slow) for f in ("avro", "json"))],
)
def test_workers_call_the_functions_of_a_script_and_the_proof_repeats_them(author: Author, format: str, workers: int) -> None:
    data = author.data("things")
    write(format, data)
    before = {path.name: read(format, path) for path in data.iterdir()}
    author.adopt("things", workers=workers)
    scripted(author, "things", SCRIPT)
    assert author.do("check", "things")["ok"]
    report = author.do("upgrade", "things")
    assert {path.name: read(format, path) for path in data.iterdir()} == {
        name: [expected(record) for record in records] for name, records in before.items()
    }
    assert report["proof"]["verdict"] == "repeated"
    ways = {column["path"]: column["way"] for column in report["proof"]["checks"][0]["columns"] if column["path"]}
    assert {path for path, way in ways.items() if way == "repeated"} == {"loud", "noted", "parts", "longer"}
    assert {ways["name"], ways["bytes"], ways["note"]} <= {"sql", "bytes"}
    assert report["proof"]["ways"]["repeated"] == 4 * 3
    said = author.instar("downgrade", "things", "1", at=author.folder)
    assert said.code == 0, said.err
    assert "repeated (not proved)" in said.out
    assert {path.name: read(format, path) for path in data.iterdir()} == before


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("level", ["auto", "full"])
def test_a_wrong_value_in_a_repeated_column_is_found(author: Author, format: str, level: str) -> None:
    data = author.data("things")
    write(format, data, count=1)
    author.adopt("things")
    scripted(author, "things", SCRIPT)
    before = data_tree(data)
    name = next(data.iterdir()).name
    options = Options(proof=level)  # type: ignore[arg-type]
    with begun(author.folder, "things", options) as run, pytest.raises(InstarError) as failure, abandoned_on_failure(run):  # noqa: PT012
        staged = stage(run)
        faults.plant("value", run.folder.staged(name), format, column="loud")
        publish(prove(staged))
    assert "proof failed" in str(failure.value)
    assert "loud" in str(failure.value)
    assert "N19!!!" in str(failure.value)
    assert data_tree(data) == before


@pytest.mark.parametrize("format", FORMATS)
def test_a_function_that_gives_something_else_each_time_is_found(author: Author, format: str) -> None:
    data = author.data("things")
    write(format, data, count=1)
    before = data_tree(data)
    author.adopt("things")
    text = (
        '"""Not deterministic."""\nimport itertools\nfrom instar import op\nnumbers = itertools.count()\n'
        'upgrade = [op.python(lambda name: next(numbers), reads=["name"], writes={"number": "int64"})]\n'
    )
    scripted(author, "things", text)
    error = author.refused("upgrade", "things")
    assert "the proof failed" in error["message"]
    assert "number" in error["message"]
    assert data_tree(data) == before


@pytest.mark.parametrize(
    ("format", "workers"),
    [*((f, 1) for f in FORMATS), ("parquet", 2), *(pytest.param(f, 2, marks=pytest.mark.slow) for f in ("avro", "json"))],
)
def test_what_a_function_raises_names_file_record_field_and_line(author: Author, format: str, workers: int) -> None:
    data = author.data("things")
    write(format, data, count=2)
    before = data_tree(data)
    author.adopt("things", workers=workers)
    text = '''"""It fails."""

from instar import op


def reciprocal(size):
    if size == 7:
        raise ValueError("seven is not allowed")
    return 1.0 / (size + 1)


upgrade = [op.python(reciprocal, reads=["size"], writes={"per": "double"})]
'''
    scripted(author, "things", text)
    error = author.refused("upgrade", "things")
    assert "reciprocal() raised ValueError: seven is not allowed (0002_one_step.py, line 8) for (7,)" in error["message"]
    first = error["errors"][0] if "errors" in error else error
    assert first["where"]["row"] == 7
    assert first["where"]["path"] == "per"
    assert first["where"]["file"].startswith("0.")
    assert data_tree(data) == before


def test_a_function_that_changes_makes_another_chain(author: Author) -> None:
    """A plan that was saved is refused when the code of a function is another one; layout and comments do not count."""
    data = author.data("things")
    write("json", data, count=1)
    author.adopt("things")
    text = (
        '"""m"""\nfrom instar import op\nupgrade = [op.python(lambda size: size + 1, reads=["size"], writes={"next": "int64"})]\n'
    )
    scripted(author, "things", text)
    script = next((author.folder / "migrations" / "things").iterdir())

    def chain() -> str:
        return author.do("plan", "things")["identity"]["chains"]["1"]

    first = chain()
    script.write_text(text.replace("size + 1", "(size  +  1  # one more\n)").replace('"""m"""', '"""n"""'), encoding="utf-8")
    assert chain() == first
    script.write_text(text.replace("size + 1", "size + 2"), encoding="utf-8")
    assert chain() != first
