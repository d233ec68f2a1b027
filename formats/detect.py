"""Which version a file is at, decided from what it says of itself. Pure: the file was read before.

The order: a person's answer where the file fits it; its stamp, believed only where its structure is that version's; its structure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from .fingerprint import Difference, fingerprint, misfits
from .format import Stamp
from .inventory import How
from .pii import any_tagged
from .registry import Registry
from .schema import Schema

_SHOWN = 3

NO_FIT_HINT = "Restore the file, register its schema as a version of its own (`instar register`), or leave it out with `exclude`."
AMBIGUOUS_HINT = "Say which it is with `instar stamp DATASET VERSION FILE`."

SameValues = Callable[[int, int], bool]
"""Does the way from one version to a later one leave every value as it is, and where it is?"""


def _same_values(_: int, __: int) -> bool:
    return True


@dataclass(frozen=True)
class Versions:
    """The registered versions of one subject: their schemas, the fingerprints of their documents, and what happens between them."""

    subject: str
    schemas: Mapping[int, Schema]
    documents: Mapping[int, str]
    same_values: SameValues = _same_values

    @classmethod
    def of(cls, registry: Registry, subject: str, same_values: SameValues = _same_values) -> Versions:
        schemas = registry.schemas(subject)
        documents = {version: registry.fingerprint(subject, version) for version in schemas}
        return cls(subject, schemas, documents, same_values)

    @cached_property
    def quotable(self) -> bool:
        """May messages quote what files hold? Not where a version has fields that are tagged `pii`."""
        return not any_tagged(self.schemas.values())

    @cached_property
    def structures(self) -> Mapping[int, str]:
        return {version: fingerprint(schema) for version, schema in self.schemas.items()}

    def fitting(self, file: Schema) -> tuple[int, ...]:
        """The versions whose structure the file has, and that allow null wherever the file does."""
        structure = fingerprint(file)
        alike = [version for version, other in self.structures.items() if other == structure]
        return tuple(version for version in alike if not misfits(file, self.schemas[version]))

    def alike(self, numbers: Sequence[int]) -> bool:
        """Are these versions of one structure, with every value the same in each?"""
        same = len({self.structures[number] for number in numbers}) == 1
        return same and all(self.same_values(old, new) for old, new in pairwise(sorted(numbers)))

    def closest(self, file: Schema) -> tuple[int, tuple[Difference, ...]]:
        """The version with the fewest differences (of equals: with the most alike types, then the newest), and what differs."""
        found = {version: misfits(file, schema) for version, schema in self.schemas.items()}
        nearest = min(found, key=lambda version: (len(found[version]), _unlikeness(found[version]), -version))
        return nearest, found[nearest]


@dataclass(frozen=True)
class Verdict:
    """`version` is None exactly where `problem` says why. `warning` is for a version that was found against the file's stamp."""

    version: int | None
    how: How = ""
    variant: bool = False
    candidates: tuple[int, ...] = ()
    problem: str | None = None
    hint: str = ""
    warning: str = ""


def judge(versions: Versions, file: Schema, stamp: Stamp | None, person: int | None = None) -> Verdict:
    """The version of a file that carries its schema. `person`: the answer somebody gave for this very file."""
    fits = versions.fitting(file)
    if person in fits:
        return _at(versions, file, person, "person")
    stamped = stamp.version if stamp and stamp.subject == versions.subject else None
    if stamped in fits:
        return _at(versions, file, stamped, "stamp")
    if stamp is None:
        return _by_structure(versions, file, fits)
    return _stale(versions, file, stamp, fits)


