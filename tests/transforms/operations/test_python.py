"""op.python: where it writes and reads, what it refuses, its way back, and what stands above and below it in a chain."""

from __future__ import annotations

import datetime as dt
import pickle
from pathlib import Path
from typing import Any

import pytest

from instar.formats.errors import DataError, InstarError
from instar.formats.path import path_text
from instar.formats.schema import Date, Field, Int, Json, List, Map, Record, Schema, String, schema, type_text
from instar.formats.typetext import parse_type
from instar.transforms import operations as op
from instar.transforms.mapping import Mapping, chain
from instar.transforms.script import read_script
from tests.laws.interpreters import by_arrow, by_format, by_record, by_sql, exactly

PART = Record((Field("cents", Int(64)), Field("when", Date(), nullable=True)))
SOURCE = schema(
    Field("name", String()),
    Field("size", Int(64), nullable=True),
    Field("route", Record((Field("origin", String()), Field("via", String(), nullable=True))), nullable=True),
    Field("parts", List(Field("item", PART))),
    Field("tags", Map(Field("value", Int(64)))),
)
ROWS: list[dict[str, Any]] = [
    {
        "name": "a",
        "size": 3,
        "route": {"origin": "JFK", "via": None},
        "parts": [{"cents": 5, "when": 0}, {"cents": 7, "when": None}],
        "tags": {"k": 1},
    },
    {"name": "", "size": None, "route": None, "parts": [], "tags": {}},
]


def made(*operations: Any, rows: list[dict[str, Any]] = ROWS, source: Schema = SOURCE) -> tuple[Mapping, Any]:
    """The mapping, and what all interpreters make of the rows."""
    mapping = chain(source, operations)
    new = by_record(mapping, rows)
    assert exactly(by_arrow(mapping, rows)) == exactly(new)
    assert exactly(by_sql(mapping, rows)) == exactly(new)
    assert exactly(by_format("avro")(mapping, rows)) == exactly(new)
    return mapping, new


def refused(*operations: Any, source: Schema = SOURCE) -> str:
    with pytest.raises(InstarError) as error:
        chain(source, operations)
    assert error.value.exit_code == 2
    assert error.value.hint
    return error.value.message


# ---- where
def test_fields_go_last_in_their_record_and_stay_null_with_it() -> None:
    calls: list[Any] = []

    def code(origin: str, name: str) -> str:
        calls.append(origin)
        return origin + "/" + name  # None would raise

    mapping = chain(SOURCE, [op.python(code, reads=["route.origin", "name"], writes={"route.code": "string"})])
    assert by_record(mapping, ROWS)[0]["route"] == {"origin": "JFK", "via": None, "code": "JFK/a"}
    assert by_record(mapping, ROWS)[1]["route"] is None
    assert set(calls) == {"JFK"}, "it is not called where the record is null"
    assert mapping.target.record["route"].type.names == ("origin", "via", "code")  # type: ignore[union-attr]
    assert not mapping.target.record["route"].type["code"].nullable  # type: ignore[index]
    made(op.python(code, reads=["route.origin", "name"], writes={"route.code": "string"}))
    made(op.python(code, reads=["route.origin", "name"], writes={"route.code": "string"}), op.move("route.code", to="code"))
    assert set(calls) == {"JFK"}


def test_it_reads_natural_values_and_whole_lists_and_records() -> None:
    def summed(parts: list[dict[str, Any]], tags: dict[str, int], route: dict[str, str] | None) -> dict[str, Any]:
        assert all(p["when"] is None or isinstance(p["when"], dt.date) for p in parts)
        parts.append({"cents": 100, "when": None})  # its own to change
        return {"total": sum(p["cents"] for p in parts) + sum(tags.values()), "last": parts[0]["when"], "there": route is not None}

    operation = op.python(summed, reads=["parts", "tags", "route"], writes={"total": "int64", "last": "date?", "there": "bool"})
    _, new = made(operation)
    assert [(r["total"], r["last"], r["there"]) for r in new] == [(113, 0, True), (100, None, False)]
    assert len(new[0]["parts"]) == 2


def test_elements_of_lists_and_values_of_maps() -> None:
    _, new = made(
        op.python(lambda cents: cents / 100, reads=["parts[].cents"], writes={"parts[].money": "double"}),
        op.python(lambda money: [str(money)], reads=["parts[].money"], writes={"parts[].texts": "list<string>"}),
    )
    assert new[0]["parts"][0] == {"cents": 5, "when": 0, "money": 0.05, "texts": ["0.05"]}


