"""What is said of a value that an operation refuses, and which of the operation's own words the hint names."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from support import field

from instar.formats.errors import DataError
from instar.formats.schema import schema
from instar.transforms import operations as op
from instar.transforms.evaluate.arrow import compile_batches
from instar.transforms.evaluate.plain import plain_type
from instar.transforms.mapping import chain


@pytest.mark.parametrize(
    ("type", "value", "operation", "message", "hint"),
    [
        ("string", "a", op.split("v", into={"x": "string", "y": "int32"}, by=","), "'a' has not 2 pieces between ','", "otherwise"),
        ("list<int32>", [1, 2], op.head("v"), "[1, 2] is not a list of one value", "otherwise"),
        ("list<int32>", [], op.head("v", empty="fail"), "[] is not a list of one value", "empty"),
        ("timestamp(s)", 1616898600, op.cast("v", "timestamp(s, UTC)", zone="Europe/Berlin"), "skipped or shown twice", "on_error"),
        ("string", "x", op.cast("v", "int32"), "'x' (string) cannot become int32 and be undone", "on_error"),
    ],
)
def test_it_is_said_in_the_words_of_the_operation(type: str, value: Any, operation: Any, message: str, hint: str) -> None:
    source = schema(field("v", type))
    batch = pa.record_batch({"v": pa.array([value], plain_type(source.record["v"].type))})
    with pytest.raises(DataError) as error:
        compile_batches(chain(source, [operation]))(batch)
    assert message in error.value.message
    assert hint in error.value.hint
