"""Operations as text: the call that makes them, as a script spells it."""

from __future__ import annotations

import dataclasses
import inspect
import re
from typing import Any

from instar.formats.schema import Type, type_text


def operation_text(operation: Any) -> str:
    """`rename("dep_delay", to="departure_delay")`: positional and keyword arguments as given, defaults left out."""
    name = re.sub(r"(?<!^)(?=[A-Z])", "_", type(operation).__name__).lower()
    if not dataclasses.is_dataclass(operation):
        return name
    out = []
    for f in dataclasses.fields(operation):
        value = getattr(operation, f.name)
        if value is not f.default:
            out.append(_text(value) if not f.kw_only else f"{f.name}={_text(value)}")
    return f"{name}({', '.join(out)})"


def quoted(text: str) -> str:
    """The text as a Python literal in double quotes."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


_SHOWN = 6  # pairs of a table, or items of a list


def _text(value: Any) -> str:
    if isinstance(value, dict):
        pairs = [f"{_text(k)}: {_text(v)}" for k, v in [*value.items()][:_SHOWN]]
        return "{" + ", ".join(pairs) + (f", … and {len(value) - _SHOWN} more" if len(value) > _SHOWN else "") + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_text, value)) + "]"
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, Type):
        return quoted(type_text(value))
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_text, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_text(key)}: {_text(each)}" for key, each in value.items()) + "}"
    if dataclasses.is_dataclass(value) and hasattr(value, "edit"):
        return f"op.{operation_text(value)}"
    return _function_text(value) if callable(value) else repr(value)


def _function_text(function: Any) -> str:
    name = getattr(inspect.unwrap(function), "__qualname__", type(function).__name__)
    return "lambda" if name.endswith("<lambda>") else name.replace("<locals>.", "")
