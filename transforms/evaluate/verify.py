"""Is a mapping's SQL what it says: functions that give the same at every run, and a type that is the declared one?"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import duckdb

from instar.formats.errors import MigrationError, suggestion
from instar.formats.schema import (
    Enum,
    Field,
    Fixed,
    Float,
    Int,
    Integer,
    List,
    Map,
    Null,
    Number,
    Record,
    Time,
    Timestamp,
    Type,
    Uuid,
    type_text,
)

from . import duck
from .sql_types import Fresh, seen_type

_NOT_ALLOWED = {
    "version", "current_localtime", "current_localtimestamp", "alias", "stats", "vector_type", "hive_partition_component",
    "json_serialize_plan", "json_serialize_sql", "parse_duckdb_log_message", "cast_to_type", "to_aggregate_state", "finalize",
    "combine", "can_cast_implicitly", "invoke", "make_type", "get_type", "replace_type", "create_sort_key", "index_key", "switch",
}  # fmt: skip
"""Functions that DuckDB calls consistent and that still depend on the session, the version or DuckDB's insides."""

_CLASSES = {
    "FUNCTION", "COLUMN_REF", "CONSTANT", "CAST", "CASE", "OPERATOR", "COMPARISON", "CONJUNCTION", "LAMBDA", "LAMBDA_REF",
    "BETWEEN", "COLLATE", "TYPE", "POSITIONAL_REFERENCE",
}  # fmt: skip


_ONE = "Write one scalar DuckDB expression over the fields of the record, such as distance * 1.609344."


@lru_cache(maxsize=4096)
def verify(pieces: tuple[str, ...], inputs: tuple[Type, ...], type: Type, names: tuple[str, ...]) -> None:
    """Check one SQL text, cut at its inputs, which messages call by `names`.

    Raises:
        MigrationError: a syntax error, a function that is not allowed, or a result that is not `type` and does not widen to it.
    """
    shown = (pieces[0] + "".join(name + piece for name, piece in zip(names, pieces[1:], strict=True))).strip()
    fresh = Fresh(pieces)
    columns = [fresh() for _ in inputs]
    text = pieces[0] + "".join(column + piece for column, piece in zip(columns, pieces[1:], strict=True))
    _verify_functions(text, shown, frozenset(columns))
    nulls = ", ".join(f"CAST(NULL AS {seen_type(t)}) AS {column}" for column, t in zip(columns, inputs, strict=True))
    try:
        found = duck.connection().sql(f"SELECT ({text}\n) AS x FROM (SELECT {nulls or '1 AS one'})").types[0]
    except duckdb.Error as e:
        raise MigrationError(
            f"the SQL {shown!r} is not one that DuckDB understands: {_first_line(e)}",
            hint=_ONE,
        ) from None
    if not _widens(found, type):
        raise MigrationError(
            f"the SQL {shown!r} gives {found}, but {type_text(type)} is declared",
            hint=f"Say how it becomes one, for instance {_remedy(found, type, shown)}; or declare the type it gives.",
        )


def _first_line(error: Exception) -> str:
    return str(error).split("\n")[0]


def _remedy(found: Any, type: Type, shown: str) -> str:
    target = seen_type(type)
    rounds = isinstance(type, Int | Integer) and found.id in ("double", "float", "decimal")
    return f"round({shown})::{target}" if rounds else f"({shown})::{target}"


# ---- functions
def _verify_functions(text: str, shown: str, inputs: frozenset[str]) -> None:
    tree = _serialized(text)
    if tree["error"]:
        raise MigrationError(f"the SQL {shown!r} cannot be read: {tree['error_message']}", hint=_ONE)
    statements = tree["statements"]
    if len(statements) != 1 or len(statements[0]["node"].get("select_list", ())) != 1:
        raise MigrationError(f"the SQL {shown!r} is not one expression", hint=_ONE)
    nodes = list(_nodes(statements[0]["node"]["select_list"][0]))
    parameters = {name for n in nodes if n["class"] == "LAMBDA" for p in _nodes(n["lhs"]) for name in p.get("column_names", ())}
    for node in nodes:
        name = node.get("function_name", "").lower()
        if node["class"] not in _CLASSES:
            raise MigrationError(
                f"the SQL {shown!r} has a {node['class'].lower()}, which is not an expression over one record",
                hint="Only scalar expressions can be derived: no subqueries, aggregates, windows, stars or parameters.",
            )
        if node["class"] == "COLUMN_REF" and node["column_names"][0] not in inputs | parameters:
            raise _not_constant(shown, ".".join(node["column_names"]))
        if node["class"] == "FUNCTION" and not _allowed(name, len(node["arguments"])):
            raise _not_constant(shown, f"{name}()")


def _not_constant(shown: str, name: str) -> MigrationError:
    return MigrationError(
        f"the SQL {shown!r} uses {name}, which is not allowed",
        hint="A migration must give the same whenever it runs: only fields and scalar functions of their arguments alone are "
        "allowed, so no clock, no random values, no aggregates, no settings, files or sequences."
        + ("" if _known(name) else " " + suggestion(name.removesuffix("()"), sorted(_functions())).split(". There is")[0]),
    )


def _known(name: str) -> bool:
    """Has DuckDB such a function, so that it is not a misspelt one?"""
    found = duck.connection().execute("SELECT 1 FROM duckdb_functions() WHERE function_name = ?", [name.removesuffix("()").lower()])
    return found.fetchone() is not None


