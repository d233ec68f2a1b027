"""A mapping taken apart: what is copied, what is the same in every record, and what is left to compute."""

from __future__ import annotations

from collections.abc import Mapping as Dict
from dataclasses import dataclass, replace
from typing import Any

from .expression import Column, Literal, Source, Struct
from .mapping import Mapping
from .tree import rebuilt


@dataclass(frozen=True)
class Apart:
    """The top-level columns of a mapping: `copied` (target name → source name), `constants` (name → value), and those that the
    mapping `part` computes, None where there are none. Of these, `widened` are only carried to where null is allowed."""

    copied: Dict[str, str]
    constants: Dict[str, Any]
    part: Mapping | None
    widened: Dict[str, str]


def taken_apart(mapping: Mapping) -> Apart | None:
    """The mapping's columns, apart; None where its records are no records with fields, or new ones."""
    root = mapping.root.expression
    if not isinstance(root, Struct) or not isinstance(root.of, Source) or root.of.path:
        return None
    copied = {c.field.name: origin for c in root.columns if (origin := _origin(c, mapping)) is not None}
    constants = {c.field.name: c.expression.value for c in root.columns if isinstance(c.expression, Literal)}
    computed = [c for c in root.columns if c.field.name not in {*copied, *constants}]
    widened = {c.field.name: origin for c in computed if (origin := _widened(c, mapping)) is not None}
    return Apart(copied, constants, only(mapping, computed), widened)


def only(mapping: Mapping, columns: list[Column]) -> Mapping | None:
    """The mapping with no more than these of its columns; None where there are none."""
    if not columns:
        return None
    root = mapping.root.expression
    assert isinstance(root, Struct)
    return replace(mapping, root=rebuilt(mapping.root, replace(root, columns=tuple(columns))))


def _widened(column: Column, mapping: Mapping) -> str | None:
    """The column of the source that this one is, as it stands, with null allowed."""
    if not isinstance(column.expression, Source) or len(column.expression.path) != 1:
        return None
    name = column.expression.path[0]
    source, target = mapping.source.record[name], column.field
    return name if target.nullable and not source.nullable and not source.optional and not target.optional else None


def _origin(column: Column, mapping: Mapping) -> str | None:
    """The column of the source that this one is, as it stands."""
    if not isinstance(column.expression, Source) or len(column.expression.path) != 1:
        return None
    name = column.expression.path[0]
    source, target = mapping.source.record[name], column.field
    same = (source.nullable, source.optional) == (target.nullable, target.optional)
    return name if same else None