def _stale(versions: Versions, file: Schema, stamp: Stamp, fits: tuple[int, ...]) -> Verdict:
    """A stamp that the file contradicts: pyarrow carries key-values through casts and drops, so somebody changed the file since."""
    says = f"its stamp says {stamp.subject} version {stamp.version}"
    if len(fits) == 1:
        found = _at(versions, file, fits[0], "fingerprint")
        return Verdict(found.version, found.how, found.variant, warning=f"{says}, its structure is version {fits[0]}'s")
    if fits:
        problem = f"{says}, but it fits {_listed(fits)}"
        return Verdict(None, candidates=fits, problem=problem, hint=AMBIGUOUS_HINT)
    if stamp.subject == versions.subject and stamp.version in versions.schemas:
        problem = f"{says}, but {_shown(misfits(file, versions.schemas[stamp.version]))}; it fits no version"
        cause = f"It was changed after Instar wrote it, or another project's registry has another version {stamp.version}."
        return Verdict(None, problem=problem, hint=f"{cause} {NO_FIT_HINT}")
    none = _none_fits(versions, file)
    return Verdict(None, problem=f"{says}, which is not registered, and {none.problem}", hint=none.hint)


def _none_fits(versions: Versions, file: Schema) -> Verdict:
    nearest, why = versions.closest(file)
    problem = f"it fits no version of {versions.subject}; closest is version {nearest}, but {_shown(why)}"
    return Verdict(None, problem=problem, hint=NO_FIT_HINT)


def _at(versions: Versions, file: Schema, version: int | None, how: How) -> Verdict:
    assert version is not None
    return Verdict(version, how, variant=_plain(file) != _plain(versions.schemas[version]))


def _by_structure(versions: Versions, file: Schema, fits: Sequence[int]) -> Verdict:
    """Of several: the one whose document says exactly what the file says, else the newest, if the file would be the same there."""
    if not fits:
        return _none_fits(versions, file)
    exact = [version for version in fits if _plain(file) == _plain(versions.schemas[version])]
    if not exact and not all(versions.same_values(old, new) for old, new in pairwise(fits)):
        problem = f"it fits {_listed(fits)}, between which values change"
        return Verdict(None, candidates=tuple(fits), problem=problem, hint=AMBIGUOUS_HINT)
    return _at(versions, file, max(exact or fits), "fingerprint")


def _plain(schema: Schema) -> Schema:
    """A schema without what belongs to a file as a whole, such as its key-values."""
    return Schema(schema.root.with_(extra={}, doc=""), schema.definitions)


def _unlikeness(differences: Sequence[Difference]) -> float:
    """How far apart the types are, by their names: int32 is nearer to int64 than to string."""
    from difflib import SequenceMatcher

    return sum(1 - SequenceMatcher(None, d.found or "", d.expected or "").ratio() for d in differences)


def _shown(differences: Sequence[Difference]) -> str:
    rest = len(differences) - _SHOWN
    return "; ".join(map(str, differences[:_SHOWN])) + (f"; and {rest} more" if rest > 0 else "")


def _listed(versions: Sequence[int]) -> str:
    return f"versions {', '.join(map(str, versions[:-1]))} and {versions[-1]}"


# ---- files without a schema of their own
def judge_records(misfit: Mapping[int, str | None], versions: Versions) -> Verdict:
    """The version of a file that carries none, by what validation says against each version (None: every record fits).

    Of several that differ in nothing that a file shows (tags, docs), it is the newest.
    """
    fits = tuple(version for version, problem in misfit.items() if problem is None)
    if len(fits) == 1 or (fits and versions.alike(fits)):
        return Verdict(max(fits), "validated")
    if fits:
        return Verdict(None, candidates=fits, problem=f"its records fit {_listed(fits)}", hint=AMBIGUOUS_HINT)
    newest = sorted(misfit, reverse=True)
    reasons = "; ".join(f"version {version}: {misfit[version]}" for version in newest[:_SHOWN])
    more = f"; and {len(newest) - _SHOWN} older" if len(newest) > _SHOWN else ""
    return Verdict(None, problem=f"its records fit no version of {versions.subject} ({reasons}{more})", hint=NO_FIT_HINT)
