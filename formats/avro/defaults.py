"""Default values: JSON as a schema document has it ⇄ Python value as `formats/schema.py` has it.

Avro writes bytes as a string of the code points 0 to 255, logical types as the type below them, and (since 1.12) a union's
default as a value of any of its branches.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Mapping
from decimal import Decimal as Exact
from typing import Any

from instar.formats.avro.physical import DEFAULT, storage
from instar.formats.numbertext import DIGITS
from instar.formats.schema import (
    MISSING,
    Decimal,
    Enum,
    Field,
    Int,
    Integer,
    List,
    Map,
    Number,
    Record,
    Reference,
    Union,
    Uuid,
    field_text,
)

Named = Mapping[str, Field]


class Misfit(ValueError):
    """A default that does not fit; its text says why."""


def decoded(written: Any, field: Field, named: Named) -> Any:
    """JSON to Python value.

    Raises:
        Misfit: the value is not one of the field's.
    """
    try:
        return _decoded(written, field, named)
    except RecursionError:
        raise Misfit("it never ends") from None


def _decoded(written: Any, field: Field, named: Named) -> Any:
    if written is None and field.nullable:
        return None
    type = field.type
    match type:
        case Reference(name):
            return _decoded(written, named[name].with_(nullable=False), named)
        case Record(fields) if isinstance(written, dict):
            return {f.name: _field_value(written, f, named) for f in fields}
        case List(item) if isinstance(written, list):
            return [_decoded(each, item, named) for each in written]
        case Map(value) if isinstance(written, dict):
            return {key: _decoded(each, value, named) for key, each in written.items()}
        case Union(branches):
            return _first_branch(written, branches, field, named)
        case Enum(symbols) if written in symbols:
            return written
    kind, size = storage(field)
    if kind in ("bytes", "fixed") and isinstance(written, str):
        written = _from_bytes(_bytes(written, size if kind == "fixed" else None), type)
        return written if not isinstance(type, Int) else _inside(written, field)
    if isinstance(type, Integer | Number) and isinstance(written, str):
        return _from_text(written, field)
    if not _fits(written, kind):
        raise Misfit(f"{written!r} is not {_article(field_text(field))}")
    if isinstance(type, Int):
        return _inside(written or 0, field)
    return _as_float(written) if kind in ("float", "double") else written


def _inside(written: int, field: Field) -> int:
    """The integer, which what holds its type may exceed."""
    type = field.type
    assert isinstance(type, Int)
    if not type.low <= written <= type.high:
        raise Misfit(f"{written} is not {_article(field_text(field))}")
    return written


def _from_text(written: str, field: Field) -> int | Exact:
    try:
        value = Exact(written)
    except ArithmeticError:
        raise Misfit(f"{written!r} is not {_article(field_text(field))}") from None
    if (
        not value.is_finite()
        or value.adjusted() >= DIGITS
        or (isinstance(field.type, Integer) and not written.lstrip("-").isdigit())
    ):
        raise Misfit(f"{written!r} is not {_article(field_text(field))}")
    return value if "." in written or value != value.to_integral_value() else int(value)


def _field_value(written: dict[str, Any], field: Field, named: Named) -> Any:
    if field.name in written:
        return _decoded(written[field.name], field, named)
    if DEFAULT in field.extra:
        return _decoded(field.extra[DEFAULT][0], field, named)
    raise Misfit(f"it has no value for the field {field.name!r}")


def _first_branch(written: Any, branches: tuple[Field, ...], field: Field, named: Named) -> Any:
    for branch in branches:
        try:
            return _decoded(written, branch, named)
        except Misfit:
            continue
    raise Misfit(f"{written!r} is of no branch of {field_text(field)}")


def _fits(written: Any, kind: str) -> bool:
    match kind:
        case "null":
            return written is None
        case "boolean":
            return isinstance(written, bool)
        case "int" | "long":
            integer = Int(32 if kind == "int" else 64)
            return type(written) is int and integer.low <= written <= integer.high
        case "float" | "double":
            return type(written) in (int, float) and math.isfinite(_as_float(written))
        case "string":
            return isinstance(written, str)
        case _:
            return False


def _as_float(number: Any) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.inf


def _bytes(written: str, size: int | None) -> bytes:
    try:
        value = written.encode("latin-1")
    except UnicodeEncodeError:
        raise Misfit(f"{written!r} holds characters above U+00FF, which are no bytes") from None
    if size is not None and len(value) != size:
        raise Misfit(f"it is {len(value)} bytes long, not {size}")
    return value


def _from_bytes(value: bytes, type: Any) -> Any:
    match type:
        case Decimal(_, scale):
            return number_of(value, scale)
        case Uuid():
            return str(uuid.UUID(bytes=value))
        case Int():
            return int.from_bytes(value, "big", signed=True)
        case _:
            return value


def number_of(value: bytes, scale: int) -> Exact:
    """Two's complement, big-endian, to the decimal with this scale."""
    unscaled = int.from_bytes(value, "big", signed=True)
    return Exact((unscaled < 0, tuple(map(int, str(abs(unscaled)))), -scale))