def test_replacing_keeps_the_place_and_sees_the_old_value() -> None:
    mapping, new = made(op.python(lambda size: f"<{size}>", reads=["size"], writes={"size": "string"}, replace=True))
    assert mapping.target.record.names == SOURCE.record.names
    assert [r["size"] for r in new] == ["<3>", "<None>"]
    both = op.python(
        lambda size: {"size": size, "more": 1}, reads=["size"], writes={"size": "int64?", "more": "int8"}, replace=True
    )
    assert chain(SOURCE, [both]).target.record.names == (*SOURCE.record.names, "more")


def test_above_and_below_it_in_a_chain() -> None:
    """Records that were changed before, parts of records that it gives, SQL over what it gives, and the other way round."""
    _, new = made(
        op.rename("name", to="title"),
        op.move("title", to="info.title"),
        op.derive("info.twice", "int64", sql="2::BIGINT"),
        op.rename("parts[].cents", to="pennies"),
        op.python(
            lambda info, parts: {"all": {"n": info["twice"], "t": [p["pennies"] for p in parts]}, "one": info["title"]},
            reads=["info", "parts"],
            writes={"all": "record{n: int64, t: list<int64>}", "one": "string"},
        ),
        op.move("all.n", to="n"),
        op.cast("n", "string"),
        op.derive("m", "string", sql='n || len("all".t)::VARCHAR || one'),
        op.cast("all.t[]", "string"),
        op.derive("parts[].more", "int64", sql="pennies + 1"),
        op.python(lambda parts: [p["more"] for p in parts], reads=["parts"], writes={"mores": "list<int64>"}),
        op.derive("parts[].most", "int64", sql="more + 1"),
        op.python(lambda m, mores: m * 2 + str(mores), reads=["m", "mores"], writes={"mm": "string"}),
    )
    assert new[0]["parts"] == [{"pennies": 5, "when": 0, "more": 6, "most": 7}, {"pennies": 7, "when": None, "more": 8, "most": 9}]
    assert [(r["all"], r["one"], r["n"], r["m"], r["mm"]) for r in new] == [
        ({"t": ["5", "7"]}, "a", "2", "22a", "22a22a[6, 8]"),
        ({"t": []}, "", "2", "20", "2020[]"),
    ]


def test_one_call_serves_all_fields_of_a_record() -> None:
    calls: list[str] = []

    def both(name: str) -> dict[str, str]:
        calls.append(name)
        return {"x": name + "1", "y": name + "2"}

    mapping = chain(SOURCE, [op.python(both, reads=["name"], writes={"x": "string", "y": "string"}), op.rename("x", to="z")])
    by_record(mapping, ROWS)
    assert calls == ["a", ""]
    calls.clear()
    by_arrow(mapping, ROWS)
    assert calls == ["a", ""]


def test_what_it_reads_is_touched_and_what_it_does_not_is_untouched() -> None:
    mapping = chain(SOURCE, [op.python(len, reads=["name"], writes={"length": "int64"}), op.drop("tags")])
    assert mapping.reads() == ("name", "size", "route", "parts")
    assert mapping.touched() == {("name",)}
    assert ("name",) in mapping.untouched()
    assert ("length",) not in mapping.untouched()
    assert ("length",) not in mapping.carried()
    only = chain(SOURCE, [op.python(len, reads=["name"], writes={"length": "int64"}), op.drop("name")])
    assert "name" in only.reads()


