"""JSON's raw values: opened, decoded, encoded, sealed; and what is not touched keeps its very text."""

from __future__ import annotations

import json
import math
import struct
import time
from decimal import Decimal as Exact
from typing import Any

import msgspec
import pytest
from examples import examples
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from instar.formats.errors import DataError
from instar.formats.json import FORMAT
from instar.formats.schema import (
    Bool,
    Enum,
    Field,
    Float,
    Int,
    Integer,
    Json,
    List,
    Map,
    Number,
    Record,
    Reference,
    Schema,
    String,
    Type,
    schema,
)
from tests.formats.json.json_texts import RECORDS, VALUES

ANY = schema(Field("a", Json()), Field("b", Json()))
VALUES_OF_ANY = FORMAT.values(ANY, ANY)


def opened(text: bytes, s: Schema = ANY) -> Any:
    return FORMAT.values(s, s).opener(s.root)(text)


def sealed(source: Any, new: Any, s: Schema = ANY) -> bytes:
    return bytes(FORMAT.values(s, s).sealer(s.root)(source, new))


def decoded(kind: Type, text: str | bytes) -> Any:
    raw = msgspec.Raw(text.encode() if isinstance(text, str) else text)
    return FORMAT.values(ANY, ANY).decoder(Field("f", kind))(raw)


def encoded(kind: Type, value: Any) -> str:
    return bytes(FORMAT.values(ANY, ANY).encoder(Field("f", kind))(value)).decode()


def raw(text: str) -> msgspec.Raw:
    return msgspec.Raw(text.encode())


