"""A project's own SQL checks stand between the proof and the publish, and are asked again by `verify`."""

from __future__ import annotations

import json
from typing import Any

import pytest
from authoring import Author
from gating import SAME_ROWS, SAME_WAY, STEP, SUFFIXES, check, orders, records, runs, setting, write
from support import tree

import instar
from instar.transforms.job import Options


def mostly(suffix: str) -> list[Any]:
    """All formats; the others run in `make test-all` only."""
    return [each if each == suffix else pytest.param(each, marks=pytest.mark.slow) for each in SUFFIXES]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_check_that_returns_rows_stops_the_run_and_one_that_returns_none_does_not(suffix: str, author: Author) -> None:
    folder = orders(author, suffix)
    check(author, "rows", f"-- No order\n-- is lost.\n{SAME_ROWS}")
    check(author, "way", SAME_WAY)
    file = check(author, "short", "-- No order goes far.\nSELECT id, km FROM new WHERE km > 14 ORDER BY id;")
    before = tree(folder, times=True)
    error = author.refused("upgrade", "orders")
    assert error["message"].splitlines() == [
        "checks/orders/short.sql returned 3 rows, and must return none: No order goes far.",
        "    id  km",
        "    9   15.288768000000001",
        "    10  16.898112",
        "    11  18.507456",
    ]
    assert "--stage-only" in error["hint"]
    assert tree(folder, times=True) == before
    (failed,) = runs(author)
    report = json.loads((failed / "report.json").read_text())
    assert report["status"] == "failed"
    assert [(gate["name"], gate["verdict"]) for gate in report["gates"]] == [
        ("checks/orders/rows.sql", "passed"), ("checks/orders/short.sql", "failed"), ("checks/orders/way.sql", "passed"),
    ]  # fmt: skip
    assert not (failed / "stage").exists()

    file.write_text("SELECT id, km FROM new WHERE km > 100")
    checks = [str(f) for f in sorted(file.parent.iterdir())]
    assert author.do("plan", "orders")["gates"] == {"checks": checks, "test": [], "queries": None}
    report = author.do("upgrade", "orders")
    assert [gate["verdict"] for gate in report["gates"]] == ["passed"] * 3
    assert report["gates"][0]["detail"]["description"] == "No order is lost."
    assert report["seconds"]["gates"] > 0
    assert json.loads((runs(author)[-1] / "report.json").read_text())["gates"] == report["gates"]

    found = author.do("verify", "orders")
    assert (found["verdict"], [gate["verdict"] for gate in found["gates"]]) == ("proved", ["passed"] * 3)
    file.write_text("SELECT id FROM new WHERE km > 14")
    answer = author.run("verify", "orders")
    assert answer.code == 1
    assert answer.json["verdict"] == "failed"
    assert answer.json["gates"][1]["detail"]["rows"] == 3


@pytest.mark.parametrize("suffix", mostly("avro"))
def test_files_of_several_versions_are_checked_together(suffix: str, author: Author) -> None:
    folder = orders(author, suffix)
    author.do("upgrade", "orders")
    write(folder / f"3.{suffix}", records(12))
    author.step("orders", 'op.rename("km", to="kilometres"),')
    check(author, "rows", SAME_ROWS)
    check(author, "mixed", "SELECT count(miles) m, count(km) k, count(DISTINCT id) d FROM old HAVING (m, k, d) <> (16, 12, 16)")
    check(author, "one", "FROM new WHERE kilometres IS NULL OR buyer IS NULL")
    report = author.do("upgrade", "orders")
    assert (report["from"], [gate["verdict"] for gate in report["gates"]]) == ({"1": 1, "2": 3}, ["passed"] * 3)
    write(folder / f"4.{suffix}", records(16))
    check(author, "kept", "SELECT count(*) n FROM new HAVING n <> 20")
    report = author.do("upgrade", "orders")  # of one file; the others are at the version already, and are there on both sides
    assert (report["from"], report["gates"][0]["verdict"]) == ({"1": 1}, "passed")
    assert author.do("verify", "orders")["gates"][0]["verdict"] == "passed"


@pytest.mark.parametrize("suffix", mostly("parquet"))
def test_each_batch_is_checked_with_what_is_at_the_version_by_then(suffix: str, author: Author) -> None:
    orders(author, suffix)
    check(author, "rows", SAME_ROWS)
    check(author, "way", "FROM new WHERE km IS NULL")
    check(author, "first", "SELECT count(*) n FROM new HAVING n > 8")
    answer = author.run("upgrade", "orders", "--batch-files", "1")
    error = answer.json["error"]
    assert answer.code == 1
    assert error["message"].startswith("checks/orders/first.sql returned 1 row")
    assert "2 earlier batches are published (2 files)" in error["hint"]
    assert author.do("verify", "orders")["gates"][0]["verdict"] == "passed"  # of the second batch
    check(author, "first", "SELECT count(*) n FROM new HAVING n <> 12")
    assert author.do("upgrade", "orders", "--batch-files", "1")["files"]["rewritten"] == 1


