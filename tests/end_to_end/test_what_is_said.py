"""What somebody is told who writes a first migration: the place, the value as they know it, and what to write instead."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from authoring import Author

import instar

RECORDS = [{"id": 1, "note": "a", "kind": "lo", "share": 0.5}, {"id": 2, "note": "b", "kind": "hi", "share": 1}]


def begun(author: Author, upgrade: str, downgrade: str = "{}") -> None:
    """Version 1 of sales, and a script that is not registered yet."""
    text = "".join(json.dumps(record) + "\n" for record in RECORDS)
    (author.data("sales") / "a.ndjson").write_text(text, encoding="utf-8")
    author.adopt("sales")
    script = Path(author.do("revision", "sales", "-m", "one step")["path"])
    script.write_text(f"from instar import op\n\nupgrade = [\n{upgrade}\n]\ndowngrade = {downgrade}\n", encoding="utf-8")


def problem(author: Author) -> str:
    """The one thing that `check` finds."""
    (step,) = json.loads(author.run("check", "sales").out)["subjects"]["sales"]
    (found,) = step["problems"]
    return found


# ---- scripts
def test_sql_of_another_type_names_script_and_field_and_the_sql_as_it_was_written(author: Author):
    begun(author, 'op.add("twice", "int32", default_sql="share * 2"),')
    error = author.refused("register", "sales", code=2)
    assert error["message"] == "sales/0002_one_step.py: twice: the SQL 'share * 2' gives DOUBLE, but int32 is declared"
    assert "round(share * 2)::INTEGER" in error["hint"]


def test_check_finds_a_way_back_of_another_type(author: Author):
    begun(author, 'op.drop("note"),', '{"note": "id"}')
    author.do("register", "sales")
    assert "note: the SQL 'id' gives BIGINT, but string is declared" in problem(author)


def test_a_script_that_changes_values_only_is_told_why_not(author: Author):
    begun(author, 'op.map_values("kind", {"lo": "low", "hi": "high"}),')
    error = author.refused("register", "sales", code=2)
    assert "changes nothing in the schema" in error["message"]
    assert "so that files can be told apart" in error["hint"]


def test_what_the_way_down_needs_is_named_in_the_example(author: Author):
    begun(author, 'op.drop("note"),')
    author.do("register", "sales")
    author.do("upgrade", "sales")
    assert "downgrade = {'note': " in author.refused("downgrade", "sales", "1", code=2)["hint"]


def test_a_loss_of_two_operations_is_named_once(author: Author):
    begun(author, 'op.cast("note", "int32", on_error="null"), op.cast("note", "int64", on_error="null"),')
    author.do("register", "sales")
    (step,) = json.loads(author.run("check", "sales").out)["subjects"]["sales"]
    assert len(step["losses"]) == 1


@pytest.mark.parametrize(
    ("operation", "said", "hint"),
    [
        ('op.split("note", into=["a", "b"], by="-")', "into is ['a', 'b']", 'into={"first": "string"'),
        ('op.rename("id", "ident")', "op.rename() takes", "It is op.rename(path, *, to)."),
        ('op.remove("id")', "line 4: there is no operation remove", "Did you mean op.drop?"),
        ('op.add("day", "timestamp(us)", default_sql="now()")', "uses now(), which is not allowed", "no clock"),
        ('op.derive("x", "int64", sql="id +")', "'id +' cannot be used: something is missing in it", "one scalar"),
    ],
)
def test_a_wrong_operation_says_how_it_is_written(author: Author, operation: str, said: str, hint: str):
    begun(author, operation)
    error = author.refused("register", "sales", code=2)
    assert said in error["message"]
    assert hint in error["hint"]
    assert "row" not in error["hint"]  # no did-you-mean for what is there and is not allowed


# ---- values
@pytest.mark.parametrize(
    ("values", "operation", "said", "hint"),
    [
        (
            pa.array([1711850400000000], pa.timestamp("us")),
            'op.cast("v", "timestamp(us, UTC)", zone="Europe/Berlin")',
            "2024-03-31T02:00:00.000000 (timestamp(us)) is not one moment of Europe/Berlin: it is skipped",
            "Repair the value",
        ),
        (
            pa.array([99], pa.int64()).cast(pa.decimal128(19, 0)),
            'op.cast("v", "decimal(1,0)")',
            "99 (decimal(19,0)) cannot",
            "Repair",
        ),
        (pa.array([0.99]), 'op.cast("v", "int64")', "0.99 (double) cannot become int64", 'rounding="half_even"'),
        (pa.array(["x"]), 'op.cast("v", "int64")', "'x' (string) cannot become int64", "Repair"),
    ],
)
def test_a_value_that_a_cast_refuses_is_shown_as_people_write_it(
    author: Author, values: pa.Array, operation: str, said: str, hint: str
):
    pq.write_table(pa.table({"v": values}), author.data("days") / "a.parquet")
    author.adopt("days")
    author.step("days", operation)
    error = author.refused("upgrade", "days")
    assert said in error["message"]
    assert hint in error["hint"]


def test_a_number_that_json_has_not_is_named_as_such(author: Author):
    begun(author, 'op.derive("rate", "double", sql="share / 0"),')
    author.do("register", "sales")
    assert "inf is no JSON number" in author.refused("upgrade", "sales")["message"]


def test_a_function_that_gives_something_else_the_second_time_is_no_fault_of_ours(author: Author):
    begun(author, 'op.python(__import__("uuid").uuid4().hex.join, reads=["note"], writes={"key": "string"}),')
    script = author.folder / "migrations/sales/0002_one_step.py"
    text = "import random\n\nfrom instar import op\n\n\ndef key(note):\n    return random.randrange(2**40)\n\n\n"
    script.write_text(text + 'upgrade = [op.python(key, reads=["note"], writes={"key": "int64"})]\n', encoding="utf-8")
    author.do("register", "sales")
    error = author.refused("upgrade", "sales")
    assert "A function gave something else the second time" in error["hint"]
    assert "fault of Instar's" not in error["hint"]


# ---- reading and converting
def test_a_table_shows_what_json_has_no_number_for(author: Author):
    nan, inf = float("nan"), float("inf")
    table = pa.table({"f": [0.1, nan, None], "l": pa.array([[inf, 0.5], [], [nan]]), "h": pa.array([-inf, 0.5, 1], pa.float32())})
    pq.write_table(table, author.data("odd") / "a.parquet")
    author.adopt("odd")
    shown = author.instar("read", "odd", at=author.folder)
    assert shown.code == 0, shown.err
    lines = [line.split() for line in shown.out.splitlines()]
    assert lines == [["f", "l", "h"], ["0.1", "[inf,0.5]", "-inf"], ["nan", "[]", "0.5"], ["[nan]", "1.0"]]
    assert author.instar("read", "odd", "--format", "ndjson", at=author.folder).code == 1


def test_a_name_that_avro_lacks_is_told_once_with_an_operation_that_can_be_pasted(author: Author):
    pq.write_table(pa.table({"Customer Name": ["x"]}), author.data("odd") / "a.parquet")
    author.adopt("odd")
    error = author.refused("convert", "odd", str(author.folder / "out"), "--to", "avro", code=2)
    assert error["message"].count("Customer Name") == 2  # where, and what
    assert """op.rename('"Customer Name"', to='Customer_Name')""" in error["hint"]


def test_an_upcaster_refuses_what_is_no_record(author: Author):
    begun(author, 'op.rename("note", to="text"),')
    author.do("register", "sales")
    up = instar.open(author.folder).upcaster("sales", 1)
    assert repr(up) == "Upcaster('sales', 1, 2)"
    with pytest.raises(instar.InstarError, match="None is no dict"):
        up(None)  # type: ignore[arg-type]
    with pytest.raises(instar.InstarError, match="3 is no dict") as error:
        list(up.records([RECORDS[0], 3]))  # type: ignore[list-item]
    assert error.value.where is not None
    assert error.value.where.row == 1
