"""`verify` proves a finished run again: it finds what was changed since, says what cannot be proved now, and writes nothing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fastavro
import faults
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from authoring import Author
from support import Answer, leave_three_months, tree

import instar as library
from instar.formats.parquet.footer import read_footer, replace_footer
from instar.formats.parquet.thrift import I32

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
FORMATS = {"flights": "parquet", "weather": "avro", "events": "json"}
PUBLISHED = {"flights": "month=03/part-0.parquet", "weather": "JFK.avro", "events": "2024-05.ndjson"}
COLUMN = {"flights": {"constant": "source"}, "weather": {}, "events": {"constant": "source", "shifted": "event", "value": "event"}}
CASES = [(dataset, fault) for dataset, format in FORMATS.items() for fault in faults.possible(format)]
CHANGED = "changed since the run published it"


# ---- the samples, in all three formats
@pytest.mark.usefixtures("three_months")
@pytest.mark.parametrize("dataset", sorted(FORMATS))
def test_a_finished_run_is_proved_again_and_nothing_is_written(dataset: str, project: Path, instar: Callable[..., Answer]) -> None:
    done = instar("upgrade", dataset, "--json", "--workers", "1", at=project).json
    before = tree(project, times=True)
    for level, workers in (("auto", "1"), ("full", "2")):
        answer = instar("verify", dataset, "--proof", level, "--workers", workers, "--json", at=project)
        assert answer.code == 0, answer.out
        found = answer.json
        assert (found["run"], found["verdict"], found["from"], found["to"]) == (done["run"], "proved", done["from"], done["to"])
        assert not found["problems"] + found["unproved"] + found["notes"]
        if level == "auto":
            assert untimed(found["proof"]) == untimed(done["proof"])
    assert tree(project, times=True) == before


def untimed(proof: dict[str, Any]) -> dict[str, Any]:
    """A proof without the seconds that it took."""
    return {**proof, "checks": [{key: value for key, value in check.items() if key != "seconds"} for check in proof["checks"]]}


@pytest.fixture(scope="module")
def upgraded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample project, each of its datasets upgraded: to be copied."""
    folder = tmp_path_factory.mktemp("upgraded") / "project"
    shutil.copytree(SAMPLES / "project", folder, ignore=shutil.ignore_patterns(".instar"))
    leave_three_months(folder / "data" / "flights")
    for dataset in FORMATS:
        library.open(folder).dataset(dataset).upgrade()
    return folder


@pytest.fixture
def published(upgraded: Path, tmp_path: Path) -> Path:
    """A copy of it, as if it had been upgraded there."""
    return Path(shutil.copytree(upgraded, tmp_path / "published"))


@pytest.mark.parametrize(("dataset", "fault"), CASES)
def test_a_fault_in_one_published_file_is_found(dataset: str, fault: str, published: Path, instar: Callable[..., Answer]) -> None:
    project = published
    file = project / "data" / dataset / PUBLISHED[dataset]
    faults.plant(fault, file, FORMATS[dataset], column=COLUMN[dataset].get(fault))
    answer = instar("verify", dataset, "--json", "--workers", "1", at=project)
    assert answer.code == 1
    told = [p["problem"] for p in answer.json["problems"]]
    assert {p["path"] for p in answer.json["problems"]} == {PUBLISHED[dataset]}
    assert told.count(CHANGED) == 1
    assert any(not message.startswith(CHANGED) for message in told), told
    assert answer.json["verdict"] == "failed"
    if fault == "value":
        spoken = instar("verify", dataset, "--workers", "1", at=project)
        assert spoken.code == 1
        assert f"problem: {PUBLISHED[dataset]}: {CHANGED}" in spoken.out
        assert not spoken.err