@pytest.mark.parametrize("suffix", mostly("ndjson"))
def test_a_shadow_is_checked_before_it_is_published(suffix: str, author: Author) -> None:
    orders(author, suffix)
    check(author, "rows", SAME_ROWS)
    file = check(author, "short", "FROM new WHERE km > 10")
    shadow = ("--shadow", "data/second")
    assert "short.sql returned 6 rows" in author.refused("upgrade", "orders", *shadow)["message"]
    assert not (author.folder / "data" / "second").exists()
    file.unlink()
    assert author.do("upgrade", "orders", *shadow)["gates"][0]["verdict"] == "passed"
    assert author.do("verify", "orders", *shadow)["gates"][0]["verdict"] == "passed"


def test_a_dataset_of_one_file_is_checked(author: Author) -> None:
    data = author.folder / "data"
    data.mkdir()
    write(data / "orders.parquet", records(0))
    author.do("init", "--from", "data/orders.parquet", "--name", "orders")
    author.step("orders", 'op.rename("by", to="buyer"),')
    check(author, "all", f"{SAME_ROWS} OR EXISTS (FROM new WHERE buyer IS NULL)")
    assert author.do("upgrade", "orders", "--workers", "1")["gates"][0]["verdict"] == "passed"
    assert author.do("verify", "orders", "--workers", "1")["gates"][0]["verdict"] == "passed"


def test_records_in_quarantine_are_on_the_old_side_only(author: Author) -> None:
    folder = orders(author, "ndjson", step='op.cast("by", "int64", on_error="quarantine"),')
    write(folder / "0.ndjson", [{"id": 0, "miles": 1.5, "by": "17"}, {"id": 1, "miles": 1.5, "by": "x"}])
    for name in ("1", "2"):
        (folder / f"{name}.ndjson").unlink()
    check(author, "lost", "SELECT id FROM old WHERE id NOT IN (SELECT id FROM new) AND id <> 1")
    check(author, "rows", SAME_ROWS)
    error = author.refused("upgrade", "orders")
    assert error["message"].splitlines()[1:] == ["    n  n_1", "    2  1"] or error["message"].endswith("    2  1")
    assert error["message"].startswith("checks/orders/rows.sql")


# ---- what does not fit
def test_a_check_that_fits_no_schema_is_refused_before_anything_is_staged(author: Author) -> None:
    orders(author)
    check(author, "a", "SELECT id\nFROM new\nWHERE")
    check(author, "b", "SELECT nothing FROM new")
    check(author, "c", "DELETE FROM new")
    check(author, "d", "SELECT 1; SELECT 2")
    check(author, "e", "-- nothing")
    check(author, "f", "SELECT id FROM new WHERE id = ?")
    check(author, "g", "FROM read_text('/etc/hostname')")
    found = author.run("check")
    assert found.code == 2
    problems = found.json["problems"]
    assert problems[0] == 'checks/orders/a.sql, line 3: syntax error at or near "WHERE"'
    assert 'column "nothing" not found' in problems[1]
    assert [p.partition(".sql")[2] for p in problems[2:6]] == [
        " holds no plain query", " holds 2 statements", " holds no query", " holds no plain query",
    ]  # fmt: skip
    assert "g.sql" in problems[6]
    error = author.refused("upgrade", "orders", code=2)
    assert len(error["errors"]) == 5
    assert runs(author) == []
    for name in "acdef":
        (author.folder / "checks" / "orders" / f"{name}.sql").unlink()
    assert len(author.refused("upgrade", "orders", code=2)["errors"]) == 2
    assert runs(author) == []
    for name in "bg":
        (author.folder / "checks" / "orders" / f"{name}.sql").unlink()
    check(author, "h", SAME_WAY)
    assert author.do("check")["checks"] == ["checks/orders/h.sql"]


def test_a_check_that_speaks_of_other_versions_says_nothing_of_these(author: Author) -> None:
    orders(author)
    check(author, "way", SAME_WAY)
    check(author, "rows", SAME_ROWS)
    check(author, "new", "FROM new WHERE km < 0")
    author.do("upgrade", "orders")
    report = author.do("downgrade", "orders", "1")
    assert [(gate["name"][14:-4], gate["verdict"]) for gate in report["gates"]] == [
        ("new", "undecided"), ("rows", "passed"), ("way", "undecided"),
    ]  # fmt: skip
    assert 'column "km" not found' in report["gates"][0]["message"]
    said = author.instar("verify", "orders", at=author.folder)
    assert said.code == 0
    assert "1 check passed, 2 checks undecided" in said.out


