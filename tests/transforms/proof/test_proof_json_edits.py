"""Lines that the compiled part proves to be edited only: each is one that Python finds right, whatever stands in it."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instar import op
from instar.formats.format import format_named
from instar.transforms.mapping import Mapping, chain
from instar.transforms.proof import json_kept
from instar.transforms.proof.json_edits import compiled_part
from instar.transforms.proof.json_levels import levels_of
from instar.transforms.proof.json_text import value_of
from tests.formats.json.test_json_corners import with_corners

BUILT = compiled_part()
needs_part = pytest.mark.skipif(BUILT is None, reason="the proof's compiled part for JSON is not built here")
PART: Any = BUILT
FINISHED, OLD_WANTED, NEW_WANTED, ODD = range(4)
EXAMPLES = int(os.environ.get("INSTAR_EXAMPLES", "60"))

_POINT = {"type": "object", "properties": {"x": {"type": "integer"}, "y": {}, "z": {"type": "string"}}}
SCHEMA = {
    "type": "object",
    "properties": {
        "a": {"type": "integer"},
        "b": {},
        "é": {"type": "string"},
        "last": {},
        "point": {"type": ["object", "null"], "properties": _POINT["properties"]},
        "list": {"type": "array", "items": {"type": "object", "properties": {"n": {}, "t": {}, "deep": _POINT}}},
        "map": {"type": "object", "additionalProperties": _POINT},
    },
}
OPERATIONS = [
    op.rename("a", to="number"),
    op.drop("b"),
    op.rename("é", to='"""ü"""'),
    op.drop("last"),
    op.rename("point.x", to="w"),
    op.drop("point.y"),
    op.rename("list[].n", to="m"),
    op.drop("list[].t"),
    op.drop("list[].deep.x"),
    op.rename("map{}.z", to="ζ"),
]
EDITS: dict[str, dict[str, Any]] = {
    "root": {"a": ("number", ""), "b": None, "é": ('"ü"', ""), "last": None, "point": ("point", "point"), "list": ("list", "list"),
             "map": ("map", "map")},
    "point": {"x": ("w", ""), "y": None},
    "list": {"n": ("m", ""), "t": None, "deep": ("deep", "deep")},
    "deep": {"x": None},
    "map": {"z": ("ζ", "")},
}  # fmt: skip
"""The same, written down by hand: of each member its new key and what opens its value, or None where it is dropped."""


def mapping(operations: list[Any] = OPERATIONS) -> Mapping:
    return chain(format_named("json").parse(json.dumps(SCHEMA)), operations)


@pytest.fixture(scope="module")
def judge() -> Callable[[bytes, bytes], bool]:
    """As a line is judged in Python."""
    opened = json_kept._record(mapping().root, (), (), set())
    assert opened is not None
    same = json_kept._judge(opened)

    def judged(old: bytes, new: bytes) -> bool:
        try:
            return same(old.strip(b" \t\r"), new.strip(b" \t\r"))
        except ValueError:
            return False

    return judged


def edits(operations: list[Any] = OPERATIONS) -> Any:
    levels = levels_of(mapping(operations).root)
    assert levels is not None
    return PART.edits(levels)


def is_proved(known: Any, old: bytes, new: bytes) -> bool:
    """Each line stands at the end of a buffer of its own, of a size at which sanitizers watch what is read."""
    old, new = b" " * 600 + old, b" " * 600 + new
    count, _, _, why = PART.proved(known, old, 0, len(old), True, new, 0, len(new), True)
    assert (count, why) in ((1, FINISHED), (0, ODD), (0, FINISHED))  # the last of two blank lines
    return count == 1


# ---- lines, and what they become
class Pairs:
    """Draws old lines together with new ones, in any order of keys and with white space anywhere."""

    def __init__(self, spare: random.Random) -> None:
        self.spare = spare

    def blank(self) -> str:
        return self.spare.choice(["", "", "", " ", "\t", " \r "])

    def value(self, depth: int = 0) -> str:
        numbers, texts = ["1", "-0.50", "1E+2", "0"], ['""', '"é🦋"', '"\\ud83e\\udd8b\\n\\""', '"a longer text, {[\\\\"']
        some = [*numbers, *texts, "null", "true", "false", "[ ]", "{}"]
        match self.spare.randrange(5 if depth < 3 else 3):
            case 3:
                return "[" + ",".join(self.blank() + self.value(depth + 1) for _ in range(self.spare.randrange(1, 4))) + "]"
            case 4:
                keys = self.spare.sample(["a", "x", "b", "", "a key of more than eight bytes", "ζ"], self.spare.randrange(1, 4))
                return "{" + ",".join(f'"{key}"{self.blank()}:{self.value(depth + 1)}' for key in keys) + self.blank() + "}"
            case _:
                return self.spare.choice(some)

    def opened(self, level: str) -> tuple[str, str]:
        if not level:
            value = self.value()
            return value, value
        if self.spare.random() < 0.1 and level in ("point", "list", "map"):
            return "null", "null"
        if level not in ("list", "map"):
            return self.record(level)
        drawn = [self.record(level) for _ in range(self.spare.randrange(3))]
        if level == "list":
            return self.joined("[", "]", [(old, new, True) for old, new in drawn])
        return self.joined("{", "}", [(f'"k{i}": {old}', f'"k{i}": {new}', True) for i, (old, new) in enumerate(drawn)])

    def record(self, level: str) -> tuple[str, str]:
        names = [*EDITS[level], "other", "one more key"]
        members = []
        for name in self.spare.sample(names, self.spare.randrange(len(names) + 1)):
            edit = EDITS[level].get(name, (name, ""))
            colon = f"{self.blank()}:{self.blank()}"
            old, new = self.opened(edit[1]) if edit else (self.value(), "")
            spelled = json.dumps(edit[0], ensure_ascii=False) if edit else ""
            members.append((f'"{name}"{colon}{old}', f"{spelled}{colon}{new}", edit is not None))
        return self.joined("{", "}", members)

    def joined(self, start: str, end: str, members: list[tuple[str, str, bool]]) -> tuple[str, str]:
        """Where nothing was dropped the white space is the same."""
        before, after, any_kept, gap = start, start, False, False
        for i, (old, new, stays) in enumerate(members):
            comma = f"{self.blank()},{self.blank()}" if i else self.blank()
            before += comma + old
            if stays:
                after += comma if not gap else f"{self.blank()},{self.blank()}" if any_kept else self.blank()
                after += new
            any_kept, gap = any_kept or stays, not stays
        last = self.blank()
        return before + last + end, after + (self.blank() if gap else last) + end


def edited(value: Any, level: str) -> Any:
    """What a value becomes; objects as pairs, in order."""
    if level in ("list", "map") and isinstance(value, list):
        return [edited(each, "in " + level) for each in value]
    if level in ("list", "map") and isinstance(value, dict):
        return [(key, edited(each, "in " + level)) for key, each in value.items()]
    known = EDITS.get(level.removeprefix("in "), {})
    if isinstance(value, dict):
        found = [(key, known.get(key, (key, "")), each) for key, each in value.items()]
        return [(edit[0], edited(each, edit[1])) for _, edit, each in found if edit]
    return [edited(each, "") for each in value] if isinstance(value, list) else value


def is_right(old: bytes, new: bytes) -> bool:
    """By Python's parser and the edits written down by hand."""
    return edited(value_of(old.decode()), "root") == edited(value_of(new.decode()), "")