# ---- refusals
@pytest.mark.parametrize(
    ("operation", "message"),
    [
        (lambda: op.python("len", reads=["name"], writes={"x": "int64"}), "the function of op.python is 'len'"),  # type: ignore[arg-type]
        (lambda: op.python(len, reads="name", writes={"x": "int64"}), "reads are 'name'"),
        (lambda: op.python(len, reads=[], writes={"x": "int64"}), "reads are"),
        (lambda: op.python(len, reads=["name"], writes={}), "writes are"),
        (lambda: op.python(len, reads=["name", '"name"'], writes={"x": "int64"}), "twice"),
        (lambda: op.python(len, reads=["name"], writes={"x": "int64", "route.y": "int64"}), "not in one record"),
        (lambda: op.python(len, reads=["name"], writes={"x": "long"}), "long"),
        (lambda: op.python(len, reads=["nome"], writes={"x": "int64"}), "there is no field nome"),
        (lambda: op.python(len, reads=["name"], writes={"name": "int64"}), "a field name already"),
        (lambda: op.python(len, reads=["name"], writes={"x": "int64"}, replace=True), "there is no field x"),
        (lambda: op.python(len, reads=["name"], writes={"parts[].x": "int64"}), "not in the same element"),
        (lambda: op.python(len, reads=["parts[].cents"], writes={"x": "int64"}), "not in the same element"),
        (lambda: op.python(len, reads=["name"], writes={"x": "int64"}, inverse=3), "inverse of op.python"),  # type: ignore[arg-type]
        (
            lambda: op.python(
                len, reads=["name"], writes={"x": "int64"}, inverse=op.python(str, reads=["y"], writes={"name": "string"})
            ),
            "inverse reads 'y'",
        ),
        (
            lambda: op.python(
                len, reads=["name"], writes={"x": "int64"}, inverse=op.python(str, reads=["x"], writes={"y": "string"})
            ),
            "inverse writes 'y'",
        ),
        (
            lambda: op.python(
                len, reads=["name"], writes={"x": "int64"}, inverse=op.python(str, reads=["x"], writes={"name": "int8"})
            ),
            "as int8, but it was string",
        ),
    ],
)
def test_what_is_refused_before_any_data(operation: Any, message: str) -> None:
    with pytest.raises(InstarError) as error:
        chain(SOURCE, [operation()])
    assert message in error.value.message
    assert error.value.hint


def test_what_has_no_python_form_or_no_proof_is_not_read() -> None:
    source = schema(Field("j", Json()), Field("d", parse_type("decimal(40,2)")), Field("r", Record((Field("j", Json()),))))
    assert "j: a value of type json has no Python form" in refused(
        op.python(len, reads=["j"], writes={"x": "int64"}), source=source
    )
    assert "has no Python form" in refused(op.python(len, reads=["r"], writes={"x": "int64"}), source=source)
    assert "cannot read decimal(40,2)" in refused(op.python(len, reads=["d"], writes={"x": "int64"}), source=source)


def fails(size: int | None) -> int:
    return 1 // (size or 0)


@pytest.mark.parametrize(
    ("func", "type", "message"),
    [
        (fails, "int64", f"fails() raised ZeroDivisionError: integer division or modulo by zero ({Path(__file__).name}, line "),
        (lambda size: None, "int64", "gave None for x: None is no int64"),
        (lambda size: "text", "int64", "gave 'text' for x: 'text' is not a value of type int64"),
        (lambda size: 300, "int8", "gave 300 for x: 300 is not a value of type int8: it must be from -128 to 127"),
        (lambda size: [1, None], "list<int8>", "gave [1, None] for x, at []: None is no int8"),
        (lambda size: (_ for _ in ()).throw(SystemExit(3)), "int8", "raised SystemExit: 3"),
    ],
)
def test_what_a_function_does_wrong_is_an_error_of_the_record(func: Any, type: str, message: str) -> None:
    mapping = chain(SOURCE, [op.python(func, reads=["size"], writes={"x": type})])
    from instar.transforms.evaluate.arrow import compile_batches
    from instar.transforms.evaluate.record import PlainValues, compile_records
    from tests.laws.interpreters import to_batch

    rows = [ROWS[1]]
    for run in (
        lambda: compile_records(mapping, PlainValues())(rows),
        lambda: compile_batches(mapping)(to_batch(rows, SOURCE.root)),
    ):
        with pytest.raises(DataError) as error:
            run()
        assert message in error.value.message
        assert error.value.where is not None
        assert (error.value.where.row, error.value.where.path) == (0, "x")
        assert error.value.hint


@pytest.mark.parametrize("given", [{"x": 1}, {"x": 1, "y": 2, "z": 3}, (1, 2), None])
def test_several_fields_want_a_dict_of_just_them(given: Any) -> None:
    mapping = chain(SOURCE, [op.python(lambda name: given, reads=["name"], writes={"x": "int8?", "y": "int8?"})])
    assert by_record(mapping, ROWS) == "refused"
    assert by_arrow(mapping, ROWS) == "refused"


# ---- the way back
def back_of(mapping: Mapping, rows: list[dict[str, Any]]) -> tuple[Any, list[tuple[str, str, bool]]]:
    back, losses = mapping.inverse()
    old = by_arrow(back, rows)
    assert exactly(old) == exactly(by_record(back, rows))
    return old, [(path_text(loss.path), loss.reason, loss.fatal) for loss in losses]


