"""A subject's chain of migrations between two of its versions, for comparing data that no project may know."""

from __future__ import annotations

from pathlib import Path

from instar.formats.errors import UsageError
from instar.formats.format import format_named
from instar.formats.registry import Registry
from instar.transforms.migration import load_migrations, make_chain
from instar.transforms.typecheck import type_check

from .sides import Versions


def versions_of(registry: Registry, scripts: Path, subject: str, origin: int | None, target: int | None) -> Versions:
    """`scripts`: the folder of the subject's migrations. `target` None: the newest version.

    Raises:
        RegistryError: an unknown subject. UsageError: no such version. MigrationError: a script does not lead to the registered
            schema, or a way down cannot recover what must have a value.
    """
    schemas = dict(registry.schemas(subject))
    known = ", ".join(map(str, sorted(schemas)))
    if origin is None:
        raise UsageError("at which version is the old side?", hint=f"Say --from N; {subject} has {known}.")
    target = max(schemas) if target is None else target
    for version in (origin, target):
        if version not in schemas:
            raise UsageError(f"{subject} has no version {version}", hint=f"There is {known}.")
    format = registry.format(subject)
    chain = make_chain(schemas, load_migrations(scripts, newest=max(schemas)), origin, target, format)
    chain.refuse_fatal()
    type_check(chain.mapping, format_named(format))
    return Versions(subject, origin, target, chain.mapping, format)