def renamed(source: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    return {names.get(name, name): value for name, value in source.items()}


# ---- laws
@settings(max_examples=examples(bounded=40, many=120), deadline=None)
@given(RECORDS)
def test_an_untouched_record_keeps_its_bytes(text: str) -> None:
    found = opened(text.encode())
    assert list(found) == list(json.loads(text))
    assert sealed(found, dict(found)) == text.encode()
    assert VALUES_OF_ANY.opener(ANY.root)(found) is found


@settings(max_examples=examples(bounded=40, many=120), deadline=None)
@given(VALUES, st.integers(0, 3))
def test_nested_values_keep_their_bytes_when_a_neighbour_changes(value: str, place: int) -> None:
    members = ['"x" :1', '"y":  2.50', f'"z":{value}']
    text = "{" + ", ".join(members) + "\n}"
    found = opened(text.encode())
    new = {**found, "x": raw("[7]")}
    if place == 1:
        del new["y"]
    result = sealed(found, new).decode()
    assert f'"z":{value}' in result
    assert ('"y":  2.50' in result) == (place != 1)
    expected = json.loads(text) | {"x": [7]}
    if place == 1:
        del expected["y"]
    assert list(json.loads(result)) == list(expected)


@settings(max_examples=examples(bounded=40, many=120), deadline=None)
@given(RECORDS, st.data())
def test_a_changed_record_is_the_old_one_but_for_the_change(text: str, data: st.DataObject) -> None:
    found = opened(text.encode())
    assume(found)
    name = data.draw(st.sampled_from(list(found)))
    gone = data.draw(st.sampled_from([None, *found]))
    new = {("new name" if k == name else k): v for k, v in found.items() if k != gone or k == name}
    new["added"] = raw('"here"')
    result = sealed(found, new)
    expected = {("new name" if k == name else k): v for k, v in exactly(text).items() if k != gone or k == name} | {"added": "here"}
    assert exactly(result.decode()) == expected
    assert list(exactly(result.decode())) == list(expected)
    back = opened(result)
    assert all(bytes(back["new name" if k == name else k]) == bytes(v) for k, v in found.items() if k != gone or k == name)


def exactly(text: str) -> dict[str, Any]:
    return json.loads(text, parse_float=lambda number: ("float", number))


@settings(max_examples=examples(bounded=33, many=100), deadline=None)
@given(RECORDS)
def test_a_rename_and_its_way_back_give_the_very_bytes(text: str) -> None:
    found = opened(text.encode())
    names = {name: f"{name} renamed" for name in list(found)[::2]}
    assume(not names.values() & found.keys() and names)
    there = sealed(found, renamed(found, names))
    again = opened(there)
    back = sealed(again, renamed(again, {new: old for old, new in names.items()}))
    assert exactly(back.decode()) == exactly(text)
    if "\\" not in text:
        assert back == text.encode()


# ---- directed
LINE = (
    '{"id": 12345678901234567890123, "price":1.10,"scale" : 1e2, "caf\\u00e9": "\\u0041\\/",'
    ' "unknown": {"x" :[1.0, {"y":2.00}]}, "old": true}'
)


def test_the_line_that_libraries_damage() -> None:
    """A 23-digit integer, 1.10, 1e2, an escaped key, an unknown nested key survive a rename up and down, and a new key."""
    s = schema(Field("id", Integer()), Field("price", Number()), Field("café", String()), Field("old", Bool()))
    up = schema(*[f.with_(name="new") if f.name == "old" else f for f in s.record.fields], Field("added", Integer()))
    there, back = FORMAT.values(s, up), FORMAT.values(up, s)
    found = there.opener(s.root)(LINE.encode())
    new = bytes(there.sealer(up.root)(found, {**renamed(found, {"old": "new"}), "added": raw("5")}))
    assert new.decode() == LINE.replace('"old": true}', '"new": true, "added": 5}')
    again = back.opener(up.root)(new)
    old = renamed({k: v for k, v in again.items() if k != "added"}, {"new": "old"})
    assert bytes(back.sealer(s.root)(again, old)).decode() == LINE


PRETTY = """{
    "a": 1,
    "b": {
        "c": 1.0,
        "d": [
            1,
            2
        ]
    },
    "e": null
}"""


def test_pretty_printed_stays_so_when_a_key_is_added() -> None:
    found = opened(PRETTY.encode())
    new = sealed(found, {**found, "f": raw('"x"')}).decode()
    assert new == PRETTY.replace("null\n", 'null,\n    "f": "x"\n')
    inner = VALUES_OF_ANY.opener(ANY.root)(found["b"])
    below = VALUES_OF_ANY.sealer(ANY.root)(inner, {**inner, "g": raw("0")})
    whole = sealed(found, {**found, "b": below}).decode()
    assert whole == PRETTY.replace("        ]\n    }", '        ],\n        "g": 0\n    }')


@pytest.mark.parametrize(
    ("names", "before", "new", "after"),
    [
        ("ab", '{"a":1,"b":2}', ["b", "a"], '{"a":1,"b":2}'),
        ("axb", '{"a":1,"u":9,"gone":3,"b":2}', ["a", "+x", "b", "u"], '{"a":1,"u":9,"x":0,"b":2}'),
        ("ax", '{"a":1,"gone":3,"u":9}', ["a", "+x", "u"], '{"a":1,"x":0,"u":9}'),
        ("abx", '{"gone":3,"a":1,"b":2}', ["a", "b", "+x"], '{"a":1,"b":2,"x":0}'),
        ("xa", '{"gone" : 3, "a":1}', ["+x", "a"], '{"x" : 0, "a":1}'),
        ("axb", '{"b":2,"a":1}', ["a", "+x", "b"], '{"b":2,"a":1,"x":0}'),
        ("axb", '{"a":1,"b":2}', ["a", "+x", "b"], '{"a":1,"x":0,"b":2}'),
        ("abx", '{"a":1,"u":9,"b":2}', ["a", "b", "+x", "u"], '{"a":1,"u":9,"b":2,"x":0}'),
        ("xab", '{"a": 1, "b": 2}', ["+x", "a", "b"], '{"x": 0, "a": 1, "b": 2}'),
        ("ax", '{"a": 1}', ["a", "+x"], '{"a": 1, "x": 0}'),
        ("b", '{ "a":1 , "b":2 }', ["b"], '{ "b":2 }'),
        ("", '{ "a":1 , "b":2 }', [], "{}"),
        ("x", "{ }", ["+x"], '{"x":0}'),
        ("abx", '{"a" :1,"b":  2}', ["a", "b", "+x"], '{"a" :1,"b":  2,"x":  0}'),
        ("", "{}", [], "{}"),
        ("", "{ \n}", [], "{ \n}"),
    ],
)
def test_where_keys_go(names: str, before: str, new: list[str], after: str) -> None:
    """The record's own order stays; a new key stands after its predecessor of the schema, or last."""
    s = schema(*[Field(name, Json()) for name in names])
    found = opened(before.encode(), s)
    members = {name.removeprefix("+"): raw("0") if name[0] == "+" else found[name] for name in new}
    assert sealed(found, members, s).decode() == after


def test_the_order_does_not_depend_on_records_before() -> None:
    """Two records with equal keys, one of which carries a value under a new name and one that computes it."""
    s = schema(Field("y", Json()), Field("a", Json()))
    v = FORMAT.values(s, s)
    for turn in (0, 1):
        opener, sealer = v.opener(s.root), v.sealer(s.root)
        results = {}
        for kind in ("carried", "computed")[:: 1 - 2 * turn]:
            found = opener(b'{"a":1,"x":2,"z":3}')
            results[kind] = bytes(
                sealer(found, {"y": found["x"] if kind == "carried" else raw("9"), "a": found["a"], "z": found["z"]})
            )
        assert results == {"carried": b'{"a":1,"y":2,"z":3}', "computed": b'{"y":9,"a":1,"z":3}'}


def test_new_records_and_lists() -> None:
    s = schema(Field("l", List(Field("item", Integer()))), Field("m", Map(Field("value", Integer()))))
    v = FORMAT.values(s, s)
    items = v.opener(s.record["l"])(raw("[1, 2 ,3]"))
    assert [bytes(i) for i in items] == [b"1", b"2", b"3"]
    seal = v.sealer(s.record["l"])
    assert bytes(seal(items, list(items))) == b"[1, 2 ,3]"
    assert bytes(seal(items, [items[0], raw("20"), None])) == b"[1, 20 ,null]"
    assert bytes(seal(None, [raw("1"), None])) == b"[1,null]"
    assert bytes(v.sealer(s.root)(None, {"l": raw("[]"), "m": None})) == b'{"l":[],"m":null}'
    mapping = v.opener(s.record["m"])(raw('{"b": 1, "a\\u0041": 2}'))
    assert list(mapping) == ["b", "aA"]
    assert bytes(v.sealer(s.record["m"])(mapping, {k: raw("7") for k in mapping})) == b'{"b": 7, "a\\u0041": 7}'
    for nothing in (None, raw("null"), b"null"):
        assert v.opener(s.root)(nothing) is None
    assert bytes(v.sealer(s.root)(None, None)) == b"null"


def test_references_mean_their_definitions() -> None:
    node = Field("node", Record((Field("next", Reference("node"), nullable=True), Field("v", Int(8)))))
    s = Schema(Field("", Record((Field("first", Reference("node")),))), {"node": node})
    assert FORMAT.values(s, s).decoder(s.root)(b'{"first":{"v":1,"next":{"v":2,"next":null}}}') == {
        "first": {"v": 1, "next": {"v": 2, "next": None}}
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b'{"a":1,"b":2,"a":3}', "the key 'a' is in one object twice"),
        (b'{"a":1,"\\u0061":3}', "the key 'a' is in one object twice"),
        (b'{"a": 1, "b": 2, "a": 1}', "the key 'a'"),
        (b'{"a":1,"b":' + b"2" * 5000 + b',"a":1}', "the key 'a'"),
        (b'{"a":NaN}', "not valid JSON"),
        (b'{"a":-Infinity}', "not valid JSON"),
        (b'{"a":1} {"b":2}', "trailing characters"),
        (b'{"a":1', "not valid JSON"),
        (b'{"a":01}', "invalid number"),
        (b'{"a":"\xff"}', "not valid UTF-8: byte 0xff at 7"),
        (b'{"a":[{"b":"\xed\xa0\x80"}]}', "not valid UTF-8"),
        (b'{"a":"\x01"}', "not valid JSON"),
        (b"[1]", "is not an object"),
        (b'"x"', "is not an object"),
        (b'{"\\ud800":1}', "half a surrogate pair"),
        (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
    ],
)
def test_records_that_are_not_valid(text: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        opened(text)


# ---- single values
@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (Bool(), "true", True), (Bool(), "false", False), (String(), '"\\u0041\\n"', "A\n"), (Enum(("a", "b")), '"b"', "b"),
        (Integer(), "12345678901234567890123", 12345678901234567890123), (Integer(), "1.0", 1), (Integer(), "1e2", 100),
        (Integer(), "-0", 0), (Integer(), "-0.0", 0), (Integer(), "0e99999999", 0), (Int(8), "-128", -128),
        (Int(64, False), "18446744073709551615", 2**64 - 1),
        (Number(), "1.10", Exact("1.10")), (Number(), "7", 7), (Number(), "1e400", Exact("1e400")),
        (Float(64), "0.1", 0.1), (Float(64), "1.10", 1.1), (Float(64), "0.10000000000000001", 0.1), (Float(64), "1e2", 100.0),
        (Float(64), "9007199254740993000000", 9007199254740993000000.0), (Float(64), "5e-324", 5e-324), (Float(64), "-0.0", -0.0),
        (Float(64), "0.1000000000000000055511151231257827021181583404541015625", 0.1),
        (Float(64), "1.00000000000000000000000", 1.0),
        (Float(32), "0.1", struct.unpack("<f", struct.pack("<f", 0.1))[0]), (Float(32), "16777216", 16777216.0),
        (Json(), '{"a":[1.5]}', {"a": [Exact("1.5")]}),
        (List(Field("item", Integer())), "[1, null]", [1, None]), (Map(Field("value", Bool())), '{"a":true}', {"a": True}),
    ],
)  # fmt: skip
def test_decoding(kind: Type, text: str, value: Any) -> None:
    found = decoded(kind, text)
    assert found == value
    assert type(found) is type(value)
    assert decoded(kind, "null") is None
    if not isinstance(kind, Float) or abs(found) > 0:
        assert decoded(kind, encoded(kind, value)) == value


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        (Int(64), "12345678901234567890123", "12345678901234567890123 is out of the range of int64"),
        (Int(8), "128", "128 is out of the range of int8"), (Int(8, False), "-1", "out of the range of uint8"),
        (Integer(), "1.5", "1.5 is a number, expected integer"), (Integer(), '"x"', '"x" is a string, expected integer'),
        (Integer(), "true", "true is a boolean, expected integer"), (Integer(), "1e-1", "is a number, expected integer"),
        (Integer(), "1e999999999", "is a number, expected integer"), (Integer(), "9" * 5000, "expected integer"),
        (Number(), '"1"', "is a string, expected number"), (Bool(), "1", "is an integer, expected bool"),
        (String(), "1", "is an integer, expected string"), (String(), '"\\ud800"', "half a surrogate pair"),
        (Enum(("a",)), '"b"', "is not one of the symbols"), (Enum(("a",)), "1", "is an integer, expected enum"),
        (Float(64), "1e400", "out of the range of double"), (Float(64), "1e-400", "more digits than double holds"),
        (Float(64), "0.123456789012345678901", "more digits than double holds"),
        (Float(64), "1.00000000000000000000000000000000001", "more digits than double holds"),
        (Float(32), "-2.500000000000000000000000000000000000000001e7", "more digits than float holds"),
        (Float(32), "1e39", "out of the range of float"), (Float(32), "0.1234567890123", "more digits than float holds"),
        (Float(64), "[1]", "is an array, expected double"),
    ],
)  # fmt: skip
def test_values_that_are_not_of_the_type(kind: Type, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as error:
        decoded(kind, text)
    assert error.value.where
    assert error.value.where.found
    assert error.value.where.expected


@pytest.mark.parametrize("kind", [Integer(), Number(), Float(64), Int(32), Json()])
def test_a_number_beyond_all_others_is_refused(kind: Type) -> None:
    with pytest.raises(DataError, match=r"the number has an exponent beyond .*: 1e99999999999999999999") as error:
        decoded(kind, "1e99999999999999999999")
    assert error.value.bare == "the number has an exponent beyond what can be computed with"


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        (Float(64), 1e16, "1e+16"), (Float(64), 1.0, "1.0"), (Float(64), 0.1, "0.1"), (Number(), Exact("1.10"), "1.10"),
        (Float(32), struct.unpack("<f", struct.pack("<f", 0.1))[0], "0.1"), (Integer(), 10**30, "1" + "0" * 30),
        (String(), 'é"\n\u2028', '"é\\"\\n\u2028"'), (Bool(), True, "true"), (Integer(), None, "null"),
        (Record((Field("a", Integer()),)), {"a": 1}, '{"a":1}'), (List(Field("item", String())), ["x", None], '["x",null]'),
        (Json(), {"a": [1, Exact("1.50"), None, True]}, '{"a":[1,1.50,null,true]}'),
    ],
)  # fmt: skip
def test_encoding(kind: Type, value: Any, text: str) -> None:
    assert encoded(kind, value) == text