def apart(name: str, size: int | None) -> dict[str, Any]:
    return {"first": name[:1], "rest": f"{name[1:]}:{size}"}


def together(first: str, rest: str) -> dict[str, Any]:
    tail, _, size = rest.rpartition(":")
    return {"name": first + tail, "size": None if size == "None" else int(size)}


def test_a_declared_way_back_gives_all_that_was_read_again() -> None:
    forward = op.python(apart, reads=["name", "size"], writes={"first": "string", "rest": "string"}, inverse=together)
    mapping, new = made(forward, op.drop("name"), op.drop("size"), op.rename("first", to="head"), op.move("rest", to="deep.rest"))
    assert "name" not in new[0]
    old, losses = back_of(mapping, new)
    assert exactly(old) == exactly(ROWS)
    assert losses == []
    # a field it needs is gone
    _, losses = back_of(*made(forward, op.drop("name"), op.drop("size"), op.drop("first")))
    assert ("name", "dropped", True) in losses
    # what is still there is taken as it is
    mapping, new = made(forward, op.drop("name"))
    old, losses = back_of(mapping, [{**new[0], "size": 99}])
    assert (old[0]["name"], old[0]["size"], losses) == ("a", 99, [])


def test_a_way_back_by_an_operation_of_its_own_needs_only_what_it_reads() -> None:
    forward = op.python(
        lambda name, size: {"upper": name.upper(), "same": name, "sum": len(name) + (size or 0)},
        reads=["name", "size"],
        writes={"upper": "string", "same": "string", "sum": "int64"},
        inverse=op.python(lambda same: same, reads=["same"], writes={"name": "string"}),
    )
    mapping, new = made(forward, op.drop("name"), op.drop("size"), op.drop("upper"), op.drop("sum"))
    old, losses = back_of(mapping, new)
    assert [r["name"] for r in old] == ["a", ""]
    assert losses == [("size", "dropped", False)]


def test_ways_back_follow_one_another_and_what_came_between() -> None:
    mapping, new = made(
        op.require("size", fill=0),
        op.cast("size", "string"),
        op.python(lambda s: [s], reads=["size"], writes={"box": "list<string>"}, inverse=lambda box: box[0]),
        op.drop("size"),
        op.python(
            lambda b: {"inner": b}, reads=["box"], writes={"outer": "record{inner: list<string>}"}, inverse=lambda o: o["inner"]
        ),
        op.drop("box"),
    )
    assert new[0]["outer"] == {"inner": ["3"]}
    old, losses = back_of(mapping, new)
    assert [r["size"] for r in old] == [3, 0]
    assert losses == [("size", "which were null: they were filled", False)]


def test_a_result_that_moved_into_a_record_is_lost_where_that_is_null() -> None:
    forward = op.python(lambda name: name + "!", reads=["name"], writes={"loud": "string"}, inverse=lambda loud: loud[:-1])
    mapping = chain(SOURCE, [forward, op.drop("name"), op.move("loud", to="route.loud", where_null="drop")])
    back, losses = mapping.inverse()
    assert [(path_text(loss.path), loss.reason, loss.fatal) for loss in losses] == [
        ("name", "its values where the record it moved into is null", True)
    ]
    new = by_arrow(mapping, ROWS)
    assert by_arrow(back, new[:1]) == ROWS[:1]
    assert by_arrow(back, new) == by_record(back, new) == "refused"


def test_without_a_way_back_what_was_read_and_dropped_is_lost() -> None:
    mapping = chain(SOURCE, [op.python(len, reads=["name"], writes={"n": "int64"}), op.drop("name")])
    assert [(loss.path, loss.fatal) for loss in mapping.inverse()[1]] == [(("name",), True)]
    back, losses = mapping.inverse({"name": "repeat('x', n)"})
    assert [loss.restored for loss in losses] == [True]
    assert by_arrow(back, by_arrow(mapping, ROWS))[0]["name"] == "x"


