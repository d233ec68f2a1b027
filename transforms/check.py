"""The static proof of a project: each script leads exactly from one registered schema to the next. Reads no data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from instar.formats.errors import InstarError, MigrationError
from instar.formats.format import format_named
from instar.formats.registry import Registry
from instar.formats.schema import Field, Schema, children
from instar.transforms.answers import CheckReport, StepCheck
from instar.transforms.migration import Migration, check_mapping
from instar.transforms.report import loss_text


@dataclass(frozen=True)
class Grounds:
    """What is checked: a registry, the scripts by subject, and a last word on scripts (that none names a partition key)."""

    registry: Registry
    migrations: Callable[[str], tuple[Migration, ...]]
    refuse: Callable[[str, Iterable[Migration], Mapping[int, Schema]], None]


def check(given: Grounds, subject: str | None = None) -> CheckReport:
    """Every script of a subject, or of all. Raises only for an unknown subject."""
    registry = given.registry
    subjects = [subject] if subject else list(registry.subjects())
    if subject and subject not in registry.subjects():
        registry.versions(subject)  # raises, with a suggestion
    problems = [str(p) for p in registry.verify() if subject in (None, p.subject)]
    steps = {}
    for name in subjects:
        try:
            steps[name] = tuple(_checked(given, name))
        except InstarError as error:
            problems.append(f"{name}: {error}" + (f" ({error.hint})" if error.hint else ""))
            steps[name] = ()
    return CheckReport(steps, tuple(problems))


def _checked(given: Grounds, subject: str) -> Iterable[StepCheck]:
    registry = given.registry
    migrations = {m.version: m for m in given.migrations(subject)}
    schemas = dict(registry.schemas(subject))
    given.refuse(subject, migrations.values(), schemas)
    for version in sorted(set(schemas) | set(migrations)):
        script = migrations.get(version)
        if script is None:
            if version > min(schemas):
                raise MigrationError(
                    f"there is no script from version {version - 1} to {version}",
                    hint=f"Write it, named {version:04d}_….py; a newer version cannot be reached without it.",
                )
            continue
        yield _checked_step(given, subject, version, script, schemas)


def _checked_step(given: Grounds, subject: str, version: int, script: Migration, schemas: Mapping[int, Schema]) -> StepCheck:
    if version - 1 not in schemas:
        problem = f"it leads from version {version - 1}, which is not registered"
        return StepCheck(version, script.message, script.name, (problem,), (), 0, 0)
    problems: list[str] = []
    losses: tuple[tuple[str, str], ...] = ()
    untouched = leaves = 0
    try:
        mapping = script.mapping(schemas[version - 1])
        script.type_checked(mapping, given.registry.format(subject))
        untouched, leaves = len(mapping.untouched()), _leaves(mapping.target.root)
        if version in schemas:
            checked = check_mapping(script, mapping, schemas[version], given.registry.format(subject))
            problems += checked.problems
            losses = tuple(map(loss_text, checked.losses))
        else:
            format_named(given.registry.format(subject)).render(mapping.target)  # what `register` would refuse
            problems.append(f"version {version} is not registered yet: instar register {subject}")
    except InstarError as error:
        problems.append(f"{error}" + (f" ({error.hint})" if error.hint else ""))
    return StepCheck(version, script.message, script.name, tuple(problems), losses, untouched, leaves)


def _leaves(field: Field) -> int:
    """How many columns a field has at its lowest level."""
    inner = [f for _, f in children(field.type)]
    return sum(map(_leaves, inner)) if inner else 1