def unscaled_of(value: Exact, scale: int) -> int | None:
    """The integer `value · 10^scale`, or None where that is not one."""
    sign, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        return None  # NaN and the infinities
    number = int("".join(map(str, digits)) or "0")
    shift = exponent + scale
    if shift >= 0:
        number *= 10**shift
    else:
        number, rest = divmod(number, 10**-shift)
        if rest:
            return None
    return -number if sign else number


def shortest_bytes(number: int) -> bytes:
    """The shortest two's complement of `number`, big-endian."""
    return number.to_bytes((number + (number < 0)).bit_length() // 8 + 1, "big", signed=True)


def encoded(value: Any, field: Field, named: Named) -> Any:
    """Python value to JSON, checked by reading it back.

    Raises:
        Misfit: the field cannot hold the value.
    """
    written = _encoded(value, field, named)
    decoded(written, field, named)
    return written


def _encoded(value: Any, field: Field, named: Named) -> Any:
    if value is None:
        return None
    type = field.type
    match type:
        case Reference(name):
            return _encoded(value, named[name], named)
        case Record(fields) if isinstance(value, dict):
            return {f.name: _encoded(value[f.name], f, named) for f in fields if value.get(f.name, MISSING) is not MISSING}
        case List(item) if isinstance(value, list):
            return [_encoded(each, item, named) for each in value]
        case Map(of) if isinstance(value, dict):
            return {key: _encoded(each, of, named) for key, each in value.items()}
        case Decimal(precision, scale) if isinstance(value, Exact | int):
            return _decimal_text(Exact(value), precision, scale, storage(field))
        case Int(64, False) if isinstance(value, int):
            return shortest_bytes(value).decode("latin-1")
        case Integer() | Number() if isinstance(value, int | Exact):
            return format(value, "f") if isinstance(value, Exact) else str(value)
        case Uuid() if storage(field)[0] == "fixed" and isinstance(value, str):
            return _uuid_bytes(value).decode("latin-1")
    if isinstance(value, bytes):
        return value.decode("latin-1")
    return value


def _decimal_text(value: Exact, precision: int, scale: int, stored: tuple[str, int]) -> str:
    unscaled = unscaled_of(value, scale)
    if unscaled is None or abs(unscaled) >= 10**precision:
        raise Misfit(f"{value} does not fit decimal({precision},{scale})")
    kind, size = stored
    raw = unscaled.to_bytes(size, "big", signed=True) if kind == "fixed" else shortest_bytes(unscaled)
    return raw.decode("latin-1")


def _uuid_bytes(text: str) -> bytes:
    try:
        return uuid.UUID(text).bytes
    except ValueError:
        raise Misfit(f"{text!r} is not a uuid") from None


def _article(text: str) -> str:
    return f"an {text}" if text[0] in "aeiou" else f"a {text}"
