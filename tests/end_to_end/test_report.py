"""`instar report` on the console and as JSON: of every kind of run, whatever is still there of it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from authoring import Author, said

from instar.formats.errors import UnreadableError
from instar.formats.format import format_named
from instar.transforms import account
from instar.transforms.properties import Circumstances, accounted
from instar.transforms.run.state import State

SCHEMA = json.loads((Path(__file__).resolve().parents[2] / "transforms" / "report.schema.json").read_text(encoding="utf-8"))


def with_sales(author: Author, operations: str = 'op.cast("n", "string"), op.rename("text", to="words")') -> Path:
    data = author.data("sales")
    pq.write_table(pa.table({"n": [1, 2, 3], "text": ["a", "b", None]}), data / "a.parquet")
    author.adopt("sales")
    author.step("sales", operations)
    return data.parent / ".instar" / "sales" / "runs"


def reported(author: Author, *arguments: str) -> Any:
    told = author.do("report", "sales", *arguments)
    jsonschema.validate(told, SCHEMA)
    return told


@pytest.mark.parametrize("dataset", ["flights", "events", pytest.param("weather", marks=pytest.mark.slow)])
def test_a_run_is_told_within_a_hundred_columns(dataset: str, three_months: Path) -> None:
    assert said("upgrade", dataset, "--workers", "1", at=three_months).code == 0
    answer = said("report", dataset, at=three_months)
    assert (answer.code, answer.err) == (0, "")
    lines = answer.out.splitlines()
    assert lines[0] == "✓ Proved: every record and value is as it must be"
    assert not [line for line in lines if len(line.rstrip()) > 100]
    assert lines[-1] == f"way back instar rollback {dataset}"
    told = said("report", dataset, "--json", at=three_months).json
    jsonschema.validate(told, SCHEMA)
    assert all(each["declared"] for file in told["properties"]["files"] for each in file["differences"])
    assert len(told["properties"]["files"]) == told["properties"]["of"] == 3
    assert {file["before"]["bytes"] for file in told["properties"]["files"]} == {file["bytes"][0] for file in told["written"]}


def test_a_run_that_only_copied_gets_its_schemas_afterwards(author: Author) -> None:
    runs = with_sales(author, 'op.rename("text", to="words")')
    author.do("upgrade", "sales")
    assert json.loads(next(runs.glob("*/report.json")).read_text())["schema"] is None
    told = reported(author)
    (step,) = told["schema"]
    assert [(f["kind"], f["what"]) for f in step["fields"]] == [("same", []), ("changed", ["renamed"])]
    assert (step["by"], step["migrations"][0]["operations"]) == ("scripts", ['rename("text", to="words")'])
    assert [moment["what"] for moment in told["timeline"]][-1] == "published"
    assert set(told["seconds"]) >= {"stage", "prove", "publish"}
    next((author.folder / "migrations" / "sales").iterdir()).unlink()
    told = reported(author)
    assert told["schema"][0]["by"] == "names"
    assert told["properties"]["missing"]


def test_a_run_that_was_interrupted_is_told_by_its_journal(author: Author, monkeypatch: pytest.MonkeyPatch) -> None:
    with_sales(author)

    def stop(staged: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("instar.transforms.migrate.prove", stop)
        assert author.run("upgrade", "sales").code == 130
    told = reported(author)
    assert (told["now"]["status"], told["proof"], told["rows_in"], len(told["written"])) == ("interrupted", None, 3, 1)
    answer = author.instar("report", "sales", at=author.folder)
    assert answer.out.splitlines()[:2] == ["! Interrupted", "sales is unchanged. The same command goes on where it was."]
    assert "error    interrupted" in answer.out
    author.do("rollback", "sales")  # which discards it
    discarded = author.instar("report", "sales", at=author.folder).out
    assert discarded.splitlines()[0].endswith("Interrupted, and discarded since")
    author.do("upgrade", "sales")
    assert reported(author)["now"]["status"] == "finished"


def test_pages_of_all_runs_are_not_written_where_a_file_is(author: Author) -> None:
    with_sales(author)
    author.do("upgrade", "sales")
    (author.folder / "pages").write_text("a file")
    answer = author.instar("report", "--all", "--html", "pages", at=author.folder)
    assert (answer.code, answer.err.splitlines()[0]) == (2, "Error: pages is no folder")
    assert (author.folder / "pages").read_text() == "a file"


def test_a_report_of_an_older_version_is_completed(author: Author) -> None:
    runs = with_sales(author)
    author.do("upgrade", "sales")
    path = next(runs.glob("*/report.json"))
    new = json.loads(path.read_text())
    old = {key: new[key] for key in new if key not in ("schema", "profile", "gates", "audit", "written", "timeline", "error")}
    checks = [{key: value for key, value in check.items() if key != "seconds"} for check in old["proof"]["checks"]]
    path.write_text(json.dumps({**old, "format": 1, "proof": {**old["proof"], "checks": checks}}))
    told = reported(author)
    assert told["format"] == 2
    assert told["written"] == new["written"]
    assert told["schema"] == new["schema"]
    assert author.instar("report", "sales", at=author.folder).code == 0
    path.write_text(json.dumps(new))  # as its own schema wants it


def test_what_became_of_a_run_is_told(author: Author) -> None:
    with_sales(author)
    run = author.do("upgrade", "sales")["run"]
    back = author.do("rollback", "sales")["run"]
    told = reported(author, run)
    assert (told["now"]["status"], told["properties"]["files"]) == ("rolled back", [])
    assert author.instar("report", "sales", run, at=author.folder).out.startswith("– Rolled back since\n")
    assert author.instar("report", "sales", at=author.folder).out.startswith("✓ Rolled back: every file is as it was\n")
    assert reported(author)["run"] == back
    author.do("upgrade", "sales")
    author.do("gc", "sales", "--keep", "0", "--last")
    told = reported(author)
    assert told["properties"]["missing"] == "the old files went with the run's snapshot"
    assert told["profile"]["columns"][0]["path"] == "n"
    listed = author.do("report", "--list")
    assert [(each["verb"], each["now"]["status"]) for each in listed] == [
        ("upgrade", "rolled back"), ("rollback", "finished"), ("upgrade", "finished"),
    ]  # fmt: skip
    assert author.instar("report", "--list", at=author.folder).out.count("sales") == 3


def test_the_runs_are_listed_once_however_many_are_told(author: Author, monkeypatch: pytest.MonkeyPatch) -> None:
    with_sales(author)
    for verb in ("upgrade", "rollback", "upgrade"):
        author.do(verb, "sales")
    listed: list[State] = []
    list_runs = account.list_runs
    monkeypatch.setattr(account, "list_runs", lambda state: (listed.append(state), list_runs(state))[1])
    assert len(author.do("report", "--list")) == 3
    assert len(listed) == 1


def test_records_that_were_left_out_are_told_by_reason(author: Author) -> None:
    with_sales(author, 'op.cast("text", "int64")')
    author.do("upgrade", "sales", "--on-error", "quarantine")
    assert reported(author)["rows_quarantined"] == 2
    out = author.instar("report", "sales", at=author.folder).out
    assert out.startswith("! Proved, and 2 records left out\n")
    (line,) = [line for line in out.splitlines() if "×" in line]
    assert line.strip().startswith("2 × text: ")
    assert "'a'" not in line


def test_records_with_long_values_are_left_out_for_one_reason_that_shows_none(author: Author) -> None:
    table = pa.table({"n": [1, 2, 3], "text": ["long" * 50 + str(n) for n in range(3)]})
    with_sales(author, 'op.cast("text", "int64")')
    pq.write_table(table, author.folder / "data" / "sales" / "a.parquet")
    author.do("upgrade", "sales", "--on-error", "quarantine")
    out = author.instar("report", "sales", at=author.folder).out
    (line,) = [line for line in out.splitlines() if "×" in line]
    assert line.strip() == "3 × text: … (string) cannot become int64 and be undone"
    (file,) = reported(author)["properties"]["files"]
    assert {each["property"]: each["why"] for each in file["differences"]}["page version"] == "a file without records has no pages"


def test_files_that_could_not_be_read_are_told_and_no_run_with_such_is_called_whole(author: Author) -> None:
    with_sales(author)
    (author.folder / "data" / "sales" / "b.parquet").write_bytes(b"PAR1 and no more")
    author.do("upgrade", "sales", "--skip-unreadable")
    assert [file["path"] for file in reported(author)["skipped"]] == ["b.parquet"]
    out = author.instar("report", "sales", at=author.folder).out
    assert out.startswith("! Proved, and 1 file could not be read\n")
    assert "\nskipped  b.parquet: " in out
    assert "1 file could not be read" in author.instar("report", "--list", at=author.folder).out


def test_what_a_way_down_loses_is_told(author: Author) -> None:
    with_sales(author, 'op.add("more", "int64", default=1)')
    author.do("upgrade", "sales")
    author.do("downgrade", "sales", "1")
    assert reported(author)["left_behind"] == ["more"]
    assert (
        "\nleft     more: version 1 has no place for it; the snapshot keeps it\n"
        in author.instar("report", "sales", at=author.folder).out
    )


def test_without_what_pages_are_made_with_all_else_works(author: Author, monkeypatch: pytest.MonkeyPatch) -> None:
    with_sales(author)
    author.do("upgrade", "sales")
    for missing in ("jinja2", "matplotlib"):
        with monkeypatch.context() as patched:
            for name in [name for name in sys.modules if name.partition(".")[0] == missing]:
                patched.delitem(sys.modules, name)
            patched.setitem(sys.modules, missing, None)
            assert author.instar("report", "sales", at=author.folder).code == 0
            assert author.instar("report", "--list", at=author.folder).code == 0
            error = author.refused("report", "sales", "--html", "x.html", code=2)
            assert error["message"] == f"{missing} is not installed, which pages are made with"
            assert "instar[report]" in error["hint"]
            assert not (author.folder / "x.html").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--all"], "--all is for pages"),
        (["--list", "--html", "x.html"], "--list is for the console"),
        (["sales", "20260101-000000-000000", "--list"], "one run is named"),
        (["sales", "20260101-000000-000000"], "there is no run"),
        (["sales", "--html", "nowhere/x.html"], "there is no folder nowhere"),
    ],
)
def test_wrong_use_is_refused(arguments: list[str], says: str, author: Author) -> None:
    with_sales(author)
    author.do("upgrade", "sales")
    assert says in author.refused("report", *arguments, code=2)["message"]


def test_a_dataset_without_runs_says_so(author: Author) -> None:
    with_sales(author)
    assert "no runs yet" in author.refused("report", "sales", code=2)["message"]
    assert author.do("report", "--list") == []


# ---- properties
def test_a_difference_that_nothing_accounts_for_is_not_declared() -> None:
    nothing, columns = Circumstances(False, False, False, ()), Circumstances(True, False, False, ())
    assert accounted("codecs", {"ZSTD": 2}, {"SNAPPY": 2}, nothing) == ""
    assert accounted("codecs", {"ZSTD": 2}, {"ZSTD": 1}, columns)
    assert accounted("row groups", 2, 3, columns) == ""
    assert accounted("row groups", 2, 3, Circumstances(False, False, True, ()))
    assert accounted("rows", 2, 1, nothing) == ""
    assert accounted("rows", 2, 1, Circumstances(False, True, False, ()))
    assert accounted("sync marker", "aa", "bb", columns) == ""
    assert (
        accounted("sync marker", "aa", "bb", Circumstances(False, False, False, ("avro.sync",))) == "fidelity.allow names avro.sync"
    )
    assert accounted("key-values", ["a"], ["a", "instar.version"], nothing) == "Instar's stamp"
    assert accounted("page version", 1, 2, columns) == ""


def test_properties_say_what_files_are_like(tmp_path: Path) -> None:
    parquet = format_named("parquet")
    table = pa.table({"a": [1, 2, 3, 4], "b": ["x", "y", "x", "y"]})
    options: dict[str, Any] = {
        "compression": {"a": "zstd", "b": "snappy"}, "row_group_size": 3, "data_page_version": "2.0", "use_dictionary": ["b"],
        "write_page_index": True, "write_page_checksum": True, "sorting_columns": [pq.SortingColumn(0, descending=True)],
    }  # fmt: skip
    pq.write_table(table, tmp_path / "a.parquet", **options)
    said = parquet.properties(tmp_path / "a.parquet")
    assert (said["rows"], said["row groups"], said["rows per group"]) == (4, 2, "1 to 3")
    assert (said["codecs"], said["columns with a dictionary"], said["sorted by"]) == ({"SNAPPY": 1, "ZSTD": 1}, 1, ["a descending"])
    assert (said["page version"], said["page checksums"], said["page index"]) == (2, True, True)
    pq.write_table(table.slice(0, 0), tmp_path / "none.parquet")
    assert parquet.properties(tmp_path / "none.parquet")["page version"] is None

    json_ = format_named("json")
    (tmp_path / "a.ndjson").write_bytes(b'\xef\xbb\xbf{"a":1}\r\n{"a":2}')
    said = json_.properties(tmp_path / "a.ndjson")
    assert (said["records"], said["byte order mark"], said["lines ending in CRLF"], said["newline at the end"]) == (
        2,
        True,
        1,
        False,
    )


@pytest.mark.parametrize("format", ["parquet", "avro"])
def test_other_projects_files_have_properties(format: str, conformance: Path) -> None:
    looked = 0
    for path in sorted(conformance.rglob("*")):
        known = (
            path.is_file() and path.suffix in {"parquet": (".parquet",), "avro": (".avro",), "json": (".ndjson", ".jsonl")}[format]
        )
        if not known or path.stat().st_size > 2_000_000:
            continue
        try:
            said = format_named(format).properties(path)
        except UnreadableError:
            continue
        json.dumps(said)
        assert said["bytes"] == path.stat().st_size
        looked += 1
    assert looked > 5
