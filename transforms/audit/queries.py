"""The user's queries: one SELECT a file, which reads a table called as the dataset is, or `data`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from instar.formats.errors import Collected, InstarError, UsageError

if TYPE_CHECKING:
    from sqlglot import exp

TABLE = "data"
"""What every dataset may be called in a query."""

_ONE = "Write one SELECT (with as many WITH and subqueries as you like) in DuckDB's SQL, in a file of its own."


@dataclass(frozen=True)
class Query:
    """A query by name, as it was written. `source` says where it is from: its file, or "made from the schema"."""

    name: str
    text: str
    source: str = ""

    def tree(self) -> exp.Query:
        """The text as sqlglot reads it.

        Raises:
            UsageError: not one SELECT; names the file and, where the text cannot be read, the line.
        """
        return _parsed(self.text, self.source or self.name)


def load_queries(folder: Path, tables: tuple[str, ...]) -> tuple[Query, ...]:
    """Every `*.sql` of the folder, by name.

    Raises:
        UsageError: there is no such folder, or nothing in it; files that are not one SELECT, or read none of the `tables`.
    """
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder}", hint="Name the folder that holds the queries, one in each *.sql file.")
    files = sorted(path for path in folder.glob("*.sql") if path.is_file())
    if not files:
        raise UsageError(f"{folder} holds no *.sql file", hint="Write each query into a file of its own, such as late.sql.")
    found, errors = [], []
    for path in files:
        try:
            found.append(_loaded(path, tables))
        except InstarError as error:
            errors.append(error)
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise _Unusable(f"{len(errors)} queries cannot be used", hint=_ONE, errors=errors)
    return tuple(found)


class _Unusable(Collected, UsageError):
    """Several queries at once."""

    exit_code = UsageError.exit_code


def _loaded(path: Path, tables: tuple[str, ...]) -> Query:
    from instar.transforms.audit.reading import tables_read

    try:
        query = Query(path.stem, _ended(path.read_bytes().decode("utf-8-sig")), path.name)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}", hint="It is a text file in UTF-8; check its permissions.") from None
    if not tables_read(query.tree(), tables):
        names = " or ".join(dict.fromkeys(tables))
        raise UsageError(f"{path.name} does not read the dataset", hint=f"In a query the dataset is the table {names}.")
    return query


def _ended(text: str) -> str:
    """The text up to its last word: what says something behind a semicolon at the end is a comment, and no statement."""
    import sqlglot
    from sqlglot import TokenType
    from sqlglot.errors import SqlglotError

    try:
        words = [token for token in sqlglot.tokenize(text, read="duckdb") if token.token_type != TokenType.SEMICOLON]
    except (SqlglotError, IndexError):
        return text  # which `_parsed` refuses
    return text[: words[-1].end + 1] if words else text


def _parsed(text: str, where: str) -> exp.Query:
    import sqlglot
    from sqlglot import exp
    from sqlglot.errors import ParseError, SqlglotError

    try:
        trees = [tree for tree in sqlglot.parse(text, dialect="duckdb") if tree is not None]
    except ParseError as error:
        first = error.errors[0] if error.errors else {}
        line = f", line {first['line']}" if first.get("line") else ""
        raise UsageError(f"{where}{line}: {first.get('description') or 'it cannot be read'}", hint=_ONE) from None
    except (SqlglotError, IndexError) as error:
        raise UsageError(f"{where}: {error}", hint=_ONE) from None
    if len(trees) != 1 or not isinstance(trees[0], exp.Query):
        said = "it is empty" if not trees else f"it is {len(trees)} statements" if len(trees) > 1 else "it is not a SELECT"
        raise UsageError(f"{where}: {said}", hint=_ONE)
    return trees[0]
