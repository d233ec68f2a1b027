"""The registry: `schemas/<subject>/v<N>.…`, the numbered, immutable schema documents of each subject, and their lock file."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path as FilePath

from .atomic import write_text
from .documents import SUFFIXES, document_fingerprint
from .errors import RegistryError, SchemaError, suggestion
from .fingerprint import fingerprint
from .format import format_named
from .library import Library, own_names
from .lockfile import Lock, Locked, LockedSubject, load_lock, save_lock
from .schema import Schema
from .verification import Problem, documents_in, problems_of

_SUBJECT = re.compile(r"\w[\w.-]*(?<!\.)")


@dataclass(frozen=True)
class Registry:
    """The schema documents under `folder` (a project's `schemas/`). It holds nothing in memory: every call reads the files."""

    folder: FilePath

    # ---- reading
    def subjects(self) -> tuple[str, ...]:
        """All subjects, by name: those in the lock and those that have a document."""
        folders = sorted(self.folder.iterdir()) if self.folder.is_dir() else []
        found = {folder.name for folder in folders if folder.is_dir() and documents_in(folder)}
        return tuple(sorted(found | set(load_lock(self.folder))))

    def versions(self, subject: str) -> tuple[int, ...]:
        """The registered versions, ascending.

        Raises:
            RegistryError: an unknown subject.
        """
        return tuple(self._locked(subject).versions)

    def head(self, subject: str) -> int:
        """The newest version."""
        return self.versions(subject)[-1]

    def format(self, subject: str) -> str:
        """The name of the format that all versions of a subject have."""
        return self._locked(subject).format

    def path(self, subject: str, version: int) -> FilePath:
        """Where the document of a registered version lies."""
        self._entry(subject, version)
        return self._file(subject, version, self.format(subject))

    def document(self, subject: str, version: int) -> str:
        """The native text of a version, as it was registered.

        Raises:
            RegistryError: no such version; its file is missing, or was changed after it was registered.
        """
        entry, path = self._entry(subject, version), self.path(subject, version)
        try:
            text = path.read_text(encoding="utf-8-sig")
            if document_fingerprint(text) == entry.document:
                return text
            problem = "was changed after it was registered"
        except FileNotFoundError:
            problem = "is missing"
        except OSError as error:
            raise RegistryError(f"{path} cannot be read: {error.strerror}", hint="Check its permissions.") from None
        except (UnicodeDecodeError, SchemaError) as error:
            problem = f"was changed after it was registered, and is not a document any more: {error}"
        raise RegistryError(f"{path} {problem}", hint=self._edited_hint(subject, version))

    def fingerprint(self, subject: str, version: int) -> str:
        """The fingerprint of a version's document: of what it says, however it is formatted."""
        return self._entry(subject, version).document

    def schema(self, subject: str, version: int) -> Schema:
        """The logical schema of a version; what it refers to is what it referred to when it was registered.

        Raises:
            RegistryError: as `document`. SchemaError: the document is not valid.
        """
        references = self._entry(subject, version).references
        library = {name: self.document(*_target(target)) for name, target in references.items()}
        text = self.document(subject, version)
        try:
            return format_named(self.format(subject)).parse(text, library=library)
        except SchemaError as error:
            raise error.at(file=str(self.path(subject, version))) from None

    def schemas(self, subject: str) -> Mapping[int, Schema]:
        """All versions of a subject."""
        return {version: self.schema(subject, version) for version in self.versions(subject)}

    def library(self, format: str, *, beside: str = "") -> Library:
        """The documents that a new document of subject `beside` may refer to: those of all other subjects of its format.

        Each is there under "subject/vN.suffix", under "../subject/vN.suffix" (as the files lie), and under the name that it gives
        itself: an Avro full name, a JSON Schema `$id`. Where several versions give themselves one name, the newest is meant.
        """
        texts: dict[str, str] = {}
        targets: dict[str, str] = {}
        for subject, locked in load_lock(self.folder).items():
            if locked.format != format or subject == beside:
                continue
            for version in locked.versions:
                text = self.document(subject, version)
                file = self._file(subject, version, format).name
                for name in (f"{subject}/{file}", f"../{subject}/{file}", *own_names(text)):
                    texts[name], targets[name] = text, f"{subject}/v{version}"
        return Library(texts, targets)

    # ---- writing
    def register(self, subject: str, document: str | Schema, format: str, *, amend: bool = False, used: bool = False) -> int:
        """Freeze a schema as the next version of a subject, and say which. A schema that is registered already is left as it is.

        `amend` replaces the newest version instead, while nothing relies on it: `used` says that a run or a migration does.

        Raises:
            RegistryError: a name that is no subject's, another format than the subject's, an edited registry, a used version.
            SchemaError: the document is not valid, or the format cannot hold the schema.
        """
        check_subject(subject)
        lock = load_lock(self.folder)
        self._check_format(subject, format, lock)
        text = document if isinstance(document, str) else format_named(format).render(document)
        text = text.removeprefix("\ufeff").rstrip("\n") + "\n"
        library = self.library(format, beside=subject)
        format_named(format).parse(text, library=library.texts)
        references = library.references(text)
        schema = format_named(format).parse(text, library={name: library.texts[name] for name in references})
        new = Locked(document_fingerprint(text), fingerprint(schema), references)
        versions = lock[subject].versions if subject in lock else {}
        same = [version for version, entry in versions.items() if entry.document == new.document]
        if same and not (amend and self._damaged(subject, same[-1])):
            self.document(subject, same[-1])
            return same[-1]
        if amend:
            version = self._amendable(subject, versions, lock, used)
        else:
            self._refuse_problems(subject)
            version = max(versions, default=0) + 1
        self._write(subject, version, text, lock, LockedSubject(format, {**versions, version: new}))
        return version

    def verify(self) -> tuple[Problem, ...]:
        """Everything that is wrong: versions edited, missing, not locked or skipped, two formats in one subject, bad references."""
        lock = load_lock(self.folder)
        return tuple(p for subject in self.subjects() for p in problems_of(self, subject, lock.get(subject)))

    # ---- the parts
    def _locked(self, subject: str) -> LockedSubject:
        lock = load_lock(self.folder)
        if subject not in lock or not lock[subject].versions:
            none = f"{self.folder} has none yet: `instar register SUBJECT FILE` or `instar init --from DIR`."
            raise RegistryError(f"there is no subject {subject!r}", hint=suggestion(subject, sorted(lock)) or none)
        return lock[subject]

    def _entry(self, subject: str, version: int) -> Locked:
        versions = self._locked(subject).versions
        if version not in versions:
            raise RegistryError(f"{subject} has no version {version}", hint=_known_versions(tuple(versions)))
        return versions[version]

    def _file(self, subject: str, version: int, format: str) -> FilePath:
        return self.folder / subject / f"v{version}{SUFFIXES[format]}"

    def _check_format(self, subject: str, format: str, lock: Lock) -> None:
        format_named(format)
        if subject in lock and lock[subject].format != format:
            raise RegistryError(
                f"{subject} is a subject of {lock[subject].format} schemas, this one is {format}",
                hint="Register it under another subject; migrations do not change a dataset's format.",
            )
        twin = next((known for known in self.subjects() if known != subject and known.casefold() == subject.casefold()), None)
        if twin:
            raise RegistryError(
                f"{subject!r} differs from the subject {twin!r} by case only",
                hint="Some file systems could not hold both; take another name.",
            )

    def _amendable(self, subject: str, versions: Mapping[int, Locked], lock: Lock, used: bool) -> int:
        """The version that an amendment replaces: the head, as long as nothing depends on it."""
        if not versions:
            raise RegistryError(f"{subject} has no version to amend", hint="Leave out --amend to register the first.")
        head = max(versions)
        instead = "Register the schema as a new version instead, without --amend."
        if used:
            raise RegistryError(f"version {head} of {subject} is in use: a run has written or read it", hint=instead)
        target = f"{subject}/v{head}"
        for other, locked in lock.items():
            for version, entry in locked.versions.items():
                if target in entry.references.values():
                    raise RegistryError(f"version {head} of {subject} is referred to by {other} v{version}", hint=instead)
        self._refuse_problems(subject, but=head)
        return head

    def _refuse_problems(self, subject: str, but: int | None = None) -> None:
        """Nothing is added to a subject that is not in order. A stray file of the next version is judged when it is written."""
        locked = load_lock(self.folder).get(subject)
        following = max(locked.versions, default=0) + 1 if locked else 1
        for problem in problems_of(self, subject, locked):
            if problem.version is None or problem.version not in (following, but):
                raise RegistryError(f"{subject} is not in order: {problem}", hint=problem.hint)

    def _damaged(self, subject: str, version: int) -> bool:
        try:
            self.document(subject, version)
        except RegistryError:
            return True
        return False

    def _edited_hint(self, subject: str, version: int) -> str:
        hint = "Restore it from version control; a registered version never changes"
        amend = f", or, if nothing uses it yet: `instar register {subject} FILE --amend`"
        return hint + (amend if version == self.head(subject) else "") + "."

    def _write(self, subject: str, version: int, text: str, lock: Lock, changed: LockedSubject) -> None:
        """The document first, then the lock: a document without its line is harmless, a line without its document is not.

        A file with the same content that lies there already is taken as it is. On failure, what was there before is put back.
        """
        path = self._file(subject, version, changed.format)
        known = subject in lock and version in lock[subject].versions
        before = path.read_bytes() if path.exists() else None
        adopted = before is not None and _says_the_same(before, text)
        if before is not None and not (adopted or known):
            raise RegistryError(
                f"{path} exists, is not registered, and holds another schema",
                hint=f"Register that file (`instar register {subject} {path}`), or remove it.",
            )
        made = [folder for folder in (path.parent, self.folder) if not folder.exists()]
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if not adopted:
                write_text(path, text, exclusive=before is None)
            save_lock(self.folder, {**lock, subject: changed})
        except OSError as error:
            if not adopted:
                _put_back(path, before, made)
            raise RegistryError(
                f"{subject} v{version} could not be written to {self.folder}: {error.strerror or error}",
                hint="Check the permissions and the free space; nothing was registered.",
            ) from None


def _says_the_same(content: bytes, text: str) -> bool:
    try:
        return document_fingerprint(content.decode("utf-8-sig")) == document_fingerprint(text)
    except (UnicodeDecodeError, SchemaError):
        return False


def _put_back(path: FilePath, before: bytes | None, made: list[FilePath]) -> None:
    """Undo a document whose line could not be written; what cannot be undone is found by `verify`."""
    with contextlib.suppress(OSError):
        if before is None:
            path.unlink(missing_ok=True)
        else:
            path.write_bytes(before)
        for folder in made:
            folder.rmdir()


def _target(reference: str) -> tuple[str, int]:
    """ "subject/vN" as its parts."""
    subject, _, version = reference.rpartition("/v")
    return subject, int(version)


def check_subject(subject: str) -> None:
    """
    Raises:
        RegistryError: the name cannot be a folder's on every system, or would lead out of the registry.
    """
    if not _SUBJECT.fullmatch(subject) or subject.startswith("_") or len(subject) > 200:
        raise RegistryError(
            f"{subject!r} cannot be a subject's name",
            hint="Use letters, digits, '.', '-' and '_', beginning with a letter or digit.",
        )


def _known_versions(versions: tuple[int, ...]) -> str:
    return f"There is version {versions[0]} only." if len(versions) == 1 else f"There are versions {versions[0]} to {versions[-1]}."