@pytest.mark.parametrize("dataset", sorted(FORMATS))
def test_the_first_records_that_differ_are_shown(dataset: str, published: Path, instar: Callable[..., Answer]) -> None:
    project = published
    file = project / "data" / dataset / PUBLISHED[dataset]
    faults.plant("dropped", file, FORMATS[dataset])
    answer = instar("verify", dataset, "--json", "--workers", "1", "--examples", "2", at=project)
    (check,) = (check for check in answer.json["proof"]["checks"] if check["verdict"] == "failed")
    assert all(map(examined, check["columns"]))
    failed = [column for column in check["columns"] if column.get("examples")]
    assert all(len(column["examples"]) == min(2, column["differing"]) for column in failed)
    first = next(column for column in failed if column["differing"] > 2)
    assert first["examples"][0]["row"] == first["row"]
    assert all(e["old"] != e["new"] for column in failed for e in column["examples"])
    assert all((e["group"] is None) == (FORMATS[dataset] == "json") for e in first["examples"][:1])
    spoken = instar("verify", dataset, "--workers", "1", "--examples", "2", at=project).out.splitlines()
    at = next(i for i, line in enumerate(spoken) if f": {first['path']}: record {first['row']} holds" in line)
    assert f"record {first['row']}: {first['examples'][0]['new']}" in spoken[at + 1]
    assert all(len(line) <= 100 for line in spoken if line.startswith("    "))
    assert not any(column["examples"] for column in shown_none(instar, dataset, project))


def examined(column: dict[str, Any]) -> bool:
    """Have failed checks, and no others, a place for examples?"""
    return ("examples" in column) == bool(column["problem"])


def shown_none(instar: Callable[..., Answer], dataset: str, project: Path) -> list[dict[str, Any]]:
    answer = instar("verify", dataset, "--json", "--workers", "1", "--examples", "0", at=project)
    return [column for check in answer.json["proof"]["checks"] for column in check["columns"] if "examples" in column]


# ---- a small dataset
SCHEMA: dict[str, Any] = {"type": "record", "name": "R", "fields": [{"name": "n", "type": "long"}, {"name": "s", "type": "string"}]}


def write(path: Path, first: int = 1) -> None:
    records = [{"n": n, "s": f"x{n}"} for n in range(first, first + 4)]
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(records), path)
    elif path.suffix == ".avro":
        with path.open("wb") as file:
            fastavro.writer(file, SCHEMA, records)
    else:
        path.write_text("".join(json.dumps(r) + "\n" for r in records))