def test_a_rollback_asks_nothing(author: Author) -> None:
    orders(author)
    author.do("upgrade", "orders")
    check(author, "no", "FROM new")
    setting(author, 'test = ["false"]')
    assert author.do("rollback", "orders")["gates"] == []


def test_a_check_that_fails_while_it_runs_fails(author: Author) -> None:
    orders(author)
    check(author, "cast", "SELECT id FROM new WHERE CAST(buyer AS INTEGER) > 0")
    message = author.refused("upgrade", "orders")["message"]
    assert message.startswith("checks/orders/cast.sql could not be run: Conversion Error")
    assert "who0" in message


# ---- what it says
def test_values_of_fields_tagged_pii_are_not_shown(author: Author) -> None:
    orders(author, step=f'{STEP} op.set_tag("buyer", "pii"),')
    check(author, "one", "SELECT id, buyer, 'x' || buyer AS b FROM new WHERE id = 3")
    check(author, "two", "SELECT id FROM new WHERE CAST(buyer AS INTEGER) > 0")
    check(author, "was", 'SELECT id, "by" FROM old WHERE id = 3')
    answer = author.run("upgrade", "orders")
    text = (runs(author)[-1] / "report.json").read_text()
    gates = json.loads(text)["gates"]
    assert gates[0]["detail"]["examples"] == [["3", "(hidden)", "(hidden)"]]
    assert "ConversionException" in gates[1]["message"]
    assert gates[2]["detail"]["examples"] == [["3", "(hidden)"]]
    assert "who" not in answer.out + text


def test_at_most_so_many_rows_are_shown_and_all_are_counted(author: Author) -> None:
    orders(author)
    check(author, "all", "SELECT id, repeat('é', 200) AS long, NULL AS nothing, 'a\nb' AS lines FROM new ORDER BY id")
    message = author.refused("upgrade", "orders", "--examples", "2")["message"].splitlines()
    assert message[0] == "checks/orders/all.sql returned 12 rows, and must return none"
    assert len(message) == 5
    assert message[-1] == "    … and 10 more"
    assert message[2].endswith("…  NULL     a\\nb")
    assert max(map(len, message)) <= 100
    check(author, "all", "SELECT " + ", ".join(f"'{'x' * 30}' AS column_{i}" for i in range(9)) + " FROM new")
    message = author.refused("upgrade", "orders", "--examples", "0")["message"]
    assert message == "checks/orders/all.sql returned 12 rows, and must return none"
    message = author.refused("upgrade", "orders")["message"].splitlines()
    assert max(map(len, message)) <= 100
    assert message[1].endswith("  …")


def test_checks_may_lie_elsewhere(author: Author) -> None:
    orders(author)
    setting(author, 'checks = "tests/sql"')
    path = author.folder / "tests" / "sql"
    path.mkdir(parents=True)
    (path / "no.sql").write_text("FROM new")
    assert author.refused("upgrade", "orders")["message"].startswith("tests/sql/no.sql returned 12 rows")


def test_without_gates_nothing_of_them_is_imported(author: Author) -> None:
    import subprocess
    import sys

    orders(author, step='op.rename("by", to="buyer"),')
    program = "import sys\nfrom instar.cli.main import main\ntry:\n main()\nfinally:\n print(*sys.modules, file=sys.stderr)"
    command = [sys.executable, "-c", program, "upgrade", "orders", "--json"]
    loaded = subprocess.run(command, cwd=author.folder, capture_output=True, text=True, check=True).stderr.split()
    gates = (
        "gates",
        "gate_result",
        "gate_command",
        "checks",
        "run_checks",
        "check_values",
        "tree_views",
        "run.two_trees",
        "held_back",
    )
    assert [name for name in gates if f"instar.transforms.{name}" in loaded] == []


@pytest.mark.parametrize("queries", [False, True], ids=["check", "query"])
def test_a_signal_while_records_are_read_for_a_check_keeps_what_is_staged(
    queries: bool, author: Author, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DuckDB makes an error of its own of it: neither the check says no then, nor the query fails."""
    orders(author, "avro")
    options = Options()
    if queries:
        (author.folder / "queries").mkdir()
        (author.folder / "queries" / "rows.sql").write_text("SELECT count(buyer) FROM orders")
        options = Options(queries=author.folder / "queries")
    else:
        check(author, "rows", SAME_ROWS)
    dataset = instar.open(author.folder).dataset("orders")

    def stopped(*arguments: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("instar.transforms.tree_views._records", stopped)
        with pytest.raises(KeyboardInterrupt):
            dataset.upgrade(options=options)
    (entry,) = author.do("runs", "orders")["runs"]
    assert entry["status"] == "interrupted"
    assert author.do("upgrade", "orders")["resumed"]["reused"] == 3
