"""A project's own checks of its data: SQL files, each one query over the views `old` and `new` that must return no rows."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from instar.formats.errors import Collected, ConfigurationError, UsageError
from instar.formats.schema import Schema
from instar.transforms.proof.connection import sealed
from instar.transforms.tree_views import Views, empty_views
from instar.transforms.unknown_tables import of_own_tables

_LINE = re.compile(r"\s*LINE (\d+):.*", re.DOTALL)
_MEANING = (
    "A check is one query over `old` and `new`, the dataset before and after: it returns what is wrong, and nothing if all is well."
)


@dataclass(frozen=True)
class Check:
    """`name`: as people are told of it, relative to the project. `description`: the comment that it begins with, "" without one."""

    name: str
    description: str
    sql: str


@dataclass(frozen=True)
class Versions:
    """What a check is held against without any data: a dataset's format, its registered schemas, its folders' keys with types."""

    format: str
    schemas: Mapping[int, Schema]
    keys: Mapping[str, str]

    def misfit(self, check: Check, old: Collection[int], new: int) -> str:
        """Why the check cannot be asked of files at the versions `old` that become the version `new`; "" where it can."""
        with empty_views(self.format, self.schemas, {"old": old, "new": [new]}, self.keys) as views:
            return misfit(check, views)

    def broken(self, check: Check) -> str:
        """Why the check fits no step to the newest version, whatever version files come from; "" where it fits one."""
        newest = max(self.schemas)
        reasons = [self.misfit(check, [version], newest) for version in sorted(self.schemas, reverse=True)]
        return "" if "" in reasons else reasons[0]


def load_checks(files: Iterable[Path], project: Path) -> tuple[Check, ...]:
    """
    Raises:
        ConfigurationError, or Collected of several: a file is no text, or not one query; names the file and the line.
    """
    found, errors = list[Check](), list[ConfigurationError]()
    connection = sealed(memory=0)
    try:
        for file in files:
            name = file.relative_to(project).as_posix() if file.is_relative_to(project) else str(file)
            try:
                found.append(_check(name, _text(file, name), connection))
            except ConfigurationError as error:
                errors.append(error)
    finally:
        connection.close()
    raise_all("checks that are no queries", errors)
    return tuple(found)


def raise_all(what: str, errors: Sequence[UsageError]) -> None:
    """
    Raises:
        UsageError: the only one there is. Collected: several, as `what`.
    """
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise InvalidChecks(f"{len(errors)} {what}", hint=errors[0].hint, errors=errors)


class InvalidChecks(Collected):
    """Several checks are wrong: that is wrong use, no verdict on the data."""

    exit_code = 2


def _text(file: Path, name: str) -> str:
    try:
        return file.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{name} cannot be read: {error}", hint="It is a text file in UTF-8.") from None


def _check(name: str, sql: str, connection: duckdb.DuckDBPyConnection) -> Check:
    try:
        statements = connection.extract_statements(sql)
    except duckdb.Error as error:
        raise ConfigurationError(f"{name}{_place(error)}", hint="Correct it.") from None
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT or statements[0].named_parameters:
        found = "no query" if not statements else f"{len(statements)} statements" if len(statements) > 1 else "no plain query"
        raise ConfigurationError(f"{name} holds {found}", hint=_MEANING)
    return Check(name, _description(sql), sql)


def _description(sql: str) -> str:
    """The comment lines at the very beginning, as one text."""
    lines = []
    for line in sql.splitlines():
        text = line.strip()
        if not text.startswith("--"):
            if text:
                break
            continue
        lines.append(text.removeprefix("--").strip())
    return " ".join(filter(None, lines))


def misfit(check: Check, views: Views) -> str:
    """Why DuckDB cannot make sense of the check over these views; "" where it can. Runs nothing."""
    try:
        views.connection.sql(check.sql)
    except duckdb.Error as error:
        hidden = {column: why for side in views.hidden.values() for column, why in side.items()}
        named = [f"{column} is in neither view: {why}" for column, why in hidden.items() if f'"{column}"' in str(error)]
        said = of_own_tables(_place(error).removeprefix(", ").removeprefix(": "), list(views.columns))
        return "; ".join([said, *named])
    return ""


def _place(error: duckdb.Error) -> str:
    """`, line 3: what is wrong`, of DuckDB's own message."""
    text = str(error)
    line = _LINE.search(text)
    what = _LINE.sub("", text).strip()
    what = what.replace("Values list ", "Table ")
    what = " ".join(what.removeprefix("Parser Error: ").removeprefix("Binder Error: ").removeprefix("Catalog Error: ").split())
    return f", line {line[1]}: {what}" if line else f": {what}"


def faults(files: Iterable[Path], project: Path, versions: Versions) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names of the checks, and what is wrong with them. Raises nothing of its own."""
    names, problems = list[str](), list[str]()
    for file in files:
        try:
            (check,) = load_checks([file], project)
            names.append(check.name)
            refuse_broken([check], versions)
        except UsageError as error:
            problems.append(str(error))
    return tuple(names), tuple(problems)


def refuse_broken(checks: Iterable[Check], versions: Versions) -> None:
    """
    Raises:
        UsageError, or Collected of several: a check fits no step to the newest version.
    """
    raise_all(
        "checks do not fit the schemas",
        [
            UsageError(f"{check.name} does not fit the schemas: {why}", hint=_MEANING)
            for check in checks
            if (why := versions.broken(check))
        ],
    )
