"""What records hold stands in no answer, message, log, report or traceback where a field is tagged `pii`."""

from __future__ import annotations

import json
import traceback
from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from authoring import Author

import instar

GOOD = b'{"id": 1, "ssn": "secret1"}\n'
BROKEN = {
    "cut-off": GOOD + b'{"id": 2, "ssn": "secret2"\n',
    "key-twice": GOOD + b'{"id": 2, "ssn": "secret2", "secret": {"secret3": 1, "secret3": 2}}\n',
    "not-utf8": GOOD + b'{"id": 2, "ssn": "secret2\xff"}\n',
    "no-object": GOOD + b'"secret2"\n',
    "half-pair": GOOD + b'{"id": 2, "ssn": "secret2\\ud800", "secret3": 1}}\n',
}
"""Records that are none."""
WRONG = {
    **BROKEN,
    "wrong-type": GOOD + b'{"id": "secret2", "ssn": "secret3"}\n',
    "wrong-in-a-map": GOOD + b'{"id": 2, "ssn": {"secret2": {"secret3": []}}}\n',
    "no-json": b"secret1, secret2\n",
    "array": b'[{"id": 1, "ssn": "secret1"} secret2]',
    "more-after-array": b'[{"id": 1, "ssn": "secret1"}] secret2',
}


def people(author: Author, suffix: str, *, tagged: str = "ssn") -> Path:
    """One file, adopted; version 2 tags a field."""
    folder = author.data("people")
    records = [{"id": i, "ssn": f"secret{i}"} for i in range(3)]
    write(folder / f"a.{suffix}", records)
    author.adopt("people")
    author.step("people", f'op.set_tag("{tagged}", "pii"),')
    author.do("upgrade", "people")
    return folder


def write(path: Path, records: list[dict[str, Any]]) -> None:
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(records), path)
    elif path.suffix == ".ndjson":
        path.write_text("".join(json.dumps(r) + "\n" for r in records))
    else:
        fields = [{"name": "id", "type": "long"}, {"name": "ssn", "type": "string"}]
        with path.open("wb") as file:
            fastavro.writer(file, {"type": "record", "name": "person", "fields": fields}, records)


def told(author: Author, *arguments: str) -> str:
    """All that a command says, and all that is kept of runs besides the data themselves."""
    answer = author.instar(*arguments, at=author.folder)
    kept = [p for p in author.folder.rglob("*") if p.is_file() and ".instar" in p.parts]
    texts = [p.read_text() for p in kept if not {"stage", "snapshot"} & set(p.parts)]
    return "\n".join([answer.out, answer.err, *texts])


def raised(author: Author, **options: Any) -> str:
    """The traceback of what an upgrade by the library raises, as a log would have it."""
    with pytest.raises(instar.InstarError) as found:
        instar.open(author.folder).dataset("people").upgrade(options=instar.Options(**options))
    return "".join(traceback.format_exception(found.value))


def test_of_json_files_whose_version_is_looked_for(author: Author) -> None:
    folder = people(author, "ndjson")
    for name, content in WRONG.items():
        (folder / f"{name}.json").write_bytes(content)
    for asked in (
        ("status", "people"),
        ("plan", "people", "--json"),
        ("upgrade", "people", "--log", "json", "--metrics", str(author.folder / "metrics"), "-v"),
        ("upgrade", "people", "--on-error", "quarantine", "--json"),
        ("read", "people"),
        ("convert", "people", "converted", "--to", "parquet"),
        ("stamp", "people", "2"),
        ("gc", "people"),
    ):
        said = told(author, *asked)
        assert "secret" not in said, asked
        assert "--on-error" in asked or asked[0] == "gc" or all(f"{name}.json" in said for name in WRONG), asked
    assert "secret" not in raised(author)


