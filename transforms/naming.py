"""Names of data files that say their version: `name = "{stem}.v{version}{suffix}"` in a dataset's table.

`stem` and `suffix` are pathlib's, but that a suffix which only says how a file is packed (`.gz`, `.zst` …) takes the one before it
along: `2024-05.ndjson.gz` is `2024-05` and `.ndjson.gz`. A name that the template could have made is taken to be made by it: its
version is replaced, so that `a.v1.parquet` becomes `a.v2.parquet` and not `a.v1.v2.parquet`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from string import Formatter

from instar.formats.errors import ConfigurationError, suggestion

_KEYS = ("stem", "version", "suffix")
_PACKED = ("gz", "zst", "bz2", "xz", "lz4", "snappy", "br")
_SUFFIX = rf"(?:\.[^./]+)?(?:\.(?:{'|'.join(_PACKED)}))?"
_EXAMPLE = 'Write for example name = "{stem}.v{version}{suffix}".'


@dataclass(frozen=True)
class NameTemplate:
    """A valid template: each key once, `{suffix}` last, and a version that can be told from the stem."""

    text: str

    @classmethod
    def parse(cls, text: str) -> NameTemplate:
        """
        Raises:
            ConfigurationError: not a template; says why.
        """
        if problem := _problem(list(_pieces(text))):
            raise ConfigurationError(f"the template {text!r} {problem}", hint=_EXAMPLE)
        return cls(text)

    def named(self, path: str, version: int) -> str:
        """What a file (its path, POSIX) is called at a version; it stays in its folder."""
        stem, suffix = self._parts(PurePosixPath(path).name)
        return str(PurePosixPath(path).with_name(self.text.format(stem=stem, version=version, suffix=suffix)))

    def _parts(self, name: str) -> tuple[str, str]:
        made = re.fullmatch(self._pattern(), name, re.DOTALL)
        found = made or re.fullmatch(rf"(?P<stem>.+?)(?P<suffix>{_SUFFIX})", name, re.DOTALL)
        assert found is not None, "a name is never empty"
        return found["stem"], found["suffix"]

    def _pattern(self) -> str:
        groups = {"stem": "(?P<stem>.+)", "version": "[0-9]+", "suffix": f"(?P<suffix>{_SUFFIX})", "": ""}
        return "".join(re.escape(literal) + groups[key] for literal, key in _pieces(self.text))


def _pieces(text: str) -> Iterator[tuple[str, str]]:
    """Each literal with the key after it ("" where there is none)."""
    try:
        parsed = list(Formatter().parse(text))
    except ValueError as error:
        raise ConfigurationError(f"the template {text!r} cannot be understood: {error}", hint=_EXAMPLE) from None
    for literal, key, form, conversion in parsed:
        if key is not None and key not in _KEYS:
            hint = suggestion(key, _KEYS) if key else _EXAMPLE
            raise ConfigurationError(f"the template {text!r} has an unknown key {key!r}", hint=hint)
        if form or conversion:
            raise ConfigurationError(f"the template {text!r} says how {{{key}}} is spelled", hint=f"It is put as it is. {_EXAMPLE}")
        yield literal, key or ""


def _problem(pieces: list[tuple[str, str]]) -> str:
    """What is wrong with a template, "" where nothing is."""
    literals, keys = [literal for literal, _ in pieces], [key for _, key in pieces if key]
    for key in _KEYS:
        if keys.count(key) != 1:
            return f"has no {{{key}}}" if key not in keys else f"has {{{key}}} twice"
    if pieces[-1][1] != "suffix":
        return "does not end with {suffix}, by which readers know what a file is"
    if any(symbol in "/\\{}" or not symbol.isprintable() for symbol in "".join(literals)):
        return "is no file's name: a file stays in its folder"
    if literals[0].startswith((".", "_")):
        return f"begins with {literals[0][0]!r}: such files are not data"
    beside = literals[1][-1:] if keys[0] == "stem" else literals[1][:1]
    if not beside or beside.isdigit():
        return "has no letter between {stem} and {version}: they could not be told apart"
    return ""
