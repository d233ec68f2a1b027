"""`registry.lock`: what was registered, by fingerprint, so that an edit of a registered schema is caught. One line a version."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path as FilePath
from typing import Any

from .atomic import write_text
from .errors import RegistryError

NAME = "registry.lock"
_HEAD = "# Written by `instar register`: commit it with the schemas, do not edit it.\n"


@dataclass(frozen=True)
class Locked:
    """One registered version: `document` is the fingerprint of its normalised document, `structure` of the schema it means.

    `references`: the names that the document refers to in other registered documents, each with the "subject/vN" that was meant.
    """

    document: str
    structure: str
    references: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class LockedSubject:
    format: str
    versions: Mapping[int, Locked]


Lock = Mapping[str, LockedSubject]


def load_lock(folder: FilePath) -> Lock:
    """The lock of a registry; empty where there is none.

    Raises:
        RegistryError: it cannot be read or understood.
    """
    path = folder / NAME
    try:
        return dict(_understood(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RegistryError(
            f"{path} cannot be understood: {error}",
            hint="Restore it from version control; after a merge, keep the lines of both sides.",
        ) from None
    except OSError as error:
        raise RegistryError(f"{path} cannot be read: {error.strerror}", hint="Check its permissions.") from None


def save_lock(folder: FilePath, lock: Lock) -> None:
    """Write the lock in one step: subjects by name, versions by number."""
    write_text(folder / NAME, _HEAD + "".join(_text(subject, lock[subject]) for subject in sorted(lock)))


@lru_cache(maxsize=8)
def _understood(text: str) -> Lock:
    """What the file says. A command asks for it again and again, and the text is mostly the one that it has seen."""
    return {subject: _subject(body) for subject, body in tomllib.loads(text).items()}


def _subject(body: dict[str, Any]) -> LockedSubject:
    versions = {_number(key): _locked(value) for key, value in body.items() if key != "format"}
    return LockedSubject(str(body["format"]), dict(sorted(versions.items())))


def _number(key: str) -> int:
    if not (key.startswith("v") and key[1:].isdecimal()):
        raise ValueError(f"{key!r} is not a version")
    return int(key[1:])


def _locked(value: dict[str, Any]) -> Locked:
    return Locked(str(value["document"]), str(value["structure"]), dict(value.get("references", {})))


def _text(name: str, subject: LockedSubject) -> str:
    lines = [f"v{number} = {_line(subject.versions[number])}" for number in sorted(subject.versions)]
    return "\n".join(["", f"[{toml_string(name)}]", f"format = {toml_string(subject.format)}", *lines, ""])


def _line(version: Locked) -> str:
    text = f"document = {toml_string(version.document)}, structure = {toml_string(version.structure)}"
    if version.references:
        pairs = [f"{toml_string(name)} = {toml_string(version.references[name])}" for name in sorted(version.references)]
        text += f", references = {{ {', '.join(pairs)} }}"
    return f"{{ {text} }}"


def toml_string(text: str) -> str:
    """Text as a basic string of TOML, which is JSON's but for one control character that TOML wants escaped."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
