"""Every error Instar raises on purpose: what went wrong and where (message), and what to do next (hint)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, ClassVar


@dataclass(frozen=True)
class Where:
    """The place an error speaks of; whatever is unknown stays None.

    `file` is relative to the dataset where there is one; `row` counts from 0 over the file's records;
    `path` is a field path in Instar's notation.
    """

    file: str | None = None
    row: int | None = None
    path: str | None = None
    found: str | None = None
    expected: str | None = None

    def __str__(self) -> str:
        parts = [self.file or ""]
        if self.row is not None:
            parts.append(f"record {self.row}")
        if self.path:
            parts.append(f"field {self.path}")
        return ", ".join(part for part in parts if part)


class InstarError(Exception):
    """The base of all errors with a known cause. `exit_code` is the command line's answer to it.

    `bare`: the message without any value of a record, for where values are not to be shown (`pii.py`); "" where nothing says it.
    `report`: what is known beyond the message, as keys of the report of the run that it ends.
    """

    exit_code: ClassVar[int] = 1
    report: Mapping[str, Any] = MappingProxyType({})

    def __init__(self, message: str, *, hint: str = "", where: Where | None = None, bare: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.where = where
        self.bare = bare

    def __str__(self) -> str:
        place = str(self.where) if self.where else ""
        return f"{place}: {self.message}" if place and place not in self.message else self.message

    @property
    def in_file(self) -> str:
        """What went wrong and where in its file, for those who name the file themselves."""
        place = str(replace(self.where, file=None)) if self.where else ""
        return f"{place}: {self.message}" if place and place not in self.message else self.message

    def __reduce__(self) -> tuple[object, ...]:
        return _revived, (type(self), self.message, self.hint, self.where, self.bare)

    def placed(self, where: Where) -> InstarError:
        """The same error at another place."""
        return type(self)(self.message, hint=self.hint, where=where, bare=self.bare)

    def at(self, **place: object) -> InstarError:
        """The same error with more of its place known: what is known already stays."""
        known = self.where or Where()
        given = {name: value for name, value in place.items() if getattr(known, name) is None}
        return self.placed(Where(**{**known.__dict__, **given}))


def _revived(kind: type[InstarError], message: str, hint: str, where: Where | None, bare: str) -> InstarError:
    """Unpickling: errors travel from worker processes."""
    return kind(message, hint=hint, where=where, bare=bare)


# ---- wrong use or configuration (exit 2)
class UsageError(InstarError):
    """The caller asked for something that does not exist or cannot be."""

    exit_code = 2


class ConfigurationError(UsageError):
    """`instar.toml` is missing, malformed, or names something unknown."""


class SchemaError(UsageError):
    """A schema document, a type or a path is not valid."""


class RegistryError(UsageError):
    """The registry is inconsistent: an edited version, a gap, an unknown subject or version."""


class MigrationError(UsageError):
    """A migration script does not load, does not type-check, or does not lead to the next registered schema."""


# ---- the data, a proof, the disk or a permission says no (exit 1)
class FileError(InstarError):
    """A data file cannot be read or understood, or a rewrite could not keep what it holds."""


class UnreadableError(FileError):
    """Instar cannot read the file: damaged, cut off, empty, encrypted, or in a form that it does not know."""


class DataError(InstarError):
    """A value in a record does not fit: its type, a cast, a required field."""


class MalformedError(DataError):
    """A record's text is no value of its format: what is there cannot be read, whatever it should have been."""


class Refused(DataError):
    """A value that an operation of a migration refuses.

    `value` is the value as text (None for a null). `policy`: what the operation says becomes of such a record, "fail" or
    "quarantine"; None where the run decides.
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        where: Where | None = None,
        value: str | None = None,
        bare: str = "",
        policy: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint, where=where, bare=bare)
        self.value = value
        self.policy = policy

    def placed(self, where: Where) -> InstarError:
        return Refused(self.message, hint=self.hint, where=where, value=self.value, bare=self.bare, policy=self.policy)

    def counted(self, count: int) -> Refused:
        """The same, saying that it is the first of so many in a batch."""
        more = f" (and {count - 1} more like it in this batch)" if count > 1 else ""
        return Refused(
            self.message + more,
            hint=self.hint,
            where=self.where,
            value=self.value,
            bare=self.bare + more,
            policy=self.policy,
        )

    def __reduce__(self) -> tuple[object, ...]:
        return _revived_refusal, (self.message, self.hint, self.where, self.value, self.bare, self.policy)


def _revived_refusal(message: str, hint: str, where: Where | None, value: str | None, bare: str, policy: str | None) -> Refused:
    return Refused(message, hint=hint, where=where, value=value, bare=bare, policy=policy)


class DatasetError(InstarError):
    """The dataset as a whole cannot be migrated: anomalies, an ambiguous file, a table format's directory."""


class ProofError(InstarError):
    """What was staged is not what the migration says; nothing was published.

    `examples`: the first records in which it is not, each as a report has it: row, group, old, new.
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        where: Where | None = None,
        bare: str = "",
        examples: Sequence[Mapping[str, object]] = (),
    ) -> None:
        super().__init__(message, hint=hint, where=where, bare=bare)
        self.examples = tuple(examples)

    def placed(self, where: Where) -> InstarError:
        return ProofError(self.message, hint=self.hint, where=where, bare=self.bare, examples=self.examples)

    def __reduce__(self) -> tuple[object, ...]:
        return _revived_proof, (self.message, self.hint, self.where, self.bare, self.examples)


def _revived_proof(
    message: str, hint: str, where: Where | None, bare: str, examples: tuple[Mapping[str, object], ...]
) -> ProofError:
    return ProofError(message, hint=hint, where=where, bare=bare, examples=examples)


class GateError(ProofError):
    """A check of the project's own, or its test command, says no to what was staged; nothing was published."""


class RunError(InstarError):
    """The disk, a permission, or a change behind the run's back stopped it."""


class Collected(InstarError):
    """Several errors of one step, all of them: none hides another."""

    def __init__(self, message: str, *, hint: str = "", where: Where | None = None, errors: Sequence[InstarError] = ()) -> None:
        super().__init__(message, hint=hint, where=where)
        self.errors = tuple(errors)

    def __reduce__(self) -> tuple[object, ...]:
        return _revived_all, (self.message, self.hint, self.where, self.errors)

    def placed(self, where: Where) -> InstarError:
        return Collected(self.message, hint=self.hint, where=where, errors=self.errors)

    def at(self, **place: object) -> InstarError:
        return Collected(self.message, hint=self.hint, where=self.where, errors=[e.at(**place) for e in self.errors])


def _revived_all(message: str, hint: str, where: Where | None, errors: tuple[InstarError, ...]) -> Collected:
    return Collected(message, hint=hint, where=where, errors=errors)


# ---- locked (exit 3)
class LockedError(InstarError):
    """Another run holds the dataset."""

    exit_code = 3


def is_unreadable(error: InstarError) -> bool:
    """Does the error say that a file, or a record of it, cannot be read at all? (Of several errors one is enough.)"""
    if isinstance(error, Collected):
        return any(is_unreadable(each) for each in error.errors)
    return isinstance(error, UnreadableError | MalformedError)


def suggestion(word: str, known: Sequence[str]) -> str:
    """A did-you-mean for `word` among `known`, or the list of what there is."""
    import difflib

    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    if near:
        return f"Did you mean {near[0]!r}?"
    if not known:
        return ""
    shown = ", ".join(repr(name) for name in known[:12])
    return f"There is {shown}" + (f" and {len(known) - 12} more." if len(known) > 12 else ".")
