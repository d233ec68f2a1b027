"""Schema documents as text: read strictly, written so that no number changes."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from typing import Any

from instar.formats.errors import SchemaError


def loads(text: str, *, what: str = "the JSON Schema") -> Any:
    """The value of a document. A number that a double would change comes as Decimal.

    Raises:
        SchemaError: not JSON, a key twice in one object, NaN or Infinity, half a surrogate pair, a number beyond all others; names
            line and column.
    """
    try:
        value = json.loads(
            text.removeprefix("\ufeff"), parse_float=_number, parse_constant=_not_a_number, object_pairs_hook=_no_key_twice
        )
        text.encode()
        dumps(value).encode()
    except json.JSONDecodeError as error:
        raise SchemaError(
            f"{what} is not JSON: {error.msg} at line {error.lineno}, column {error.colno}",
            hint="Correct the text; comments and trailing commas are not JSON.",
        ) from None
    except UnicodeEncodeError:
        raise SchemaError(f"{what} holds half a surrogate pair (\\ud800 … \\udfff), which is no character") from None
    except ArithmeticError:
        raise SchemaError(f"{what} holds a number whose exponent is beyond what can be computed with") from None
    except RecursionError:
        raise SchemaError(f"{what} is nested too deeply to be read") from None
    return value


def _number(text: str) -> float | Decimal:
    near = float(text)
    exact = Decimal(text)
    return near if math.isfinite(near) and Decimal(repr(near)) == exact else exact


def _not_a_number(text: str) -> Any:
    raise SchemaError(f"the JSON Schema holds {text}, which is no JSON number")


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise SchemaError(f"the JSON Schema has the key {twice!r} twice in one object", hint="Keep one of the two.")
    return found


def dumps(value: Any, *, width: int = 100) -> str:
    """Pretty-printed JSON: two spaces a level, a list of scalars on one line where it fits."""
    return _dump(value, "", width)


def _dump(value: Any, indent: str, width: int) -> str:
    deeper = indent + "  "
    if isinstance(value, dict) and value:
        members = [f"{_scalar(name)}: {_dump(item, deeper, width)}" for name, item in value.items()]
        return "{\n" + ",\n".join(deeper + member for member in members) + "\n" + indent + "}"
    if isinstance(value, list | tuple) and value:
        if not any(isinstance(item, dict | list | tuple) for item in value):
            line = "[" + ", ".join(_scalar(item) for item in value) + "]"
            if len(indent) + len(line) <= width:
                return line
        return "[\n" + ",\n".join(deeper + _dump(item, deeper, width) for item in value) + "\n" + indent + "]"
    return "[]" if isinstance(value, tuple) else _scalar(value)


def _scalar(value: Any) -> str:
    if isinstance(value, Decimal):
        return str(value)
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def equal(a: Any, b: Any) -> bool:
    """Are two documents the same JSON, key order aside? (Python says True == 1; JSON does not.)"""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(equal(a[name], b[name]) for name in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(equal, a, b))
    return isinstance(a, bool) == isinstance(b, bool) and a == b