REFUSING = {
    "cast": 'op.cast("ssn", "int64"),',
    "sql": 'op.derive("n", "int64", sql="CAST(ssn AS BIGINT)"), op.drop("ssn"),',
    "python": 'op.python(number, reads=["ssn"], writes={"n": "int64"}), op.drop("ssn"),',
}
"""Steps that refuse the values, two of which lead to a version without the tagged field."""


@pytest.mark.parametrize(
    ("suffix", "step", "workers"),
    [
        ("parquet", "sql", 1),
        ("ndjson", "python", 1),
        *(
            pytest.param(suffix, step, 2, marks=pytest.mark.slow)
            for suffix in ("parquet", "avro", "ndjson")
            for step in ("cast", "sql", "python")
        ),
    ],
)
def test_of_values_that_are_refused(suffix: str, step: str, workers: int, author: Author) -> None:
    folder = people(author, suffix)
    write(folder / f"b.{suffix}", [{"id": 1, "ssn": "1"}, {"id": 2, "ssn": "secret2"}])  # no file says what is tagged
    number = author.step("people", 'op.rename("id", to="number"),')
    script = next((author.folder / "migrations").rglob(f"*{number}_*.py"))
    function = "def number(text):\n    raise ValueError(text)\n\n" if step == "python" else ""
    script.write_text(f'"""One step."""\n\nfrom instar import op\n\n{function}\nupgrade = [{REFUSING[step]}]\n')
    author.do("register", "people", "--amend")
    for asked in (("plan", "people"), ("upgrade", "people", "-v", "--log", "json"), ("read", "people", "--limit", "0")):
        assert "secret" not in told(author, *asked), asked
    assert "secret" not in raised(author, workers=workers)
    said = told(author, "upgrade", "people", "--on-error", "quarantine", "--json")
    assert '"value": "***"' in said
    assert '"ssn": "***"' in said
    assert "secret" not in said + told(author, "verify", "people", "-v")


def test_of_files_that_are_damaged(author: Author) -> None:
    folder = people(author, "avro")
    write(folder / "b.avro", [{"id": 2, "ssn": "secret2"}])
    (folder / "b.avro").write_bytes((folder / "b.avro").read_bytes().replace(b"secret2", b"secret\xff"))
    author.step("people", 'op.cast("ssn", "bytes"),')
    for asked in (("plan", "people"), ("upgrade", "people"), ("upgrade", "people", "--skip-unreadable"), ("read", "people")):
        said = told(author, *asked)
        assert "secret" not in said, asked
        assert "b.avro" in said, asked


def test_a_broken_line_is_quarantined_whatever_tells_the_version(author: Author) -> None:
    folder = people(author, "ndjson")
    author.step("people", 'op.rename("id", to="number"),')
    for name, content in BROKEN.items():
        (folder / f"{name}.ndjson").write_bytes(content)
    said = author.refused("upgrade", "people")
    assert said["message"].startswith(f"{len(BROKEN)} problems")
    report = author.do("upgrade", "people", "--on-error", "quarantine")
    assert report["quarantine"]["records"] == {f"{name}.ndjson": 1 for name in sorted(BROKEN)}
    assert all("1 record cannot be read: record 1: " in warning for warning in report["warnings"])
    assert len(report["warnings"]) == len(BROKEN)
    for name in BROKEN:
        assert (folder / f"{name}.ndjson").read_bytes() == GOOD.replace(b"id", b"number")
    assert author.run("verify", "people").code == 0
    author.do("rollback", "people")
    for name, content in BROKEN.items():
        assert (folder / f"{name}.ndjson").read_bytes() == content


def test_a_file_of_broken_lines_alone_fits_nothing(author: Author) -> None:
    folder = people(author, "ndjson")
    (folder / "b.ndjson").write_bytes(b'{"id": 2\n{"id": 3\n')
    said = author.refused("upgrade", "people", "--on-error", "quarantine")
    assert said["where"]["file"] == "b.ndjson"
    assert "record 0: not valid JSON" in said["message"]