@pytest.fixture(params=["parquet", "avro", "ndjson"])
def suffix(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def orders(author: Author, suffix: str) -> Author:
    """`orders`, files a and b at version 1, with scripts to 2 and 3; upgraded to 2."""
    for number, name in enumerate("ab"):
        write(author.data("orders") / f"{name}.{suffix}", 10 * number)
    author.adopt("orders")
    author.step("orders", 'op.rename("s", to="t")')
    author.step("orders", 'op.cast("n", "string"), op.drop("t")', '{"t": "\'x\' || n"}')
    author.do("upgrade", "orders", "2")
    return author


def runs_of(author: Author) -> list[str]:
    return [r["run"] for r in author.do("runs", "orders")["runs"]]


def snapshot(author: Author, run: str) -> Path:
    return author.folder / "data" / ".instar" / "orders" / "runs" / run / "snapshot"


def problems(answer: Answer, kind: str = "problems") -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for entry in answer.json[kind]:
        found.setdefault(entry["path"], []).append(entry["problem"])
    return found


def test_runs_are_named_by_their_id_or_are_the_last(orders: Author) -> None:
    (run,) = runs_of(orders)
    for arguments in ([], ["orders"], [run], ["orders", run]):
        assert orders.do("verify", *arguments)["run"] == run
    assert orders.refused("verify", "order", code=2)["hint"] == "Did you mean 'orders'?"
    assert "instar runs" in orders.refused("verify", "20200101-000000-000000", code=2)["hint"]
    assert run in orders.refused("verify", "orders", run[:-1] + "x", code=2)["hint"]


def test_the_library_answers_with_the_report(orders: Author) -> None:
    dataset = library.open(orders.folder).dataset("orders")
    report = dataset.verify(options=library.Options(proof="full"))
    assert (report.ok, report.verdict, report.run, report.files) == (True, "proved", *runs_of(orders), 2)
    assert report.as_json()["proof"]["verdict"] == "proved"


def test_earlier_runs_are_compared_as_later_ones_found_them(orders: Author, suffix: str) -> None:
    (first,) = runs_of(orders)
    write(orders.data("orders") / f"c.{suffix}", 90)
    orders.do("upgrade", "orders")
    second = runs_of(orders)[1]
    again = orders.do("verify", first)
    assert (again["verdict"], again["files"], again["to"]) == ("proved", 2, 2)
    assert second in again["notes"][0]
    assert orders.do("verify")["files"] == 3
    orders.do("downgrade", "orders", "1")
    down = orders.do("verify")
    assert (down["verb"], down["verdict"], down["from"], down["to"]) == ("downgrade", "proved", {"3": 3}, 1)
    assert orders.do("verify", second)["verdict"] == orders.do("verify", first)["verdict"] == "proved"
    orders.do("rollback", "orders")
    assert orders.do("verify", second)["notes"] == []


def test_a_run_by_replace_is_verified_like_any_other(author: Author, suffix: str) -> None:
    write(author.data("orders") / f"a.{suffix}")
    author.adopt("orders")
    author.step("orders", 'op.rename("s", to="t")')
    author.do("upgrade", "orders", "--method", "replace")
    assert author.do("verify")["verdict"] == "proved"
    write(author.data("orders") / f"a.{suffix}")
    assert CHANGED in problems(author.run("verify"))[f"a.{suffix}"]


def test_a_run_that_was_rolled_back_is_said_to_be(orders: Author) -> None:
    (run,) = runs_of(orders)
    orders.do("rollback", "orders")
    error = orders.refused("verify", run)
    assert "was rolled back" in error["message"]
    assert "no finished run" in orders.refused("verify", "orders", code=2)["message"]


def test_without_its_snapshot_a_run_is_not_called_proved(orders: Author, suffix: str) -> None:
    (run,) = runs_of(orders)
    (snapshot(orders, run) / f"a.{suffix}").unlink()
    answer = orders.run("verify")
    assert (answer.code, answer.json["verdict"], answer.json["problems"]) == (1, "unproved", [])
    assert list(problems(answer, "unproved")) == [f"a.{suffix}"]
    assert [c["file"] for c in answer.json["proof"]["checks"]] == [f"b.{suffix}"]
    shutil.rmtree(snapshot(orders, run))
    write(orders.data("orders") / f"b.{suffix}")
    answer = orders.run("verify")
    assert (answer.code, answer.json["verdict"]) == (1, "failed")
    assert set(problems(answer, "unproved")) == {f"a.{suffix}", f"b.{suffix}"}
    assert problems(answer) == {f"b.{suffix}": [CHANGED]}
    assert "Failed" in orders.instar("verify", at=orders.folder).out


def test_a_snapshot_that_was_changed_is_named(orders: Author, suffix: str) -> None:
    (run,) = runs_of(orders)
    write(snapshot(orders, run) / f"a.{suffix}", 50)
    answer = orders.run("verify")
    assert answer.code == 1
    told = problems(answer)[f"a.{suffix}"]
    assert told[0] == "its old form in the snapshot is no longer what the run found"
    assert len(told) > 1
    assert f"b.{suffix}" not in problems(answer)


def test_files_that_are_gone_or_cut_off_are_named(orders: Author, suffix: str) -> None:
    data = orders.data("orders")
    (data / f"a.{suffix}").unlink()
    (data / f"b.{suffix}").write_bytes((data / f"b.{suffix}").read_bytes()[:-7])
    for workers in ("1", "2"):
        answer = orders.run("verify", "--workers", workers)
        assert answer.code == 1
        assert problems(answer)[f"a.{suffix}"] == ["no longer there"]
        assert problems(answer)[f"b.{suffix}"][0] == CHANGED
        assert len(problems(answer)[f"b.{suffix}"]) == 2


def test_other_bytes_with_the_same_values_are_told_apart_from_other_values(author: Author) -> None:
    write(author.data("orders") / "a.parquet")
    author.adopt("orders")
    author.step("orders", 'op.rename("s", to="t")')
    author.do("upgrade", "orders")
    file = author.data("orders") / "a.parquet"
    footer = read_footer(file)
    replace_footer(file, footer, {**footer.struct, 99: (I32, 1)})  # a field that no reader knows
    answer = author.run("verify")
    assert answer.code == 1
    assert problems(answer) == {"a.parquet": [CHANGED]}
    assert answer.json["proof"]["verdict"] == "proved"


def test_scripts_that_were_changed_since_are_told(orders: Author) -> None:
    script = next((orders.folder / "migrations" / "orders").glob("0002*.py"))
    script.write_text(script.read_text().replace('op.rename("s", to="t")', 'op.rename("s", to="u"), op.rename("u", to="t")'))
    found = orders.do("verify")
    assert found["verdict"] == "proved"
    assert "scripts were changed" in found["notes"][0]


def test_a_later_run_that_was_cut_off_is_settled_first(orders: Author) -> None:
    (run,) = runs_of(orders)
    journal = snapshot(orders, run).parent / "journal.jsonl"
    journal.write_text("".join(line for line in journal.read_text().splitlines(keepends=True) if '"Published"' not in line))
    assert "cut off" in orders.refused("verify", run)["message"]


def test_a_dataset_that_is_one_file_is_verified(author: Author, suffix: str) -> None:
    file = author.folder / "data" / f"one.{suffix}"
    file.parent.mkdir()
    write(file)
    author.do("init", "--from", f"data/one.{suffix}", "--name", "one", "--subject", "one")
    author.step("one", 'op.rename("s", to="t")')
    author.do("upgrade", "one")
    assert author.do("verify", "one")["verdict"] == "proved"
    write(file, 7)
    assert CHANGED in problems(author.run("verify", "one"))[f"one.{suffix}"]


def test_what_python_computed_is_repeated_and_not_called_proved(author: Author) -> None:
    write(author.data("orders") / "a.ndjson")
    author.adopt("orders")
    author.step("orders", 'op.python(lambda n: n * 2, reads=["n"], writes={"double": "int64"})')
    author.do("upgrade", "orders")
    found = author.do("verify")
    assert (found["verdict"], found["problems"]) == ("repeated", [])
    file = author.data("orders") / "a.ndjson"
    file.write_text(file.read_text().replace('"double": 4', '"double": 5'))
    told = problems(author.run("verify"))["a.ndjson"]
    assert len(told) == 2
    assert "double" in told[1]


def test_what_fidelity_lets_go_is_let_go_again(author: Author) -> None:
    write(author.data("orders") / "a.ndjson")
    author.adopt("orders")
    author.step("orders", 'op.rename("s", to="t")')
    author.do("upgrade", "orders")
    file = author.data("orders") / "a.ndjson"
    file.write_text(file.read_text().rstrip("\n"))
    told = problems(author.run("verify"))["a.ndjson"]
    assert told[0] == CHANGED
    assert "json.final-newline" in told[1]
    with (author.folder / "instar.toml").open("a") as toml:
        toml.write('\n[datasets.orders.fidelity]\nallow = ["json.final-newline", "json.newlines"]\n')
    answer = author.run("verify")
    assert problems(answer)["a.ndjson"] == [CHANGED]
    assert "allowed: json.final-newline" in "".join(answer.json["notes"])


def test_a_rollback_in_its_midst_is_not_taken_for_damage(orders: Author, monkeypatch: pytest.MonkeyPatch) -> None:
    from instar.transforms import verify

    dataset = library.open(orders.folder).dataset("orders")
    real = verify.in_order

    def later(*arguments: Any, **options: Any) -> Any:
        dataset.rollback()
        return real(*arguments, **options)

    monkeypatch.setattr(verify, "in_order", later)
    with pytest.raises(library.InstarError, match="published or rolled back while"):
        dataset.verify()