def _serialized(expression: str) -> dict[str, Any]:
    """DuckDB's own parse tree of an expression."""
    rows = duck.connection().execute("SELECT json_serialize_sql(?::VARCHAR)", [f"SELECT ({expression}\n)"]).fetchall()
    return json.loads(rows[0][0])


def _nodes(value: Any) -> Iterator[dict[str, Any]]:
    """Every expression of a serialized tree."""
    if isinstance(value, dict):
        if "class" in value:
            yield value
        for inner in value.values():
            yield from _nodes(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _nodes(inner)


@lru_cache(maxsize=1)
def _functions() -> frozenset[str]:
    """The scalar functions that DuckDB says are consistent in every overload."""
    rows = duck.connection().execute(
        "SELECT function_name FROM duckdb_functions() WHERE function_type = 'scalar' GROUP BY function_name "
        "HAVING bool_and(stability = 'CONSISTENT')"
    )
    return frozenset(name.lower() for (name,) in rows.fetchall() if not name.startswith("__internal")) - _NOT_ALLOWED


@lru_cache(maxsize=1)
def _macros() -> dict[str, str]:
    """DuckDB's own scalar macros and what they stand for."""
    rows = duck.connection().execute(
        "SELECT function_name, macro_definition FROM duckdb_functions() WHERE function_type = 'macro' AND internal"
    )
    return {name.lower(): definition for name, definition in rows.fetchall() if definition}


@lru_cache(maxsize=4096)
def _allowed(name: str, arguments: int) -> bool:
    if name == "age":
        return arguments == 2  # with one it is the time until today
    if name in _functions():
        return True
    return name in _macros() and _macro_allowed(name)


@lru_cache(maxsize=512)
def _macro_allowed(name: str) -> bool:
    """Does a macro of DuckDB's stand for functions that are allowed?"""
    tree = _serialized(_macros()[name])
    if tree["error"] or len(tree["statements"]) != 1:
        return False
    nodes = list(_nodes(tree["statements"][0]["node"]["select_list"]))
    calls = {n["function_name"].lower() for n in nodes if n["class"] == "FUNCTION"}
    return all(n["class"] in _CLASSES for n in nodes) and name not in calls and all(_allowed(call, 2) for call in calls)


# ---- types
_INTEGERS = {
    "tinyint": Int(8), "smallint": Int(16), "integer": Int(32), "bigint": Int(64),
    "utinyint": Int(8, False), "usmallint": Int(16, False), "uinteger": Int(32, False), "ubigint": Int(64, False),
}  # fmt: skip
_EXACT_IN_FLOAT = {32: 24, 64: 53}


def _widens(found: Any, type: Type) -> bool:
    """Is a DuckDB type the declared one, or one whose every value it holds exactly?

    Where DuckDB has no type as narrow as the declared one (fixed, enum, uuid, half, milliseconds of an instant), the value is
    checked when it is computed.
    """
    kind = found.id
    if kind in ("sqlnull", "NULL", "null"):
        return True
    match type:
        case Null():
            return False
        case Int() | Integer() if kind in _INTEGERS:
            given, wanted = _INTEGERS[kind], type if isinstance(type, Int) else Int(64)
            return wanted.low <= given.low and given.high <= wanted.high
        case Float(bits) if kind in _INTEGERS and bits > 16:
            return _INTEGERS[kind].high.bit_length() <= _EXACT_IN_FLOAT[bits]
        case Number() if kind in _INTEGERS:
            return _INTEGERS[kind].high.bit_length() <= 53
        case Float(64) | Number() if kind in ("float", "double"):
            return True
        case Float() if kind == "float":
            return True
        case List(item):
            return kind in ("list", "array") and _widens(found.children[0][1], item.type)
        case Map(value, key):
            return kind == "map" and _widens(found.children[0][1], key) and _widens(found.children[1][1], value.type)
        case Record(fields):
            return kind == "struct" and _same_fields(found.children, fields)
        case Uuid() if kind == "uuid":
            return True
        case Time("s" | "ms" | "us"):
            return kind == "time"
        case Timestamp("s" | "ms" | "us", zone) if zone:
            return kind == "timestamp with time zone"
        case Timestamp(_, None) if kind in _WALL:
            return _WALL.index(kind) <= _WALL.index(str(_parsed(seen_type(type)).id))
        case Enum() | Fixed():
            return str(found) == seen_type(type)
        case _ if kind == "decimal" and seen_type(type).startswith("DECIMAL"):
            return _decimal_widens(found, type)
        case _ if kind in _INTEGERS and seen_type(type).startswith("DECIMAL"):
            return len(str(_INTEGERS[kind].high)) <= type.precision - type.scale  # type: ignore[union-attr]
        case _:
            return str(found) == str(_parsed(seen_type(type)))


_WALL = ("timestamp_s", "timestamp_ms", "timestamp", "timestamp_ns")


def _parsed(text: str) -> Any:
    return duck.connection().sql(f"SELECT CAST(NULL AS {text})").types[0]


def _decimal_widens(found: Any, type: Any) -> bool:
    given = dict(found.children)
    return given["scale"] <= type.scale and given["precision"] - given["scale"] <= type.precision - type.scale


def _same_fields(children: list[tuple[str, Any]], fields: tuple[Field, ...]) -> bool:
    return [name for name, _ in children] == [f.name for f in fields] and all(
        _widens(t, f.type) for (_, t), f in zip(children, fields, strict=True)
    )
