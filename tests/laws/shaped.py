"""Cases by hand of what changes the shape of values, with the records that come out; and of unions and named types."""

from __future__ import annotations

from typing import Any

from instar import op
from instar.formats.schema import Field, Int, List, Record, Reference, Schema, String, Timestamp, Union, schema

from .cases import Case, one
from .interpreters import REFUSAL

INT, TEXT = Int(64), String()
PII, NIGHT = ("pii",), ("night",)


def less_one(value: int) -> int:
    return value - 1


def plus_one(value: int) -> int:
    return value + 1


def apart(low: int, high: int) -> dict[str, int]:
    return {"sum": low + high, "step": high - low}


def together(sum: int, step: int) -> dict[str, int]:
    return {"low": (sum - step) // 2, "high": (sum + step) // 2}


_LISTS = schema(Field("l", List(Field("item", INT))))
_TEXT = schema(Field("t", TEXT, nullable=True))
_NAMES = schema(Field("a", TEXT, nullable=True), Field("b", INT, nullable=True), Field("c", TEXT, nullable=True))
_NAME_ROWS: tuple[dict[str, Any], ...] = (
    {"a": "x", "b": 1, "c": "z"},
    {"a": "x", "b": None, "c": "z"},
    {"a": None, "b": None, "c": None},
)
_WALL = schema(Field("t", Timestamp("s"), nullable=True))
_IN_RECORD = schema(Field("r", Record((Field("n", INT),)), nullable=True))
_PAIR = schema(Field("low", INT), Field("high", INT))

SHAPED: dict[str, tuple[Case, Any]] = {
    "the last of several": (
        one(_LISTS, [op.head("l", otherwise="last")], {"l": [1, 2]}, {"l": []}, {"l": [3]}),
        [{"l": 2}, {"l": None}, {"l": 3}],
    ),
    "the only one": (one(_LISTS, [op.head("l")], {"l": [1]}, {"l": []}), [{"l": 1}, {"l": None}]),
    "no list of several is the only one": (one(_LISTS, [op.head("l")], {"l": [1]}, {"l": [1, 2]}), REFUSAL),
    "a null is not wrapped": (one(_TEXT, [op.wrap("t")], {"t": "a"}, {"t": None}), [{"t": ["a"]}, {"t": None}]),
    "a null becomes an empty list": (
        one(_TEXT, [op.wrap("t", null="empty")], {"t": "a"}, {"t": None}),
        [{"t": ["a"]}, {"t": []}],
    ),
    "the clocks of a zone": (
        one(_WALL, [op.cast("t", Timestamp("s", "UTC"), zone="Europe/Paris")], {"t": 1_577_836_800}, {"t": None}),
        [{"t": 1_577_833_200}, {"t": None}],
    ),
    "an hour that a zone has twice": (
        one(_WALL, [op.cast("t", Timestamp("s", "UTC"), zone="Europe/Paris")], {"t": 1_572_143_400}),
        REFUSAL,
    ),
    "merged without what is null": (
        one(_NAMES, [op.merge(["a", "b", "c"], to="all", by="-", nulls="skip")], *_NAME_ROWS),
        [{"all": "x-1-z"}, {"all": "x-z"}, {"all": None}],
    ),
    "merged, null where one is": (
        one(_NAMES, [op.merge(["a", "b", "c"], to="all", by="-", nulls="null")], *_NAME_ROWS),
        [{"all": "x-1-z"}, {"all": None}, {"all": None}],
    ),
    "called where its record is, and back": (
        one(_IN_RECORD, [op.python(plus_one, reads=["r.n"], writes={"r.n": "int64"}, replace=True, inverse=less_one)],
            {"r": {"n": 1}}, {"r": None}),
        [{"r": {"n": 2}}, {"r": None}],
    ),
    "two parts of one call, and back": (
        one(_PAIR, [op.python(apart, reads=["low", "high"], writes={"sum": "int64", "step": "int64"}, inverse=together),
                    op.drop("low"), op.drop("high")], {"low": 1, "high": 4}),
        [{"sum": 5, "step": 3}],
    ),
}  # fmt: skip

TAGGED: dict[str, Case] = {
    "derived": one(schema(Field("a", TEXT, tags=PII)), [op.derive("b", "string", sql="a || '!'"), op.drop("a")], {"a": "x"}),
    "derived from what is in a record": one(
        schema(Field("r", Record((Field("n", TEXT),)), tags=PII)), [op.derive("b", "string", sql="r.n")], {"r": {"n": "x"}}
    ),
    "moved out": one(
        schema(Field("r", Record((Field("n", TEXT, tags=NIGHT), Field("m", INT))), tags=PII)), [op.move("r.n", to="n")],
        {"r": {"n": "x", "m": 1}},
    ),
    "merged": one(
        schema(Field("a", TEXT, tags=PII), Field("b", TEXT, tags=NIGHT)), [op.merge(["a", "b"], to="c", by=" ")],
        {"a": "x", "b": "y"},
    ),
    "split": one(schema(Field("a", TEXT, tags=PII)), [op.split("a", into={"b": "string", "c": "string"}, by=" ")], {"a": "x y"}),
    "an element": one(schema(Field("l", List(Field("item", TEXT, tags=PII)), tags=NIGHT)), [op.head("l")], {"l": ["x"]}),
    "in other words": one(
        schema(Field("a", TEXT, tags=PII), Field("b", TEXT, tags=PII)), [op.map_values("a", {"x": "y"}), op.wrap("b")],
        {"a": "x", "b": "y"},
    ),
}  # fmt: skip

# ---- unions and named types: branches out of the order of their names, and rows of each
_MADE = Field("p.Made", Record((Field("id", INT), Field("who", TEXT)), name="p.Made"))
_GONE = Field("p.Gone", Record((Field("id", INT), Field("why", TEXT, nullable=True)), name="p.Gone"))
_EVENT = schema(Field("u", Union((_MADE, _GONE, Field("string", TEXT))), nullable=True), Field("n", INT))
_EVENT_ROWS: tuple[dict[str, Any], ...] = (
    {"u": ("p.Made", {"id": 1, "who": "a"}), "n": 1},
    {"u": ("p.Gone", {"id": 2, "why": "b"}), "n": 2},
    {"u": None, "n": 3},
    {"u": ("string", "12"), "n": 4},
)
_ALIKE = schema(
    Field("u", Union((Field("q", Record((Field("n", INT),), name="q")), Field("p", Record((Field("n", INT),), name="p")))))
)
_ADDRESS = Field("", Record((Field("zip", TEXT), Field("no", INT)), name="p.Address"))
_USE = Reference("p.Address")
_USES = Schema(
    Field("", Record((Field("home", _USE), Field("work", _USE, nullable=True), Field("past", List(Field("item", _USE)))))),
    {"p.Address": _ADDRESS},
)
_USE_ROWS: tuple[dict[str, Any], ...] = (
    {"home": {"zip": "1", "no": 1}, "work": None, "past": [{"zip": "2", "no": 2}, {"zip": "3", "no": 3}]},
    {"home": {"zip": "4", "no": 4}, "work": {"zip": "5", "no": 5}, "past": []},
)

NAMED: dict[str, Case] = {
    "in a branch": one(
        _EVENT, [op.cast("u<Made>.id", "string"), op.rename("u<Gone>.why", to="reason"), op.rename("u", to="v")], *_EVENT_ROWS
    ),
    "a branch of another type": one(_EVENT, [op.cast("u<string>", "int32")], *_EVENT_ROWS),
    "branches alike": one(
        _ALIKE, [op.map_values("u<q>.n", {1: 2}, otherwise="keep")], {"u": ("q", {"n": 1})}, {"u": ("p", {"n": 1})}
    ),
    "required in a branch": one(_EVENT, [op.require("u<Gone>.why")], *_EVENT_ROWS),
    "lost in a branch": one(_EVENT, [op.drop("u<Gone>.why")], *_EVENT_ROWS),
    "one branch, step by step": one(
        _EVENT, [op.cast("u<Made>.id", "string"), op.cast("u<Gone>.id", "double"), op.cast("u<Made>.id", "int64")], *_EVENT_ROWS
    ),
    "every use of a type": one(_USES, [op.rename("<Address>.zip", to="code"), op.cast("<Address>.no", "string")], *_USE_ROWS),
    "lost in every use": one(
        _USES, [op.allow_null("<Address>.zip"), op.drop("<Address>.zip"), op.add("<Address>.k", "int64", default=1)], *_USE_ROWS
    ),
}
