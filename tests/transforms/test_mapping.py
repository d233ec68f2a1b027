"""Mappings: edits at a path, composition, and what can be read off the tree."""

from __future__ import annotations

import pickle
import time
from typing import Any

import pytest

from instar.formats.errors import MigrationError
from instar.formats.path import parse_path, path_text
from instar.formats.schema import (
    Enum,
    Field,
    Float,
    Int,
    Json,
    List,
    Map,
    Record,
    Reference,
    Schema,
    String,
    Union,
    schema,
)
from instar.transforms import operations as op
from instar.transforms.expression import Expression, Source, Struct
from instar.transforms.mapping import Mapping, chain, identity
from tests.reference import Refused, evaluate, misfit

I64, DOUBLE, STR = Int(64), Float(64), String()

WIDE = schema(
    Field("a", Record((Field("y", I64), Field("deep", Record((Field("z", STR, nullable=True),)), nullable=True))), nullable=True),
    Field("x", I64),
    Field("b", Record((Field("z", STR),)), nullable=True),
    Field("r", Record((Field("p", I64), Field("q", I64)))),
    Field("items", List(Field("item", Record((Field("price", DOUBLE), Field("name", STR, nullable=True))))), nullable=True),
    Field("tags", Map(Field("value", Record((Field("n", I64),)), nullable=True))),
    Field('odd "name".x', STR, nullable=True),
)
ROWS: list[dict[str, Any]] = [
    {
        "a": {"y": 2, "deep": {"z": "q"}},
        "x": 3,
        "b": {"z": "b"},
        "r": {"p": 1, "q": 2},
        "items": [{"price": 1.5, "name": None}, {"price": 0.5, "name": "n"}],
        "tags": {"k": {"n": 1}, "none": None},
        'odd "name".x': "o",
    },
    {"a": None, "x": 1, "b": None, "r": {"p": -1, "q": 0}, "items": None, "tags": {}, 'odd "name".x': None},
    {"a": {"y": 0, "deep": None}, "x": 0, "b": None, "r": {"p": 0, "q": 0}, "items": [], "tags": {}, 'odd "name".x': ""},
]


def stepwise(source: Schema, operations: list[Any], rows: list[Any]) -> tuple[Schema, list[Any]]:
    for operation in operations:
        mapping = chain(source, [operation])
        source, rows = mapping.target, [evaluate(mapping, row) for row in rows]
    return source, rows


def names(mapping: Mapping) -> list[str]:
    return list(mapping.target.record.names)


# ---- identity, edit, composition
def test_the_identity_gives_every_record_back():
    mapping = identity(WIDE)
    assert mapping.target == WIDE
    assert mapping.is_identity()
    assert [evaluate(mapping, row) for row in ROWS] == ROWS


CHAINS = {
    "a computed value leaves a nullable record": [op.add("a.k", "int64", default=7), op.move("a.k", to="k")],
    "sql leaves a nullable record": [op.derive("a.k", "string", sql="coalesce(y::varchar, 'none')"), op.move("a.k", to="k")],
    "from one nullable record to another": [op.add("a.k", "int64", default=7), op.move("a.k", to="b.k", where_null="drop")],
    "out of a nullable record and back": [
        op.add("a.k", "int64", default=7),
        op.move("a.k", to="k"),
        op.move("k", to="a.k", where_null="drop"),
    ],
    "into a record, renamed, out again": [
        op.move("x", to="new.deep.x"),
        op.rename("new", to="newer"),
        op.move("newer.deep.x", to="q"),
    ],
    "names are swapped": [op.rename("x", to="t"), op.rename('"odd ""name"".x"', to="x"), op.rename("t", to="'")],
    "two edits of the same elements": [
        op.cast("items[].price", "string"),
        op.rename("items[].price", to="cost"),
        op.rename("items", to="lines"),
        op.derive("lines[].both", "string", sql="cost || coalesce(name, '-')"),
        op.drop("lines[].name"),
    ],
    "map values": [op.add("tags{}.u", "string", default="u"), op.rename("tags{}.n", to="m"), op.rename("tags", to="t")],
    "a record moves as it is": [
        op.move("r", to="a.r", where_null="drop"),
        op.rename("a.r.p", to="pp"),
        op.add("a.r.n", "string"),
    ],
    "a filled list is edited": [op.require("items", fill=[]), op.add("items[].currency", "string", default="USD")],
    "a new record is edited": [op.add("n", "record{k: int64}", default={"k": 1}), op.rename("n.k", to="l"), op.move("n.l", to="l")],
    "a null record is edited": [op.add("n", "record{k: int64}?"), op.add("n.l", "int64", default=1), op.move("n.k", to="k")],
    "a null list is edited": [op.add("n", "list<record{k: int64}>?"), op.add("n[].l", "int64", default=1)],
    "a list literal is edited": [op.add("n", "list<record{k: int64}>", default=[{"k": 1}]), op.cast("n[].k", "string")],
    "inside a derived record": [
        op.derive("n", "record{k: int64, s: string}", sql="{'k': x, 's': coalesce(b.z, 'none')}"),
        op.rename("n.k", to="l"),
        op.move("n.s", to="s"),
    ],
    "unregistered keys stay with their record": [op.add("r.n", "int64", default=0), op.move("r.p", to="p"), op.rename("r", to="s")],
}


