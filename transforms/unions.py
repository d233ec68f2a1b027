"""Edits of a union's branches: which branch a path means, and what a union may become."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from instar.formats.errors import MigrationError, suggestion
from instar.formats.path import Branch, Path, Step, path_text
from instar.formats.schema import Field, Record, Reference, type_text

from .expression import Branches, Column
from .tree import rebuilt


def branch_at(branches: Sequence[Field], text: str, at: Path) -> int:
    """Which branch of the union at `at` a path means: by its name, the end of it after the last dot, or its type's text.

    Raises:
        MigrationError: none, or more than one.
    """
    for spelled in (_name, _last_name, _type):
        found = [i for i, b in enumerate(branches) if spelled(b) == text]
        if len(found) == 1:
            return found[0]
        if found:
            full = ", ".join(path_text((*at, Branch(branches[i].name))) for i in found)
            raise MigrationError(f"{path_text((*at, Branch(text)))} may be any of {full}", hint="Give the full name.")
    raise MigrationError(
        f"{path_text(at)} has no branch <{text}>: it is {', '.join(f'<{b.name}>' for b in branches)}",
        hint=suggestion(text, [b.name for b in branches]),
    )


def _name(branch: Field) -> str:
    return branch.name


def _last_name(branch: Field) -> str:
    return branch.name.rpartition(".")[2]


def _type(branch: Field) -> str:
    return type_text(branch.type)


def union_with(column: Column, body: Column, step: str | Step, at: Path) -> Column:
    """The column of a union at `at` with another body for the branch that `step` means.

    A branch that gets another type is called by that type's text.

    Raises:
        MigrationError: the branch would be null or missing, or of the same type as another.
    """
    assert isinstance(column.expression, Branches)
    assert isinstance(step, Branch)
    bodies = column.expression.bodies
    number = branch_at([b.field for b in bodies], step.text, at)
    place = path_text((*at, Branch(bodies[number].field.name)))
    if body.field.nullable or body.field.optional:
        raise MigrationError(
            f"{place}, a branch of a union, cannot come to be null", hint=f"Null-ness belongs to the whole field, {path_text(at)}."
        )
    old, new = bodies[number].field.type, body.field.type
    if old != new and not isinstance(new, Record | Reference):
        body = replace(body, field=body.field.with_(name=type_text(new)))
    same = [b.field.name for i, b in enumerate(bodies) if i != number and b.field.type == new]
    if old != new and same and not isinstance(new, Record):
        raise MigrationError(
            f"{place} would be {type_text(new)}, as the branch <{same[0]}> of {path_text(at)} is",
            hint="Values of the two could no longer be told apart: choose another type, or derive a new field.",
        )
    made = replace(column.expression, bodies=(*bodies[:number], body, *bodies[number + 1 :]))
    return rebuilt(column, made)
