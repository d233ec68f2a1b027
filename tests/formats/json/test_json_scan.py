"""The compiled scan alone: on any bytes, with any plan, it neither fails nor takes for plain what Python's parser refuses."""

from __future__ import annotations

import json
import random
from array import array
from importlib import import_module
from typing import Any

import pytest

from instar.formats.compiled import PARTS, missing_parts

from .respelled import damaged, respelled

pytestmark = pytest.mark.skipif("json" in missing_parts(), reason="the compiled part for JSON is not built here")

KEEP, RECORD, LIST, MAP, COMPUTE = range(5)
RAW, OPENED, FIXED, HOLE = range(4)
LEVELS = (
    (((b"inner", (RECORD, 1)), (b"items", (LIST, (RECORD, 2))), (b"tags", (MAP, (COMPUTE, 3)))), 2),
    (((b"deep", (RECORD, 2)),), 1),
    ((), 1),
    ((), 1),
)
OPEN = {0: ("inner", "items", "tags"), 1: ("deep",)}
RECORDS = [
    '{"id":1,"inner":{"x":1,"deep":{"z":1.5e-3}},"items":[{"price":1},{},null],"tags":{"a":1,"b":[true,false,null]}}',
    '{"é":"\\u00e9\\ud83d\\ude00\\n","inner":null,"items":null,"tags":{},"s":"𝄞 and \\"quoted\\" text longer than a block"}',
    '{"a":{"b":{"c":[[[{"d":-0.1}]]]}},"tags":{"k":"v"}}',
]


def compiled() -> Any:
    return import_module(PARTS["json"])


def place(*ends: int) -> bytes:
    return array("q", ends).tobytes()


def kept(level: int, keys: tuple[str, ...]) -> Any:
    """The plan that changes nothing."""
    return tuple((i, None, OPENED if key in OPEN.get(level, ()) else RAW, i, None) for i, key in enumerate(keys)), None


def drawn_planner(spare: random.Random) -> Any:
    """Any plan at all."""

    def planner(level: int, keys: tuple[str, ...]) -> Any:
        if spare.random() < 0.05:
            return None
        ops: list[Any] = []
        for i in spare.sample(range(len(keys)), len(keys)):
            source = spare.choice([RAW, OPENED if keys[i] in OPEN.get(level, ()) else RAW, FIXED, HOLE])
            number = 0 if source in (FIXED, HOLE) else i if source == OPENED else spare.randrange(len(keys))
            ops.append((i, spare.choice([None, b'"other"']), source, number, b"1"))
        ops = ops[: spare.randrange(len(ops) + 1)] + [(-1, b'"new"', FIXED, 0, b"2")] * spare.randrange(2)
        return tuple(ops), tuple(spare.randrange(-1, len(keys)) for _ in range(LEVELS[level][1]))

    return planner


def values_for(columns: list[Any], spare: random.Random, missing: object) -> list[Any]:
    some = (b'"x"', None, b"12345", missing) if spare.random() < 0.1 else (b'"x"', None, b"12345")
    return [[[spare.choice(some) for _ in column[0]]] if column else [] for column in columns]


def is_plain(text: bytes) -> bool:
    """An object in JSON as RFC 8259 has it, without half a surrogate pair, none of its own keys twice."""

    def no_constant(name: str) -> None:
        raise ValueError(name)

    try:
        pairs = json.loads(text.decode(), parse_constant=no_constant, object_pairs_hook=list)
        json.dumps(pairs, ensure_ascii=False).encode()
    except ValueError:
        return False
    return text[:1] == b"{" and len({key for key, _ in pairs}) == len(pairs)