@needs_part
@settings(max_examples=EXAMPLES, deadline=None, database=None)
@given(st.integers(0, 2**64))
def test_what_is_proved_is_right(judge: Callable[[bytes, bytes], bool], seed: int) -> None:
    spare, known = random.Random(seed), edits()
    for _ in range(8):
        old, new = (text.encode() for text in Pairs(spare).record("root"))
        assert is_proved(known, old, new), (old, new)
        assert is_right(old, new)
        assert judge(old, new), (old, new)
        for _ in range(6):
            corner = spare.randrange(1 << 30)
            both = spare.random() < 0.3  # the same damage to both, where it falls on the same text
            theirs = with_corners(old, random.Random(corner)) if both or spare.random() < 0.3 else old
            ours = with_corners(new, random.Random(corner))
            if is_proved(known, theirs, ours):
                assert is_right(theirs, ours), (theirs, ours)
                assert judge(theirs, ours), (theirs, ours)


OLD = '{"a":1,"b":[{"a":1}],"other":"x\\"a\\":1","point":{"y":1.0 , "x":2,"z":"é"},"list":[{"n":1,"t":2},{"t":{}}],"last":null}'
NEW = '{"number":1,"other":"x\\"a\\":1","point":{"w":2,"z":"é"},"list":[{"m":1},{}]}'


@needs_part
def test_no_byte_that_is_changed_put_in_or_taken_away_passes(judge: Callable[[bytes, bytes], bool]) -> None:
    known, old, new = edits(), OLD.encode(), NEW.encode()
    assert is_proved(known, old, new)
    passed = []
    for at in range(len(new)):
        for with_what in (b"", *(bytes([new[at] ^ 1 << bit]) for bit in range(8)), *(bytes([each, new[at]]) for each in b' ,"{1')):
            wrong = new[:at] + with_what + new[at + 1 :]
            if is_proved(known, old, wrong):
                assert judge(old, wrong), wrong
                passed.append(wrong)
    assert all(each.replace(b" ", b"") == new for each in passed)  # around what was dropped
    for at in range(len(old)):
        for wrong in (old[:at] + bytes([old[at] ^ 1]) + old[at + 1 :], old[:at] + old[at + 1 :]):
            assert not is_proved(known, wrong, new) or judge(wrong, new), wrong


