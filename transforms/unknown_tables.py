"""What DuckDB says of a table that does not exist, without what it finds alike in its own catalog."""

from __future__ import annotations

import re
from collections.abc import Sequence

from instar.formats.errors import suggestion

_UNKNOWN = re.compile(r'Table with name (?P<name>.+?) does not exist!(\s*Did you mean ".*?"\??)?', re.DOTALL)


def of_own_tables(message: str, tables: Sequence[str]) -> str:
    """DuckDB's message, in which an unknown table is likened to one of `tables`, or told which of them there are."""
    return _UNKNOWN.sub(
        lambda found: f"Table with name {found['name']} does not exist! {suggestion(found['name'], tables)}", message
    )