def check_any_bytes(rounds: int, seed: int) -> None:
    spare, scan, missing = random.Random(seed), compiled(), object()
    for _ in range(rounds):
        program, planner = scan.program(LEVELS, (RECORD, 0)), drawn_planner(spare)
        for _ in range(10):
            lines = [respelled(spare.choice(RECORDS), spare).encode() for _ in range(spare.choice([1, 4]))]
            text = b"\n".join(damaged(line, spare) if spare.random() < 0.7 else line for line in lines)
            places, end, _ = scan.lines(text, 1 << 20, 100, True)
            assert end == len(text)
            holed, columns, odd = scan.scan(program, text, places, planner, [])
            made = scan.fill(text, holed, values_for(columns, spare, missing), [b"{}"] * len(odd), missing)
            assert isinstance(made, bytes | list)


def test_no_bytes_and_no_plan_make_it_fail() -> None:
    check_any_bytes(60, 5)


@pytest.mark.slow
def test_no_bytes_and_no_plan_make_it_fail_at_length() -> None:
    check_any_bytes(6_000, 17)


def test_what_is_taken_for_plain_is_and_comes_out_as_it_was() -> None:
    spare, scan = random.Random(9), compiled()
    program, plain = scan.program(LEVELS, (RECORD, 0)), 0
    for _ in range(4_000):
        text = damaged(respelled(spare.choice(RECORDS), spare).encode(), spare)
        holed, columns, odd = scan.scan(program, text, place(0, len(text)), kept, [])
        if not odd:
            plain += 1
            assert is_plain(text), text
            tags = columns[3][0]  # the values of the map are computed: here, as they were
            assert scan.fill(text, holed, [[], [], [], [tags]], [], None) == text
    assert plain > 200


@pytest.mark.parametrize(
    "text",
    [
        b'{"a":01}', b'{"a":1.}', b'{"a":.5}', b'{"a":+1}', b'{"a":1e}', b'{"a":-}', b'{"a":NaN}', b'{"a":"\x1f"}', b'{"a":"\\x"}',
        b'{"a":"\\u12"}', b'{"a":"\\ud800"}', b'{"a":"\\udc00"}', b'{"a":"\\ud800\\u0041"}', b'{"a":"\xc0\x80"}',
        b'{"a":"\xed\xa0\x80"}', b'{"a":"\xf4\x90\x80\x80"}', b'{"a":"\xe2\x82"}', b'{"a":1,}', b'{"a" 1}', b'{a:1}',
        b'{"a":[1 2]}', b'{"a":[}', b'{"a":tru}',
        b'{"a":1}}', b'{"a":1', b'{"a":"x', b'{"a"', b"{", b"", b"[]", b"null", b'{"a":1,"a":2}', b'{"\\u0061":1}',
        b'{"tags":{"a":1,"a":2}}', b'{"items":{}}', b'{"a":' + b"[" * 300 + b"]" * 300 + b"}",
    ],
)  # fmt: skip
def test_what_is_odd_is_left_to_others(text: bytes) -> None:
    scan = compiled()
    padded = b" " + text + b" 1}"  # what lies behind a record is not read as part of it
    places = place(1, 1 + len(text))
    holed, _, odd = scan.scan(scan.program(LEVELS, (RECORD, 0)), padded, places, kept, [])
    assert odd == [0]
    assert scan.fill(padded, holed, [], [b"<odd>"], None) == b" <odd> 1}"


