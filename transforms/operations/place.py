"""Where an operation works: the record a path's last field is in, and places among that record's columns."""

from __future__ import annotations

from collections.abc import Sequence

from instar.formats.errors import MigrationError, suggestion
from instar.formats.path import Branch, Path, Step, parse_path, path_text
from instar.transforms.expression import Column


def split(path: str) -> tuple[Path, str]:
    """`"a.b.c"` as the record's path and the field's name.

    Raises:
        SchemaError: not a path. MigrationError: it ends in [], {}, a branch or a type, which are no field of a record.
    """
    *parent, name = parse_path(path)
    if isinstance(name, Branch):
        raise _no_field(tuple(parent), name)
    if isinstance(name, Step):
        raise MigrationError(f"{path!r} does not end in a field's name", hint="This operation works on a record's field.")
    return tuple(parent), name


def _no_field(parent: Path, name: Branch) -> MigrationError:
    """A branch is called as its type is, and every value is of one: it has no name to change, and no values to give or to take."""
    place = path_text((*parent, name))
    if not parent:
        return MigrationError(
            f"{place} is a whole named type, which cannot be renamed, added, dropped or moved: a type is no field of a record",
            hint=f"Change a field inside it ({place}.name), or the fields that are of this type.",
        )
    return MigrationError(
        f"{place} is a whole branch of a union, which cannot be renamed, added, dropped or moved: no value changes its branch",
        hint=f"Work inside it ({place}.name), on the type of its values (op.cast), or on the whole field ({path_text(parent)}); "
        "docs/paths.md says more.",
    )


def field_name(text: str) -> str:
    """A new name for a field: a path of one name, so that a dot in it is never an accident.

    Raises:
        MigrationError: it is a path of several steps.
    """
    match parse_path(text):
        case (str() as name,):
            return name
    quoted = '"' + text.replace('"', '""') + '"'
    raise MigrationError(
        f"{text!r} is a path, not a name", hint=f"To change the place, use op.move; if that is the name, quote it: '{quoted}'."
    )


def index(columns: Sequence[Column], name: str, parent: Path) -> int:
    """Where the column of that name stands.

    Raises:
        MigrationError: there is none.
    """
    names = [c.field.name for c in columns]
    if name not in names:
        raise MigrationError(f"there is no field {path_text((*parent, name))}", hint=suggestion(name, names))
    return names.index(name)


def placed(columns: Sequence[Column], new: Column, at: Path, position: int | None, after: str, before: str) -> list[Column]:
    """The columns with `new` among them: last, or where told.

    Raises:
        MigrationError: a position or neighbour that does not exist, or more than one given.
    """
    if (position is not None) + bool(after) + bool(before) > 1:
        raise MigrationError("more than one of position, after and before is given", hint="Give one of them.")
    place = len(columns) if position is None else position
    if after:
        place = index(columns, field_name(after), at) + 1
    elif before:
        place = index(columns, field_name(before), at)
    if not 0 <= place <= len(columns):
        raise MigrationError(f"there is no position {place} among {len(columns)} fields", hint="The first field is at 0.")
    return [*columns[:place], new, *columns[place:]]
