"""JSON lines with neutral values: each number its own text, each object its keys in order."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from instar.formats.schema import Field, List, Map, Record
from tests.mutations.neutral import Number, Pairs


def _pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in found}) < len(found):
        raise ValueError("a key twice")
    return dict(found)


_DECODER = json.JSONDecoder(parse_int=Number, parse_float=Number, parse_constant=Number, object_pairs_hook=_pairs)


def read(path: Path, root: Field, *, array: bool = False) -> list[Any]:
    """The records of a file of lines, or of one array."""
    text = path.read_bytes().decode()
    found = _DECODER.decode(text) if array else [_DECODER.decode(line) for line in text.split("\n") if line.strip()]
    return [_neutral(record, root) for record in found]


def write(path: Path, records: Sequence[Any], *, array: bool = False) -> None:
    """The records, each a line, as elements of an array or not."""
    lines = list(map(text, records))
    path.write_text(
        "[\n" + ",\n".join(lines) + "\n]\n" if array else "".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n"
    )


def text(value: Any) -> str:
    match value:
        case Number():
            return str(value)
        case Pairs():
            return "{" + ",".join(f"{text(key)}:{text(inner)}" for key, inner in value) + "}"
        case dict():
            return "{" + ",".join(f"{text(key)}:{text(inner)}" for key, inner in value.items()) + "}"
        case list():
            return "[" + ",".join(map(text, value)) + "]"
        case _:
            return json.dumps(value, ensure_ascii=False)


def _neutral(value: Any, field: Field) -> Any:
    """Objects that are maps as pairs; what no schema names stays as it is."""
    match field.type:
        case Record(fields) if isinstance(value, dict):
            known = {f.name: f for f in fields}
            return {key: _neutral(inner, known[key]) if key in known else inner for key, inner in value.items()}
        case Map(inner) if isinstance(value, dict):
            return Pairs((key, _neutral(x, inner)) for key, x in value.items())
        case List(item) if isinstance(value, list):
            return [_neutral(inner, item) for inner in value]
        case _:
            return value