@needs_part
@pytest.mark.parametrize(
    "value",
    [
        "01", "1.", ".5", "+1", "1e", "-", "NaN", "-Infinity", '"\x1f"', '"\\x"', '"\\u12"', '"\\u12g4"', '"\\ud800"', '"\\udc00"',
        '"\\ud800\\u0041"', "[1,]", "[,1]", "[1 2]", "[}", "{]", "tru", "{,}", '{"x":1,}', '{"x" 1}', "{x:1}", '{"x":}', "'x'", "",
        '{"x":1,"x":1}', '{"x":1,"y":{"z":[{"k":1,"j":2,"k":1}]}}', '{"\\u0078":1}', "[" * 300 + "]" * 300,
        '"', "[", "{", '{"x', "1}",
        '{"0123456789":1,"9":2,"0123456789":3}',
    ],
)  # fmt: skip
def test_what_is_not_plain_json_is_left_to_python_in_both_lines(value: str) -> None:
    known = edits()
    for old, new in (
        (f'{{"a":{value}}}', f'{{"number":{value}}}'),
        (f'{{"a":1,"x":{value}}}', f'{{"number":1,"x":{value}}}'),
        (f'{{"a":1,"b":{value}}}', '{"number":1}'),
        (f'{{"list":[{{"n":{value}}}]}}', f'{{"list":[{{"m":{value}}}]}}'),
    ):
        assert not is_proved(known, old.encode(), new.encode())


@needs_part
@pytest.mark.parametrize(
    "text", [b"\xc0\x80", b"\xe0\x80\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82", b"\x80", b"\xff"]
)
@pytest.mark.parametrize("place", [b'{"z":"%s"}', b'{"%s":1}', b'{"z":{"%s":1}}', b'{"z":["%s"]}'])
def test_bytes_that_are_no_text_are_left_to_python(text: bytes, place: bytes) -> None:
    line = place.replace(b"%s", text)
    assert not is_proved(edits(), line, line)


@needs_part
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('{"number":1}', '{"number":1}'),  # a key that no schema names, in the way of one that is renamed
        ('{"a":1,"number":2}', '{"number":1,"number":2}'),
        ('{"a":1,"a":1}', '{"number":1,"number":1}'),
        ('{"b":1,"b":2}', "{}"),
        ('{"other":1,"other":1}', '{"other":1,"other":1}'),
        ('{"map":{"k":{},"k":{}}}', '{"map":{"k":{},"k":{}}}'),
        ('{"point":{"x":1,"x":2}}', '{"point":{"w":1,"w":2}}'),
        ('{"point":[]}', '{"point":[]}'),
        ('{"list":{}}', '{"list":{}}'),
        ('{"map":[]}', '{"map":[]}'),
        ('{"list":[1]}', '{"list":[1]}'),
        ("null", "null"),
        ("[]", "[]"),
        ("{}", "{}}"),
        ("{}", "{"),
        ('{"z":1}', '{"z":12}'),
        ('{"z":1,"b":1}', '{"z":12}'),
        ('{"z":1,"b":1}', '{"z":1,}'),
        ('{"b":1,"z":1}', '{,"z":1}'),
        ('{"y":1,"b":1,"z":1}', '{"y":1"z":1}'),
    ],
)
def test_other_lines_are_left_to_python(old: str, new: str) -> None:
    assert not is_proved(edits(), old.encode(), new.encode())


@needs_part
def test_more_keys_in_one_line_than_are_remembered_are_left_to_python() -> None:
    known = edits()
    few, many = ("{" + ",".join(f'"k{i}":{i}' for i in range(count)) + "}" for count in (4_000, 40_000))
    for _ in range(5):  # those of lines before do not count
        assert is_proved(known, few.encode(), few.encode())
        assert not is_proved(known, many.encode(), many.encode())


# ---- what it is told
@needs_part
@pytest.mark.parametrize(
    "levels",
    [
        (),
        (1,),
        ((0, (1,)),),
        ((3, ()),),
        ((1, ()),),
        ((0, ((b"a", 4, b"", -1),)),),
        ((0, ((b"a", 0, b"", 1),)),),
        ((0, ((b"a", 0, b"", 0),)),),
        ((0, ()), (0, ((b"a", 0, b"", 1),))),
        ((0, ((b"a", 0, b"", -1), (b"b", 0, b"", -1), (b"a", 0, b"", -1))),),
    ],
)
def test_levels_that_make_no_sense_are_refused(levels: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        PART.edits(levels)


@needs_part
def test_places_outside_of_the_text_are_refused() -> None:
    for start, end in ((-1, 1), (0, 3), (2, 1)):
        with pytest.raises(ValueError, match="within the text"):
            PART.proved(edits(), b"{}", start, end, True, b"{}", 0, 2, True)


@pytest.mark.parametrize(
    "operation",
    [
        op.cast("a", "string"),
        op.add("new", "bool", default=False),
        op.cast("list[].deep.x", "string"),
        op.require("a", fill=1),
    ],
)
def test_mappings_that_compute_are_not_told(operation: Any) -> None:
    assert levels_of(mapping([operation]).root) is None
    assert levels_of(mapping([op.set_doc("a", "text")]).root) is not None
