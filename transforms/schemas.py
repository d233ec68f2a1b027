"""What `show` and `diff` answer: a registered schema as a tree, and what differs between two of a subject. Reads only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from instar.formats.errors import InstarError, UsageError
from instar.formats.registry import Registry
from instar.transforms.difference import Difference, difference
from instar.transforms.migration import load_migrations, make_chain
from instar.transforms.outline import Node, defined, outline


@dataclass(frozen=True)
class SchemaReport:
    """The answer of `show`: one version of a subject, as a tree. `types` are those that are defined apart, by name."""

    subject: str
    version: int
    newest: int
    format: str
    document: str
    fields: tuple[Node, ...]
    types: Mapping[str, Node]

    def as_json(self) -> dict[str, Any]:
        return {
            "subject": self.subject,
            "version": self.version,
            "newest": self.newest,
            "format": self.format,
            "document": self.document,
            "fields": [node.as_json() for node in self.fields],
            "types": {name: node.as_json() for name, node in self.types.items()},
        }


@dataclass(frozen=True)
class DiffReport:
    """The answer of `diff`. `by`: "scripts", or "names" with the `reason` why no scripts could be asked."""

    subject: str
    old: int
    new: int
    by: Literal["scripts", "names"]
    reason: str
    fields: tuple[Difference, ...]
    types: Mapping[str, Difference]

    @property
    def every(self) -> tuple[Difference, ...]:
        """All places, in order, those of types defined apart last."""
        return tuple(d for top in (*self.fields, *self.types.values()) for d in top.every())

    def as_json(self) -> dict[str, Any]:
        return {
            "subject": self.subject,
            "from": self.old,
            "to": self.new,
            "by": self.by,
            "reason": self.reason or None,
            "changes": [d.as_json() for d in self.every if d.kind != "same"],
            "same": sum(d.kind == "same" for d in self.every),
        }


def show(registry: Registry, subject: str, version: int | None = None) -> SchemaReport:
    """One version of a subject; the newest by default.

    Raises:
        RegistryError: no such subject or version, or the document was changed. SchemaError: it is not valid.
    """
    newest = registry.head(subject)
    known = newest if version is None else version
    schema = registry.schema(subject, known)
    document = str(registry.path(subject, known))
    return SchemaReport(subject, known, newest, registry.format(subject), document, outline(schema), defined(schema))


def diff(registry: Registry, scripts: Path, subject: str, old: int | None = None, new: int | None = None) -> DiffReport:
    """From version `old` to `new`: by default the newest one, and the one before `new`.

    Raises:
        RegistryError: no such subject or version. UsageError: there is only one.
    """
    versions = registry.versions(subject)
    to = versions[-1] if new is None else new
    earlier = [v for v in versions if v < to]
    if old is None and not earlier:
        raise UsageError(f"{subject} has no version before {to}", hint=f"`instar show {subject} {to}` shows it.")
    from_ = earlier[-1] if old is None else old
    before, after = registry.schema(subject, from_), registry.schema(subject, to)
    chain, reason = None, ""
    try:
        migrations = load_migrations(scripts, newest=versions[-1])
        schemas = {v: registry.schema(subject, v) for v in versions if min(from_, to) <= v <= max(from_, to)}
        chain = make_chain(schemas, migrations, from_, to, registry.format(subject)).mapping
    except InstarError as error:
        reason = error.message
    fields, types = difference(before, after, chain)
    return DiffReport(subject, from_, to, "scripts" if chain else "names", reason, fields, types)