@pytest.mark.parametrize("operations", CHAINS.values(), ids=CHAINS.keys())
def test_a_fused_chain_gives_what_its_steps_give(operations: list[Any]):
    target, expected = stepwise(WIDE, operations, ROWS)
    fused = chain(WIDE, operations)
    assert fused.target == target
    found = [evaluate(fused, row) for row in ROWS]
    assert found == expected
    assert [misfit(row, fused.target.root) for row in found] == ["", "", ""]


def test_a_record_that_is_required_refuses_null_and_what_left_it_does_too():
    operations = [op.require("a"), op.move("a.y", to="y")]
    fused = chain(WIDE, operations)
    assert not fused.target.record["y"].nullable
    assert evaluate(fused, ROWS[0])["y"] == 2
    with pytest.raises(Refused):
        evaluate(fused, ROWS[1])


def test_composition_is_associative_in_what_it_means():
    a, b, c = (
        chain(s, [o]) for s, o in _steps([op.add("a.k", "int64", default=7), op.move("a.k", to="k"), op.cast("k", "string")])
    )
    left, right = a.then(b).then(c), a.then(b.then(c))
    assert [evaluate(left, row) for row in ROWS] == [evaluate(right, row) for row in ROWS]


def _steps(operations: list[Any]) -> list[tuple[Schema, Any]]:
    out, current = [], WIDE
    for operation in operations:
        out.append((current, operation))
        current = chain(current, [operation]).target
    return out


def test_a_mapping_that_starts_elsewhere_is_refused():
    with pytest.raises(MigrationError, match="does not start where this one ends: x is missing"):
        chain(WIDE, [op.drop("x")]).then(identity(WIDE))


def test_optional_keys_stay_missing():
    s = schema(Field("o", Record((Field("k", I64, optional=True),)), optional=True), Field("n", I64, optional=True, nullable=True))
    mapping = chain(
        s,
        [
            op.add("o.one", "int64", default=1),
            op.move("o.one", to="one"),
            op.cast("n", "string"),
            op.move("o.k", to="k", emptied="drop"),
        ],
    )
    assert mapping.target.record["one"].optional
    assert evaluate(mapping, {}) == {}
    assert evaluate(mapping, {"o": {}, "n": None}) == {"n": None, "one": 1}
    assert evaluate(mapping, {"o": {"k": 2}, "n": 5}) == {"n": "5", "one": 1, "k": 2}


def test_an_unregistered_key_is_kept_and_never_overwritten():
    mapping = chain(schema(Field("x", I64)), [op.rename("x", to="y")])
    assert evaluate(mapping, {"x": 1, "more": [2]}) == {"y": 1, "more": [2]}
    with pytest.raises(Refused):
        evaluate(mapping, {"x": 1, "y": 3})


# ---- growth
def nodes(root: Expression) -> int:
    """How many different nodes a mapping has."""
    seen: dict[int, Expression] = {}

    def visit(e: Any) -> None:
        if isinstance(e, Expression) and id(e) not in seen:
            seen[id(e)] = e
            for name in getattr(e, "__dataclass_fields__", ()):
                part = getattr(e, name)
                for x in part if isinstance(part, tuple) else (part,):
                    for y in x if isinstance(x, tuple) else (getattr(x, "expression", x),):
                        visit(y)

    visit(root)
    return len(seen)


@pytest.mark.parametrize("guarded", [False, True])
def test_a_field_derived_from_itself_again_and_again_grows_linearly(guarded: bool):
    where, s = (
        ("r.a", schema(Field("r", Record((Field("a", DOUBLE),)), nullable=True))) if guarded else ("a", schema(Field("a", DOUBLE)))
    )
    step = op.derive(where, "double", sql="a*2 + a/3", replace=True, nullable=False)
    start = time.perf_counter()
    sizes = [nodes(chain(s, [step] * n).root.expression) for n in (10, 20, 40)]
    assert time.perf_counter() - start < 5
    assert sizes[2] - sizes[1] <= 2 * (sizes[1] - sizes[0])


