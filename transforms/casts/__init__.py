"""The one cast table: which type becomes which, and what passes. Its principle: *a cast that succeeds can be undone*.

So a value is refused rather than rounded, cut, wrapped or guessed at; for every pair the table has the way back, and casting
there and back gives the very value. Each entry says the same thing twice, as a rule over Python values and as DuckDB SQL; the
Arrow interpreter has kernels for the common pairs (`evaluate/kernels.py`) and the record rule, over distinct values, for the
rest. `docs/casts.md` is generated from the table by the test that holds all three to it.
"""

from __future__ import annotations

from functools import lru_cache

from instar.formats.errors import MigrationError
from instar.formats.schema import Float, List, Map, Record, String, Timestamp, Type, type_text

from . import numbers, texts, times
from .rule import Convert, Render, Rule, kind, same, sql_scalar
from .ways import Way

PAIRS: dict[tuple[str, str], Rule] = {**numbers.PAIRS, **texts.PAIRS, **times.PAIRS}
"""By kind of type, source first; what `rule_for` adds: a type to itself, and null to and from any."""

__all__ = ["PAIRS", "Convert", "Render", "Rule", "check", "convert", "is_scalar", "render", "rule_for"]


def check(source: Type, to: Type) -> None:
    """Is there a cast from `source` to `to`?

    Raises:
        MigrationError: the table has no such pair; the hint says what to do instead.
    """
    if source != to and rule_for(source, to) is None:
        raise MigrationError(f"there is no cast from {type_text(source)} to {type_text(to)}", hint=_instead(source, to))


def is_scalar(type: Type) -> bool:
    """Is it a type whose values are computed with: neither nested, nor opaque, nor longer than DuckDB's decimals?"""
    return sql_scalar(type) is not None


def rule_for(source: Type, to: Type) -> Rule | None:
    """The table's entry for two types, None where it has none."""
    a, b = kind(source), kind(to)
    if a is None or b is None:
        return None
    if "null" in (a, b):
        return texts.ONLY_NULLS
    if sql_scalar(source) is None or sql_scalar(to) is None or not times.possible(source, to):
        return None
    return PAIRS.get((a, b))


@lru_cache(maxsize=1024)
def convert(source: Type, to: Type, way: Way | None = None) -> Convert:
    """The rule over Python values (`formats/schema.py` says which): raises ValueError or OverflowError where one is refused."""
    if way is not None:
        return way.record(source, to)
    rule = rule_for(source, to)
    return same if source == to or rule is None else rule.record(source, to)


@lru_cache(maxsize=1024)
def render(source: Type, to: Type, way: Way | None = None) -> Render:
    """The rule as SQL: text of an atom → text of the value, NULL where it is null or refused."""
    if way is not None:
        return way.sql(source, to)
    rule = rule_for(source, to)
    return same if source == to or rule is None else rule.sql(source, to)


def targets(source: Type) -> tuple[str, ...]:
    """The kinds of type that `source` can become."""
    return tuple(b for (a, b) in PAIRS if a == kind(source))


def _instead(source: Type, to: Type) -> str:
    if isinstance(source, Timestamp) and isinstance(to, Timestamp):
        zone = source.zone or to.zone
        return f'Which zone the wall times are of the data cannot say: zone="{zone}", or zone="Europe/Paris", does.'
    if any(isinstance(t, Record | List | Map) for t in (source, to)):
        return "Casts are between scalar types: cast the fields inside, or op.derive the value with SQL."
    if isinstance(source, Float) and isinstance(to, String):
        return "Cast it to double first, and that to string: the digits are those of the very value then."
    reachable = targets(source)
    if not reachable:
        return f"Values of type {type_text(source)} are carried as they are; no operation looks into them."
    return f"{type_text(source)} can become {', '.join(reachable)}; for anything else op.derive it with SQL."