def test_a_key_that_may_be_missing_comes_back_missing() -> None:
    source = Schema(Field("", Record((Field("a", String(), optional=True), Field("b", String())))), open=True)
    box = op.python(
        lambda a: [] if a is None else [a], reads=["a"], writes={"box": "list<string>"}, inverse=lambda x: x[0] if x else None
    )
    mapping = chain(source, [box, op.drop("a")])
    rows = [{"b": "x"}, {"a": "y", "b": "x"}]
    new = by_record(mapping, rows)
    assert new == [{"b": "x", "box": []}, {"b": "x", "box": ["y"]}]
    back, losses = mapping.inverse()
    assert by_record(back, new) == rows
    assert [loss.reason for loss in losses] == []
    both = Schema(Field("", Record((Field("a", String(), optional=True, nullable=True), Field("b", String())))), open=True)
    assert [loss.reason for loss in chain(both, [box, op.drop("a")]).inverse()[1]] == ["whether it was null or its key missing"]


def test_a_key_comes_back_missing_also_where_the_record_around_it_may_be_null() -> None:
    def there(a: str | None) -> str | None:
        return None if a is None else a[::-1]

    inside = Record((Field("a", String(), optional=True), Field("b", String())))
    source = Schema(Field("", Record((Field("r", inside, nullable=True),))), open=True)
    mapping = chain(source, [op.python(there, reads=["r.a"], writes={"r.a": "string?"}, inverse=there, replace=True)])
    rows = [{"r": {"a": "xy", "b": "1"}}, {"r": {"b": "2"}}, {"r": None}]
    new = by_record(mapping, rows)
    assert new == [{"r": {"a": "yx", "b": "1"}}, {"r": {"a": None, "b": "2"}}, {"r": None}]
    back, losses = mapping.inverse()
    assert (by_record(back, new), losses) == (rows, ())


# ---- scripts
def test_functions_of_scripts_survive_the_journey(tmp_path: Path) -> None:
    script = tmp_path / "0002_x.py"
    script.write_text(
        '"""m"""\nimport math\nfrom functools import partial\nfrom instar import op\n'
        "class Adder:\n    def __init__(self, n): self.n = n\n    def __call__(self, x): return x + self.n\n"
        "def closed(n):\n    return lambda x: x * n\n"
        "upgrade = [\n"
        "  op.python(Adder(2), reads=['size'], writes={'a': 'int64'}),\n"
        "  op.python(closed(3), reads=['a'], writes={'b': 'int64'},\n"
        "            inverse=op.python(closed(0), reads=['b'], writes={'a': 'int64'})),\n"
        "  op.python(math.sqrt, reads=['b'], writes={'c': 'double'}, inverse=lambda c: c * c),\n"
        "  op.python(partial(pow, 2), reads=['a'], writes={'d': 'int64'}),\n"
        "]\n"
    )
    source = schema(Field("size", Int(64)))
    operations = read_script(script, "x").operations
    mapping = pickle.loads(pickle.dumps(chain(source, operations)))
    assert by_arrow(mapping, [{"size": 1}]) == [{"size": 1, "a": 3, "b": 9, "c": 3.0, "d": 8}]
    back = pickle.loads(pickle.dumps(chain(source, [*operations, op.drop("b")]).inverse()[0]))
    assert by_arrow(back, by_arrow(chain(source, [*operations, op.drop("b")]), [{"size": 1}])) == [{"size": 1}]


def test_the_hash_of_a_script_has_its_code(tmp_path: Path) -> None:
    library = tmp_path / "helpful.py"
    text = (
        f'"""m"""\nimport sys\nsys.path.insert(0, {str(tmp_path)!r})\nimport helpful\nsys.path.pop(0)\n'
        "from instar import op\nK = 1\n"
        'upgrade = [op.python(helpful.f, reads=["a"], writes={"b": "int64"})]\n'
    )

    def hashed(script_text: str, library_text: str) -> str:
        import sys

        library.write_text(library_text)
        script = tmp_path / "0002_x.py"
        script.write_text(script_text)
        try:
            return read_script(script, "x").hash()
        finally:
            sys.modules.pop("helpful", None)

    first = hashed(text, "def f(a): return a\n")
    assert hashed(text.replace('"""m"""', '"""other"""').replace("K = 1", "K   =   1  # one"), "def f(a): return a\n") == first
    assert hashed(text.replace("K = 1", "K = 2"), "def f(a): return a\n") != first
    assert hashed(text, "def f(a): return a + 1\n") != first


def test_types_are_said_in_the_target() -> None:
    mapping = chain(SOURCE, [op.python(len, reads=["name"], writes={"n": "int64?", "m": parse_type("date")})])
    assert type_text(mapping.target.record["m"].type) == "date"
    assert (mapping.target.record["n"].nullable, mapping.target.record["m"].nullable) == (True, False)