def test_requiring_again_and_again_grows_linearly_and_travels():
    steps = [op.require("x", fill=0), op.allow_null("x")] * 20
    mapping = chain(schema(Field("x", I64, nullable=True)), steps)
    assert nodes(mapping.root.expression) < 100
    assert nodes(pickle.loads(pickle.dumps(mapping)).root.expression) < 100


def test_a_wide_schema_and_a_long_chain_take_seconds_not_minutes():
    s = schema(*(Field(f"f{i}", I64) for i in range(300)))
    start = time.process_time()
    chain(s, [op.rename(f"f{i}", to=f"g{i}") for i in range(100)])
    assert time.process_time() - start < 3


# ---- what a mapping leaves alone, reads and carries
def places_of(mapping: Mapping) -> dict[str, str]:
    return {path_text(a): path_text(b) for a, b in mapping.untouched().items()}


def test_what_no_operation_touches_is_untouched():
    mapping = chain(WIDE, [op.rename("items", to="lines"), op.cast("x", "string"), op.rename("a.y", to="yy")])
    assert places_of(mapping) == {
        "a.yy": "a.y",
        "a.deep.z": "a.deep.z",
        "b.z": "b.z",
        "r.p": "r.p",
        "r.q": "r.q",
        "lines[].price": "items[].price",
        "lines[].name": "items[].name",
        "tags{}.n": "tags{}.n",
        '"odd ""name"".x"': '"odd ""name"".x"',
    }


@pytest.mark.parametrize(
    ("operation", "touched"),
    [
        (op.move("x", to="new.x"), set()),  # a new record is never null: no level
        (op.move("r.p", to="p"), set()),
        (op.move("a.y", to="y"), {"y"}),  # out of a nullable record: its nulls are its own now
        (op.move("x", to="a.x", where_null="drop"), {"a.x"}),
        (op.allow_null("x"), {"x"}),
        (op.require("b"), {"b.z"}),
        (op.allow_null("r"), {"r.p", "r.q"}),
        (op.require("items"), {"items[].price", "items[].name"}),
        (op.require("items[].name"), {"items[].name"}),
    ],
)
def test_a_leaf_is_untouched_only_under_the_same_levels(operation: Any, touched: set[str]):
    mapping = chain(WIDE, [operation])
    leaves = {path_text(p) for p in identity(mapping.target).untouched()}
    assert leaves - set(places_of(mapping)) == touched


def test_places_are_carried_even_where_nullability_changes():
    mapping = chain(WIDE, [op.require("b"), op.move("r.p", to="p"), op.rename("items[].name", to="label"), op.cast("x", "string")])
    carried = {path_text(a): path_text(b) for a, b in mapping.carried().items()}
    assert carried["b"] == "b"
    assert carried["b.z"] == "b.z"
    assert carried["p"] == "r.p"
    assert carried["r"] == "r"
    assert carried["items[]"] == "items[]"
    assert carried["items[].label"] == "items[].name"
    assert carried["tags{}.n"] == "tags{}.n"
    assert "x" not in carried
    assert "" not in carried


def test_only_what_is_needed_is_read():
    mapping = chain(WIDE, [op.drop("x"), op.drop("items"), op.derive("k", "int64", sql="r.p + 1"), op.drop("r"), op.drop("tags")])
    assert mapping.reads() == ("a", "b", "r", 'odd "name".x')


def test_docs_and_defaults_do_not_make_a_mapping_a_change():
    mapping = identity(WIDE)
    described = mapping.edit(("x",), lambda c: type(c)(c.field.with_(doc="new", default=1), c.expression))
    assert described.is_identity()
    assert not chain(WIDE, [op.rename("x", to="y")]).is_identity()
    assert not chain(WIDE, [op.allow_null("x")]).is_identity()
    assert not chain(WIDE, [op.move("x", to="x", position=0)]).is_identity()
    assert chain(WIDE, [op.rename("a.y", to="t"), op.rename("a.t", to="y")]).is_identity()
    assert chain(WIDE, [op.rename("items[].name", to="t"), op.rename("items[].t", to="name")]).is_identity()


# ---- paths that lead nowhere, or too far
@pytest.mark.parametrize(
    ("path", "message", "hint"),
    [
        ("nope.y", "there is no field nope", "There is 'a'"),
        ("a.deeep.z", "there is no field a.deeep", "Did you mean 'deep'?"),
        ("x.y", "x is int64, not a record", "A path ends"),
        ("x.y.z", "x.y does not exist: x is int64", "A path ends"),
        ("items.price", "items is list<record{price: double, name: string?}>, not a record", "Its elements are items[]"),
        ("tags.n", "tags is map<record{n: int64}?>, not a record", "Its values are tags{}"),
        ("a[].y", "a[] does not exist: a is record{", "Its fields are a.y, a.deep"),
        ("items{}.price", "items{} does not exist", "Its elements are items[]"),
    ],
)
def test_a_path_that_leads_nowhere_names_itself_the_operation_and_what_is_there(path: str, message: str, hint: str):
    with pytest.raises(MigrationError) as error:
        chain(WIDE, [op.allow_null("x"), op.drop(path)])
    assert message in str(error.value)
    assert f'operation 2, drop("{path}")' in str(error.value)
    assert hint in error.value.hint