def test_wrong_arguments_are_refused() -> None:
    scan = compiled()
    program, text = scan.program(LEVELS, (RECORD, 0)), b'{"id":1}'
    for places in (place(0, 9), place(5, 2), place(-1, 3), b"1234567"):
        with pytest.raises(ValueError, match="the records' places"):
            scan.scan(program, text, places, kept, [])
    for plan in ((((0, None, RAW, 7, None),), None), (((0, None, HOLE, 0, None),), None), (((-1, None, FIXED, 0, b""),), None)):
        with pytest.raises(ValueError, match=r"not a member of a plan|what is computed has inputs"):
            scan.scan(scan.program(LEVELS, (RECORD, 0)), text, place(0, 8), lambda level, keys, plan=plan: plan, [])
    with pytest.raises(ZeroDivisionError):
        scan.scan(program, text, place(0, 8), lambda level, keys: 1 / 0, [])
    (pieces, extra, holes), _, _ = scan.scan(scan.program(LEVELS, (RECORD, 0)), text, place(0, 8), kept, [])
    with pytest.raises(ValueError, match="a piece is not in the text"):
        scan.fill(text[:4], (pieces, extra, holes), [], [], None)
    with pytest.raises(ValueError, match="not a node"):
        scan.program(LEVELS, (9,))
    for levels, root in ((LEVELS, (RECORD, 4)), (LEVELS, (RECORD, -1)), (((((b"a", (RECORD, 0)),), 0),), (RECORD, 0))):
        with pytest.raises(ValueError, match="no such level"):  # nor one within itself: texts may be nested without end
            scan.program(levels, root)


def test_a_program_serves_one_scan_at_a_time() -> None:
    scan = compiled()
    program, text = scan.program(LEVELS, (RECORD, 0)), b'{"id":1}'
    with pytest.raises(RuntimeError, match="one scan at a time"):
        scan.scan(program, text, place(0, 8), lambda level, keys: scan.scan(program, text, place(0, 8), kept, []), [])


def test_shapes_without_end_are_odd_in_the_end() -> None:
    """Keys that never come again do not take memory for ever."""
    scan = compiled()
    program = scan.program(LEVELS, (RECORD, 0))
    lines = [b'{"key%d":1,"other%d":2}' % (i, i) for i in range(1_000)]
    text = b"\n".join(lines)
    places, _, _ = scan.lines(text, 1 << 30, 1 << 30, True)
    _, _, odd = scan.scan(program, text, places, kept, [])
    assert 0 < len(odd) < 1_000
    assert odd[-1] == 999


@pytest.mark.parametrize(
    "text", [b"", b"\n", b" \r\n", b"{}", b"{}\n", b"\xef\xbb\xbf{}\r\n \n{}", b"a\n\nb", b"\xef\xbb\xbf", b"x\xef\xbb\xbf"]
)
def test_lines_are_cut_as_by_hand(text: bytes) -> None:
    places, end, full = compiled().lines(text, 1 << 20, 100, True)
    ends = memoryview(places).cast("q")
    found = [text[ends[i] : ends[i + 1]] for i in range(0, len(ends), 2)]
    by_hand = [line.removeprefix(b"\xef\xbb\xbf").strip(b" \t\r\n") for line in text.split(b"\n")]
    assert found == [line for line in by_hand if line]
    assert (end, full) == (len(text), False)


def test_elements_are_cut_as_far_as_they_are_objects() -> None:
    elements, text = compiled().elements, b'x[{"a":[1]} ,\n{}, {"b":{}},7,{}]'
    assert elements(text, 2, 1 << 20, 100, 0) == (place(0, 9, 12, 14, 16, 24), 26)
    assert elements(text, 2, 1 << 20, 2, 5) == (place(5, 14, 17, 19), 16)
    assert elements(text, 2, 9, 100, 0) == (place(0, 9), 11)
    for rest in (b"", b"7", b"]", b'{"a":', b"{'a':1}", b'{"a":1', b"[]"):
        assert elements(rest, 0, 1 << 20, 100, 0) == (b"", 0)
    assert elements(b"{},{", 0, 1 << 20, 100, 0) == (place(0, 2), 2)
    assert elements(b"{}", 9, 1 << 20, 100, 0) == (b"", 2)


def test_an_unfinished_line_is_left() -> None:
    scan = compiled()
    assert scan.lines(b"{}\n{", 1 << 20, 100, False)[1:] == (3, False)
    assert scan.lines(b"{}\n{}\n", 2, 100, False)[1:] == (3, True)
    assert scan.lines(b"{}\n{}\n", 99, 1, False)[1:] == (3, True)
