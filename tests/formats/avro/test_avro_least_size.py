"""The fewest bytes of a value, by which a block is found to say that it holds more than it can."""

from __future__ import annotations

import pytest

from instar.formats.avro.physical import Layout
from instar.formats.avro.walk import MOST_LEAST, least_size

TEXT = Layout("string")


def ref(name: str) -> Layout:
    return Layout("reference", name=name)


class Counting(dict[str, Layout]):
    """Definitions that count how often they are asked for one."""

    asked = 0

    def __getitem__(self, name: str) -> Layout:
        self.asked += 1
        return super().__getitem__(name)


def twice_below(levels: int) -> Counting:
    """R0 a text; each further record has two of the one before."""
    made = Counting(R0=Layout("record", of=(TEXT,)))
    for level in range(1, levels):
        made[f"R{level}"] = Layout("record", of=(ref(f"R{level - 1}"), ref(f"R{level - 1}")))
    return made


@pytest.mark.parametrize(("levels", "least"), [(1, 1), (4, 8), (31, 1 << 30), (60, MOST_LEAST)])
def test_a_type_that_is_used_twice_at_every_level_is_looked_at_once(levels: int, least: int) -> None:
    known = twice_below(levels)
    assert least_size(ref(f"R{levels - 1}"), known) == least
    assert known.asked == levels


def test_types_that_hold_themselves_twice_are_looked_at_once() -> None:
    known = Counting({f"T{i}": Layout("record", of=(TEXT, *(ref(f"T{j}") for j in range(40)))) for i in range(40)})
    assert least_size(ref("T0"), known) >= 1
    assert known.asked == 40


def test_what_may_be_null_or_empty_ends_a_recursion() -> None:
    node = Layout("record", of=(Layout("double"), Layout("reference", null=0, name="Node"), Layout("array", of=(ref("Node"),))))
    assert least_size(ref("Node"), {"Node": node}) == 8 + 1 + 1
