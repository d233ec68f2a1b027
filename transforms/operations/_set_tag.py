"""set_tag and unset_tag: marks of a field, such as pii, for whoever looks for it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from instar.formats.errors import MigrationError, suggestion
from instar.formats.path import parse_path, path_text
from instar.transforms.expression import Column
from instar.transforms.mapping import Mapping


@dataclass(frozen=True)
class SetTag:
    """The field at `path` has the tag from now on; no data changes. `path` may also end in [] or {}.

    Tags follow their field through every operation. What is split, derived, added by SQL, merged or given by a Python function from
    a tagged field has its tags as well, what replaces a tagged field keeps its tags, and what moves out of a tagged record has the
    record's, so that no mark is lost unless op.unset_tag says so.
    """

    path: str
    tag: str

    def __post_init__(self) -> None:
        parse_path(self.path)
        _refuse_tag(self.tag)
        if self.tag.split() != [self.tag]:
            raise MigrationError(f"{self.tag!r} is not one word", hint='Write one word, such as "pii".')

    def edit(self, mapping: Mapping) -> Mapping:
        path = parse_path(self.path)

        def change(column: Column) -> Column:
            if self.tag in column.field.tags:
                raise MigrationError(f"{path_text(path)} has the tag {self.tag!r} already", hint="Leave this operation out.")
            return replace(column, field=column.field.with_(tags=(*column.field.tags, self.tag)))

        return mapping.edit(path, change)


@dataclass(frozen=True)
class UnsetTag:
    """The field at `path` has the tag no longer; no data changes. `path` may also end in [] or {}."""

    path: str
    tag: str

    def __post_init__(self) -> None:
        parse_path(self.path)
        _refuse_tag(self.tag)

    def edit(self, mapping: Mapping) -> Mapping:
        path = parse_path(self.path)

        def change(column: Column) -> Column:
            tags = column.field.tags
            if self.tag not in tags:
                hint = suggestion(self.tag, tags) if tags else "It has none."
                raise MigrationError(f"{path_text(path)} has no tag {self.tag!r}", hint=hint)
            return replace(column, field=column.field.with_(tags=tuple(tag for tag in tags if tag != self.tag)))

        return mapping.edit(path, change)


def _refuse_tag(tag: str) -> None:
    if not isinstance(tag, str) or not tag:
        raise MigrationError(f"{tag!r} is no tag", hint='Write a word, such as "pii".')