@pytest.mark.parametrize(
    ("kind", "value"),
    [(Float(64), math.nan), (Float(64), math.inf), (Number(), Exact("NaN")), (Int(8), 128), (Integer(), 1.5), (Integer(), True),
     (String(), b"x"), (String(), "\ud800"), (Enum(("a",)), "b"), (Bool(), 1), (Float(32), 0.1), (Record(()), {"a": 1}),
     (List(Field("item", Integer())), "abc")],
)  # fmt: skip
def test_values_that_a_type_cannot_hold_are_not_written(kind: Type, value: Any) -> None:
    with pytest.raises(DataError):
        encoded(kind, value)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_doubles_come_back_bit_by_bit(value: float) -> None:
    assert struct.pack("<d", decoded(Float(64), encoded(Float(64), value))) == struct.pack("<d", value)
    assert decoded(Float(64), f"{value:.17g}") == value


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_floats_come_back_bit_by_bit(value: float) -> None:
    assert struct.pack("<f", decoded(Float(32), encoded(Float(32), value))) == struct.pack("<f", value)
    assert decoded(Float(32), f"{value:.9g}") == value


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")], ids=["compact", "spaced"])
def test_a_flat_record_costs_microseconds(separators: tuple[str, str]) -> None:
    """Far above what it takes (5 and 8 µs), far below what a scanner in Python would."""
    text = json.dumps({f"column_{i}": i * 1.5 if i % 3 else "some text" for i in range(19)}, separators=separators).encode()
    opener, sealer = VALUES_OF_ANY.opener(ANY.root), VALUES_OF_ANY.sealer(ANY.root)

    def once() -> float:
        start = time.process_time()
        for _ in range(2000):
            found = opener(text)
            sealer(found, found)
        return (time.process_time() - start) / 2000

    assert min(once() for _ in range(5)) < 40e-6
