"""`name = "{stem}.v{version}{suffix}"`: rewritten files get names that say their version, and their old ones back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from authoring import Author
from support import tree

import instar

STEP = 'op.rename("note", to="remark")'


def write(path: Path, first: int = 0, *, note: str = "note") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"n": list(range(first, first + 5)), note: [f"note {i}" for i in range(first, first + 5)]}), path)


def name(author: Author, template: str = "{stem}.v{version}{suffix}", **more: Any) -> None:
    with (author.folder / "instar.toml").open("a", encoding="utf-8") as file:
        file.write("".join(f"{key} = {json.dumps(value)}\n" for key, value in {"name": template, **more}.items()))


@pytest.fixture
def sales(author: Author) -> Path:
    """Two versions, three files at the first; names say versions."""
    data = author.data("sales")
    for i, path in enumerate(("month=1/a.parquet", "month=1/b.v1.parquet", "month=2/000000_0")):
        write(data / path, i * 10)
    (data / "_SUCCESS").touch()
    (data / "month=1" / ".a.parquet.crc").write_bytes(b"of the old bytes")
    author.adopt("sales")
    author.step("sales", STEP)
    name(author)
    return data


def files(data: Path) -> set[str]:
    return {path.relative_to(data).as_posix() for path in data.rglob("*") if path.is_file()}


AT_1 = {"_SUCCESS", "month=1/a.parquet", "month=1/.a.parquet.crc", "month=1/b.v1.parquet", "month=2/000000_0"}
AT_2 = {"_SUCCESS", "month=1/a.v2.parquet", "month=1/b.v2.parquet", "month=2/000000_0.v2"}


def rows(author: Author, version: int) -> list[dict[str, Any]]:
    return sorted(instar.open(author.folder).dataset("sales").scan(version).read_all().to_pylist(), key=lambda row: row["n"])


def test_names_go_with_versions_up_down_and_back(author: Author, sales: Path) -> None:
    before, known = tree(sales, times=True), rows(author, 2)
    plan = author.do("plan", "sales")
    assert {a["path"]: a["new_path"] for a in plan["actions"]}["month=1/b.v1.parquet"] == "month=1/b.v2.parquet"
    report = author.do("upgrade", "sales")
    assert files(sales) == AT_2
    assert report["renamed"][0] == {"path": "month=1/a.parquet", "new_path": "month=1/a.v2.parquet"}
    assert report["proof"]["verdict"] == "proved"
    assert rows(author, 2) == known
    assert author.do("verify", "sales")["verdict"] == "proved"
    upgraded = tree(sales)
    author.do("downgrade", "sales", "1")
    assert files(sales) == {"_SUCCESS", "month=1/a.v1.parquet", "month=1/b.v1.parquet", "month=2/000000_0.v1"}
    assert author.do("verify", "sales")["verdict"] == "proved"
    first = author.do("runs", "sales")["runs"][0]["run"]
    assert author.do("verify", "sales", first)["verdict"] == "proved"  # the new files are in the later run's snapshot
    assert author.do("rollback", "sales")["notes"] == []  # the run itself took the old names away
    assert tree(sales) == upgraded
    assert author.do("rollback", "sales")["notes"] == []
    now = tree(sales, times=True)
    assert {path: (*entry[:2], entry[3]) for path, entry in now.items()} == {p: (*e[:2], e[3]) for p, e in before.items()}
    assert {path: entry[2] for path, entry in now.items() if "." in path} == {p: e[2] for p, e in before.items() if "." in p}
    author.do("upgrade", "sales")
    assert tree(sales) == upgraded
    (sales / "month=1" / "a.v2.parquet").unlink()
    back = author.do("rollback", "sales")
    assert back["notes"] == ["month=1/a.parquet is there again; it had been removed since"]
    assert author.do("rollback", "sales", back["run"])["notes"] == []


def test_people_see_the_names(author: Author, sales: Path) -> None:
    said = author.instar("plan", "sales", at=author.folder).out
    assert "name     month=1/a.parquet → a.v2.parquet (and 2 more)" in said
    assert "month=2/000000_0 → 000000_0.v2" in author.instar("upgrade", "sales", "-v", at=author.folder).out


def test_files_at_the_target_keep_their_names(author: Author, sales: Path) -> None:
    author.do("upgrade", "sales")
    write(sales / "month=1" / "late.parquet", 100, note="remark")
    write(sales / "month=1" / "later.parquet", 110)
    author.do("upgrade", "sales")
    assert files(sales) == {*AT_2, "month=1/late.parquet", "month=1/later.v2.parquet"}


def test_json_files_are_known_by_their_new_names(author: Author) -> None:
    """JSON has no stamp: what a file is at stands in the manifest, under its name."""
    data = author.data("events")
    (data / "2024.ndjson").write_text('{"id": 1, "note": "a"}\n')
    author.adopt("events")
    author.step("events", 'op.map_values("note", {"a": "b"}), op.set_doc("note", "in capitals")')  # one structure
    name(author)
    before = tree(data)
    author.do("upgrade", "events")
    assert files(data) == {"2024.v2.ndjson"}
    assert author.do("status", "events")["versions"][0]["version"] == 2
    assert author.do("upgrade", "events")["status"] == "nothing to do"
    author.do("downgrade", "events", "1")
    assert files(data) == {"2024.v1.ndjson"}
    author.do("rollback", "events")
    author.do("rollback", "events")
    assert tree(data) == before
    assert author.do("status", "events")["versions"][0]["version"] == 1


@pytest.mark.parametrize(
    ("other", "settings", "why"),
    [
        ("month=1/a.v1.parquet", {}, "month=1/a.v1.parquet: it and month=1/a.parquet would both be called month=1/a.v2.parquet"),
        ("month=1/a.v2.parquet", {}, "month=1/a.parquet: it would be called month=1/a.v2.parquet, and there is one already"),
        ("month=1/a.v2.parquet", {"exclude": ["*.v2.*"]}, "2 files cannot be renamed"),
        ("month=3/c.parquet", {"include": ["c.parquet"]}, "`include` and `exclude` leave out"),
    ],
)
def test_names_that_clash_are_refused_before_anything_is_staged(
    other: str, settings: dict[str, Any], why: str, author: Author, sales: Path
) -> None:
    write(sales / other, 200, note="remark" if ".v2" in other else "note")
    text = (author.folder / "instar.toml").read_text()
    (author.folder / "instar.toml").write_text(text + "".join(f"{k} = {json.dumps(v)}\n" for k, v in settings.items()))
    before = tree(author.folder)
    for verb in ("plan", "upgrade"):
        error = author.refused(verb, "sales")
        assert why in error["message"]
    assert tree(author.folder / "data" / "sales") == {
        k.removeprefix("data/sales/"): v for k, v in before.items() if "data/sales/" in k
    }
    assert not list((author.folder / "data" / ".instar").glob("sales/runs/*"))


def test_file_by_file_is_refused(author: Author, sales: Path) -> None:
    for verb in ("plan", "upgrade"):
        error = author.refused(verb, "sales", "--method", "replace", code=2)
        assert "replace" in error["message"]
        assert "under both names" in error["message"]
    assert files(sales) == AT_1


def test_a_file_that_came_since_is_converted_down_under_its_name(author: Author, sales: Path) -> None:
    before = tree(sales)
    author.do("upgrade", "sales")
    write(sales / "month=2" / "late.v2.parquet", 300, note="remark")
    author.do("rollback", "sales")
    assert {path: entry for path, entry in tree(sales).items() if "late" not in path} == before
    assert pq.read_schema(sales / "month=2" / "late.v1.parquet").names == ["n", "note"]
    assert not (sales / "month=2" / "late.v2.parquet").exists()
    assert {row["n"] for row in rows(author, 1)} >= {300, 304}


def test_a_file_in_the_place_of_an_old_name_refuses_the_rollback(author: Author, sales: Path) -> None:
    author.do("upgrade", "sales")
    write(sales / "month=1" / "a.parquet", 400)
    now = tree(sales)
    error = author.refused("rollback", "sales")
    assert "month=1/a.parquet" in error["message"]
    assert tree(sales) == now
    (sales / "month=1" / "a.parquet").rename(sales / "month=1" / "moved aside.parquet")
    author.do("rollback", "sales")
    assert files(sales) == {*AT_1, "month=1/moved aside.parquet"}


def test_a_file_that_somebody_put_in_the_place_of_a_new_one_stays(author: Author, sales: Path) -> None:
    """Its old form would be the same records twice."""
    author.do("upgrade", "sales")
    write(sales / "month=1" / "a.v2.parquet", 500, note="remark")
    author.do("rollback", "sales")
    assert files(sales) - {"month=1/.a.parquet.crc"} == {*AT_1, "month=1/a.v1.parquet"} - {
        "month=1/a.parquet",
        "month=1/.a.parquet.crc",
    }
    assert [row["n"] for row in rows(author, 1) if row["n"] < 10 or row["n"] >= 500] == list(range(500, 505))
