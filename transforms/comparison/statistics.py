"""What can be said of a column without comparing its rows: nulls, min, max, how many values there are, and a checksum."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from instar.formats.schema import Float, Integer, List, Map, Number, Record, Type, children

from .columns import Leaf
from .common import ordered
from .reading import Rows
from .report import Statistics

_SHOWN = 40  # characters of a value
_FORMS: tuple[str, ...] = ("nulls", "low", "high", "distinct", "checksum")


def statistics(rows: Rows, hidden: Callable[[str], bool]) -> tuple[int, str, list[Statistics]]:
    """The number of records, the checksum of whole ones, and the statistics of each column, in one pass.

    Hashes are DuckDB's, of values of the one type that both sides were brought to; they are summed up, so that neither order nor
    an even number of changes matters. -0.0 is not 0.0.

    Raises:
        duckdb.Error: a record cannot be read.
    """
    leaves = rows.leaves
    asked = [text for i, leaf in enumerate(leaves) for text in _asked(f"c{i}", leaf)]
    whole = _hash([part for i, leaf in enumerate(leaves) for part in keys(f"c{i}", leaf.common)])
    query = f"SELECT count(*), {', '.join([f'sum({whole})', *asked])} FROM {rows.sql()}"
    count, checksum, *found = rows.connection.execute(query).fetchall()[0]
    told = [
        _told(found[at : at + len(_FORMS)], hidden(leaf.text)) for at, leaf in zip(range(0, len(found), 5), leaves, strict=True)
    ]
    return count, _hex(checksum), told


def _asked(c: str, leaf: Leaf) -> list[str]:
    """Records are only there or not: they have no order."""
    type, has_order = leaf.common, ordered(leaf.common) and not leaf.record
    extremes = [f"CAST({_extreme(function, c, type)} AS VARCHAR)" if has_order else "NULL" for function in ("min", "max")]
    return [f"count(*) - count({c})", *extremes, f"approx_count_distinct({c})", f"sum({_hash(keys(c, type))})"]


def _extreme(function: str, c: str, type: Type) -> str:
    """The same whatever the order of the records: of zeros that differ by their sign alone, which are equal here, either would do.
    Unbounded numbers are texts, which have another order."""
    if isinstance(type, Integer | Number):
        number = f"TRY_CAST({c} AS {'HUGEINT' if isinstance(type, Integer) else 'DOUBLE'})"
        return f"{function}_by({c}, ROW({number}, {c})) FILTER ({number} IS NOT NULL)"
    return f"{function}(CASE WHEN {c} = 0 THEN 0 ELSE {c} END)" if isinstance(type, Float) else f"{function}({c})"


def keys(c: str, type: Type) -> list[str]:
    """SQL that is the same, as GROUP BY and hashes see it, exactly where the value is: floats by their bits where it matters."""
    if isinstance(type, Float):
        return [c, f"CASE WHEN {c} = 0 OR isnan({c}) THEN CAST(CAST({c} AS BIT) AS VARCHAR) END"]
    return [f"CAST({c} AS {bit_type(type)})"] if holds_floats(type) else [c]


def holds_floats(type: Type) -> bool:
    return isinstance(type, Float) or any(holds_floats(f.type) for _, f in children(type))


def bit_type(type: Type) -> str:
    """The compared type with floats as their bits."""
    from instar.transforms.evaluate.sql_types import sql_type

    match type:
        case Float():
            return "BIT"
        case Record(fields):
            return "STRUCT(" + ", ".join(f"f{i} {bit_type(f.type)}" for i, f in enumerate(fields)) + ")"
        case List(item):
            return f"{bit_type(item.type)}[]"
        case Map(value, key):
            return f"MAP({sql_type(key)}, {bit_type(value.type)})"
        case _:
            return sql_type(type)


def _hash(parts: Sequence[str]) -> str:
    return f"hash({', '.join(parts)})" if parts else "0"


def _told(found: Sequence[object], hidden: bool) -> Statistics:
    nulls, low, high, distinct, checksum = found
    assert isinstance(nulls, int)
    assert isinstance(distinct, int)
    texts = ["" if hidden and value is not None else value if value is None else short(str(value)) or "''" for value in (low, high)]
    return Statistics(nulls, texts[0], texts[1], distinct, _hex(checksum))


def short(text: str) -> str:
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def _hex(total: object) -> str:
    """A sum of hashes as 16 digits: modulo 2**64."""
    return f"{int(total or 0) % (1 << 64):016x}"  # type: ignore[call-overload]
