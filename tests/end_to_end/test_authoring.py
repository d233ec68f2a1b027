"""The commands of whoever changes a schema: where their project is found, init, register, check."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from authoring import Author
from sales import AVRO, FORMATS, with_sales, write
from support import tree

from instar.cli.main import run


# ---- where the project is
def test_a_project_is_found_from_below_and_by_c(author: Author, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    data = with_sales(author)
    deep = author.folder / "migrations" / "sales"
    assert author.instar("current", at=deep).out == "sales: version 1, newest is 2\n"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert run(["-C", os.path.relpath(author.folder), "upgrade", "sales", "--json"]) == 0
    assert Path.cwd() == elsewhere
    assert not list(elsewhere.iterdir())
    assert pq.read_schema(data / "a.parquet").names == ["remark", "source"]
    assert author.instar("status", at=tmp_path / "nowhere").code == 2


def test_paths_on_the_command_line_are_meant_from_c(author: Author, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with_sales(author)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    author.do("plan", "sales", "--out", "plan.json")
    assert (author.folder / "plan.json").is_file()
    author.do("upgrade", "sales", "--plan", "plan.json")
    (author.folder / "new.avsc").write_text(json.dumps(AVRO))
    assert author.do("register", "other", "new.avsc")["version"] == 1
    assert not list(elsewhere.iterdir())


# ---- init
def test_init_alone_makes_an_empty_project(author: Author) -> None:
    made = author.do("init")
    assert made["document"].endswith("instar.toml")
    assert sorted(p.name for p in author.folder.iterdir()) == ["instar.toml", "migrations", "schemas"]
    assert author.do("status") == []
    assert author.do("current") == []
    assert author.do("check")["ok"]
    error = author.refused("upgrade", code=2)
    assert "init --from" in error["hint"]


@pytest.mark.parametrize("format", sorted(FORMATS))
def test_init_takes_a_field_as_nullable_if_any_file_says_so(format: str, author: Author) -> None:
    data = author.data("sales")
    name = FORMATS[format]
    write(data / f"1{name}", [{"n": 1, "note": "x"}])
    write(data / f"2{name}", [{"n": 1, "note": None}])
    assert author.adopt("sales")["files"] == 2
    error = author.refused("init", "--from", "data/sales", code=2)
    assert "sales" in error["message"]
    author.step("sales", 'op.require("note", fill="none")')
    author.do("upgrade", "sales")
    assert author.do("downgrade", "sales", "1")["losses"]


@pytest.mark.parametrize("format", sorted(FORMATS))
def test_init_names_files_that_have_no_schema_in_common_and_makes_nothing(format: str, author: Author) -> None:
    data = author.data("sales")
    name = FORMATS[format]
    write(data / f"1{name}")
    if format == "json":
        (data / f"2{name}").write_text('{"n": 1, "note": "x"}\n{"n": \n')
    else:
        write(data / f"2{name}")
        (data / f"2{name}").write_bytes((data / f"2{name}").read_bytes()[:-9])
    before = tree(author.folder)
    if format == "avro":  # its header is whole: the schema is known, the file is a problem
        answer = author.do("init", "--from", "data/sales")
        assert [p["path"] for p in answer["problems"]] == [f"2{name}"]
        return
    error = author.refused("init", "--from", "data/sales")
    assert f"2{name}" in error["message"] or error["where"].get("file", "").endswith(f"2{name}")
    assert tree(author.folder) == before

    if format == "parquet":
        pq.write_table(pa.table({"n": ["text"], "note": ["x"]}), data / f"2{name}")
        before = tree(author.folder)
        error = author.refused("init", "--from", "data/sales")
        told = json.dumps(error)
        assert f"1{name}" in told
        assert f"2{name}" in told
        assert "string" in told
        assert "int64" in told
        assert tree(author.folder) == before


def test_init_of_what_is_not_data_makes_nothing(author: Author) -> None:
    (author.data("sales") / "README").write_text("nothing here\n")
    before = tree(author.folder)
    author.refused("init", "--from", "data/sales", code=2)
    author.refused("init", "--from", "data/nowhere", code=2)
    assert tree(author.folder) == before


def test_init_adds_a_dataset_of_a_registered_subject_and_reports_what_does_not_fit(author: Author) -> None:
    with_sales(author)
    write(author.data("more") / "fits.parquet")
    pq.write_table(pa.table({"other": [1]}), author.data("more") / "odd.parquet")
    adopted = author.do("init", "--from", "data/more", "--subject", "sales")
    assert adopted["files"] == 1
    assert [p["path"] for p in adopted["problems"]] == ["odd.parquet"]
    assert "registered already" in adopted["notes"][0]


# ---- register, check
def test_register_takes_documents_and_data_files_and_a_version_never_changes(author: Author) -> None:
    data = with_sales(author)
    (author.folder / "sale.avsc").write_text(json.dumps(AVRO))
    assert author.do("register", "avro", "sale.avsc")["version"] == 1
    assert author.do("register", "avro", "sale.avsc")["version"] == 1  # the same again is the same
    assert author.do("register", "copied", "data/sales/a.parquet")["version"] == 1
    assert author.do("register", "copied", "schemas/sales/v1.arrow.json")["version"] == 1
    (author.folder / "bad.schema.json").write_text('{"type": "objekt"}')
    author.refused("register", "bad", "bad.schema.json", code=2)
    (author.folder / "bad.avsc").write_text("{")
    author.refused("register", "bad", "bad.avsc", code=2)
    assert not (author.folder / "schemas" / "bad").exists()

    script = next((author.folder / "migrations" / "sales").glob("0002*.py"))
    script.write_text(script.read_text().replace('"remark"', '"comment"'))
    assert not author.run("check").json["ok"]
    assert author.do("register", "sales", "--amend")["version"] == 2
    assert author.do("check")["ok"]
    author.do("upgrade", "sales")
    assert pq.read_schema(data / "a.parquet").names == ["comment", "source"]
    script.write_text(script.read_text().replace('"comment"', '"remark"'))
    author.refused("register", "sales", "--amend", code=2)


def test_a_script_that_changes_nothing_is_said(author: Author) -> None:
    with_sales(author)
    author.do("revision", "sales", "-m", "nothing yet")
    error = author.refused("register", "sales", code=2)
    assert "nothing" in error["message"]
    assert "0003_nothing_yet.py" in json.dumps(error)
    assert author.do("history", "sales")["entries"][0]["registered"] is False


def test_a_step_back_to_an_earlier_version_is_said(author: Author) -> None:
    with_sales(author)
    author.step("sales", 'op.rename("source", to="x")')
    script = Path(author.do("revision", "sales", "-m", "back")["path"])
    script.write_text(script.read_text().replace("upgrade = [", 'upgrade = [op.rename("x", to="source")'))
    assert "version 2" in author.refused("register", "sales", code=2)["message"]


def test_check_finds_what_is_wrong_and_exits_2(author: Author) -> None:
    with_sales(author)
    folder, schemas = author.folder / "migrations" / "sales", author.folder / "schemas" / "sales"
    good = {path: path.read_bytes() for path in (*folder.iterdir(), *schemas.iterdir()) if path.is_file()}
    script = next(folder.glob("0002*.py"))

    def found(word: str) -> None:
        answer = author.run("check")
        assert answer.code == 2, answer.out
        assert not answer.json["ok"]
        assert word in answer.out, answer.out
        assert author.instar("check", at=author.folder).code == 2
        for path in folder.glob("*.py"):
            path.unlink()
        for path, data in good.items():
            path.write_bytes(data)
        assert author.do("check")["ok"]

    (folder / "0002_again.py").write_text(script.read_text())
    found("0002_again.py")
    (folder / "0004_far.py").write_text(script.read_text())
    found("version 3")
    script.write_text(script.read_text().replace('"remark"', '"comment"'))
    found("comment")
    script.write_text("upgrade = [")
    found("0002_one_step.py")
    script.write_text("raise RuntimeError('no')")
    found("0002_one_step.py")
    script.unlink()
    found("2")
    v2 = schemas / "v2.arrow.json"
    v2.write_text(v2.read_text().replace("remark", "comment"))
    found("v2.arrow.json")
    v2.write_text(json.dumps(json.loads(v2.read_text()), indent=7))
    assert author.do("check")["ok"]  # a formatter breaks nothing
