"""A column that SQL computes from the others of its record: what `derive`, `add` and `merge` share."""

from __future__ import annotations

from dataclasses import replace

from instar.formats.errors import MigrationError
from instar.formats.path import path_text
from instar.formats.schema import Field, Record
from instar.transforms.expression import FAIL, Column, When
from instar.transforms.shared_types import Named, expanded
from instar.transforms.sqltext import cut

from .on_error import OnError, failing, policy
from .tags import tags_read


def computed(
    sql: str, field: Field, columns: tuple[Column, ...], at: tuple[str, ...], named: Named, on_error: OnError | None = None
) -> Column:
    """The field, computed by `sql` over the record of these columns, which stands at `at`; it has the tags of what `sql` reads.

    `named`: what References in the record mean; `on_error`: what becomes of a record in which it cannot be computed.

    Raises:
        MigrationError: the SQL cannot be used; names the field.
    """
    record = expanded(Record(tuple(c.field for c in columns)), named)
    assert isinstance(record, Record)
    try:
        made = cut(sql, record, at, field.type)
    except MigrationError as error:
        raise MigrationError(f"{path_text((field.name,))}: {error.message}", hint=error.hint) from error
    tagged = field.with_(tags=tags_read(made, record, at, field))
    made = replace(made, on_error=failing(on_error), policy=policy(on_error))
    return Column(tagged, made if field.nullable else When(made, made, FAIL, policy(on_error)))
