"""A user's function over Instar's own values: natural ones go in, and what it gives is checked against declared fields."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from instar.formats.errors import DataError, Refused
from instar.formats.schema import MISSING, Field

from .natural import Convert, from_natural, to_natural

_SHOWN = 120  # characters of a value in a message


@dataclass(frozen=True)
class Function:
    """Called with one value for each of `reads`, None for null and missing; gives a record of `writes`.

    `function` itself gives the value where `writes` is one field, else a dict with one for each. Pickled with the function, which
    pickles by its module and name, or as a script's does.

    Raises:
        DataError: when called: the function raised, gave a value that its field does not hold, or not one for each field.
    """

    function: Callable[..., Any]
    reads: tuple[Field, ...]
    writes: tuple[Field, ...]

    def __call__(self, *values: Any) -> dict[str, Any]:
        given = [None if v is None or v is MISSING else of(v) for v, of in zip(values, self._natural, strict=True)]
        try:
            made = self.function(*given)
        except (Exception, SystemExit) as error:
            raised = f"{label(self.function)} raised {{}}{_line(error, self.function)}"
            raise Refused(
                f"{raised.format(_said(error))} for {_shown(tuple(given))}",
                hint='Let the function handle such a value, repair it, or say on_error="null" or "quarantine".',
                value=_shown(tuple(given)),
                bare=raised.format(type(error).__name__),
            ) from error
        return self._record(made, given)

    def _record(self, made: Any, given: list[Any]) -> dict[str, Any]:
        if len(self.writes) == 1:
            made = {self.writes[0].name: made}
        elif not isinstance(made, dict) or made.keys() != {f.name for f in self.writes}:
            names = ", ".join(repr(f.name) for f in self.writes)
            raise Refused(
                f"{label(self.function)} gave {_shown(made)} for {_shown(tuple(given))}",
                hint=f"It writes several fields, so it gives a dict with exactly the keys {names}.",
                value=_shown(tuple(given)),
                bare=f"{label(self.function)} did not give a dict of its fields",
            )
        out = {}
        for f, check in zip(self.writes, self._checks, strict=True):
            try:
                out[f.name] = check(made[f.name])
            except DataError as error:
                inside = f", at {error.where.path}" if error.where and error.where.path else ""
                what = f"{label(self.function)} gave {_shown(made[f.name])} for {f.name}{inside}: {error.message}"
                bare = f"{label(self.function)} gave a value that {f.name} does not hold"
                raise Refused(what, hint=error.hint, value=_shown(tuple(given)), bare=bare) from None
        return out

    @cached_property
    def _natural(self) -> tuple[Convert, ...]:
        return tuple(to_natural(f.type, every_key=True) for f in self.reads)

    @cached_property
    def _checks(self) -> tuple[Convert, ...]:
        return tuple(_absent_as_missing(f) for f in self.writes)

    def __reduce__(self) -> tuple[Any, ...]:
        return Function, (self.function, self.reads, self.writes)


def _absent_as_missing(field: Field) -> Convert:
    """None for a key that may be missing, but not null, is a missing key."""
    check = from_natural(field)
    if not field.optional or field.nullable:
        return check
    return lambda value: MISSING if value is None else check(value)


def label(function: Any) -> str:
    """What messages call a function: its name, or where a lambda stands."""
    inner = inspect.unwrap(function)
    name = getattr(inner, "__qualname__", None) or getattr(type(inner), "__qualname__", "the function")
    code = getattr(inner, "__code__", None)
    if name.endswith("<lambda>") and code is not None:
        return f"the lambda of line {code.co_firstlineno}"
    return f"{name.replace('<locals>.', '')}()"


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _line(error: BaseException, function: Any) -> str:
    """The last line of the function's own file on the way to the error."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    if code is None:
        return ""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == code.co_filename]
    return f" ({Path(code.co_filename).name}, line {lines[-1]})" if lines else ""


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