ADDRESS = Record((Field("zip", STR), Field("city", STR)), name="Address")


def test_a_path_into_a_shared_type_is_refused_naming_its_other_uses():
    s = Schema(
        Field("", Record((Field("home", ADDRESS), Field("work", Reference("Address")), Field("x", I64)))),
        {"Address": Field("", ADDRESS)},
    )
    for path in ("home.zip", "work.zip"):
        with pytest.raises(MigrationError, match="shared type 'Address'") as error:
            chain(s, [op.rename(path, to="postcode")])
        assert ("work" if path.startswith("home") else "home") in str(error.value)
    assert names(chain(s, [op.rename("home", to="house"), op.drop("x")])) == ["house", "work"]


def test_a_path_into_a_recursive_type_is_refused():
    tree = Record((Field("value", I64), Field("next", Reference("Node"), nullable=True)), name="Node")
    s = Schema(Field("", tree), {})
    with pytest.raises(MigrationError, match=r"'Node' contains itself"):
        chain(s, [op.rename("value", to="v")])
    inner = Schema(Field("", Record((Field("t", tree), Field("x", I64)))), {})
    with pytest.raises(MigrationError, match=r"'Node' contains itself"):
        chain(inner, [op.rename("t.value", to="v")])
    assert names(chain(inner, [op.rename("t", to="u")])) == ["u", "x"]


def test_a_way_back_brings_the_named_types_that_were_dropped():
    tree = Record((Field("value", I64), Field("next", Reference("Node"), nullable=True)), name="Node")
    old = Schema(Field("", Record((Field("t", tree, nullable=True), Field("x", I64)))), {"Node": Field("", tree)})
    forth = chain(old, [op.drop("t")])
    new = Schema(forth.target.root)  # as a document without a use of Node is read
    back, _ = forth.inverse()
    for way in (back, identity(new).then(back), identity(new).then(back).rebased(new)):
        assert way.target == old


def test_the_place_that_defines_a_type_cannot_go_while_others_use_it():
    colour = Enum(("RED",), name="Colour")
    s = schema(Field("a", colour), Field("b", Reference("Colour")))
    with pytest.raises(MigrationError, match="b uses the type 'Colour', which would no longer be defined"):
        chain(s, [op.drop("a")])
    assert names(chain(s, [op.drop("b"), op.rename("a", to="c")])) == ["c"]


def test_a_named_record_used_once_can_be_edited():
    assert names(chain(schema(Field("home", ADDRESS)), [op.move("home.zip", to="zip")])) == ["home", "zip"]


@pytest.mark.parametrize("type", [Json(), Union((Field("A", I64), Field("B", STR)))])
def test_opaque_values_are_carried_whole(type: Any):
    s = schema(Field("o", type), Field("x", I64))
    mapping = chain(s, [op.rename("o", to="p"), op.move("p", to="r.p")])
    assert evaluate(mapping, {"o": ["anything"], "x": 1}) == {"x": 1, "r": {"p": ["anything"]}}
    with pytest.raises(MigrationError, match=r"o is .*, not a record"):
        chain(s, [op.drop("o.x")])
    with pytest.raises(MigrationError, match=r"does not exist|o<A> is int64, not a record"):
        chain(s, [op.drop("o<A>.x")])


def test_data_that_are_not_records_have_no_fields():
    s = Schema(Field("", I64))
    assert evaluate(identity(s), 5) == 5
    with pytest.raises(MigrationError, match="the data is int64"):
        chain(s, [op.add("x", "int64")])


def test_every_chain_can_be_rebased():
    for operations in CHAINS.values():
        mapping = chain(WIDE, operations)
        assert [evaluate(mapping.rebased(WIDE), row) for row in ROWS] == [evaluate(mapping, row) for row in ROWS]


def test_edits_open_only_the_levels_on_their_way():
    root = chain(WIDE, [op.rename("a.y", to="z")]).root.expression
    assert isinstance(root, Struct)
    assert isinstance(root.columns[0].expression, Struct)
    assert all(isinstance(c.expression, Source) for c in root.columns[1:])
    assert identity(WIDE).at(parse_path("items[].price")).field.type == DOUBLE
