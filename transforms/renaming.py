"""The names that rewritten files will have, where a template says their version; and what refuses them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping

from instar.formats.discover import is_data_name
from instar.formats.errors import Collected, DatasetError, UsageError, Where
from instar.transforms.configuration import DatasetSettings

_WAYS_OUT = "Rename one of them, or remove `name` from the dataset's table in instar.toml."


def naming(settings: DatasetSettings, version: int) -> Callable[[str], str]:
    """What a file is called (relative path → relative path) once it is at a version; what it is called, where nothing is said."""
    template = settings.file_name
    return (lambda path: path) if template is None else (lambda path: template.named(path, version))


def refuse_names(renamed: Mapping[str, str], taken: Collection[str], settings: DatasetSettings) -> None:
    """`renamed`: old name → new one; `taken`: all names in the dataset that others have, old ones of the renamed included.

    Raises:
        DatasetError: a new name is taken, is given twice, or would make the file no data; Collected of several.
    """
    found = _problems(renamed, taken, settings)
    errors = [DatasetError(message, hint=hint, where=Where(file=path)) for path, message, hint in found]
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise Collected(f"{len(errors)} files cannot be renamed", hint=errors[0].hint, where=errors[0].where, errors=errors)


def _problems(renamed: Mapping[str, str], taken: Collection[str], settings: DatasetSettings) -> Iterator[tuple[str, str, str]]:
    """(Old name, what is wrong, what to do)."""
    given: dict[str, str] = {}
    for old, new in sorted(renamed.items()):
        if (other := given.setdefault(new, old)) != old:
            yield old, f"it and {other} would both be called {new}", _WAYS_OUT
        elif new in taken:
            yield old, f"it would be called {new}, and there is one already", _WAYS_OUT
        elif not is_data_name(new, include=settings.include, exclude=settings.exclude):
            yield old, f"it would be called {new}, which `include` and `exclude` leave out", "Widen these globs in instar.toml."


def refuse_method(renamed: Collection[str], method: str, reason: str) -> None:
    """
    Raises:
        UsageError: files get new names, and are published one by one.
    """
    if renamed and method == "replace":
        raise UsageError(
            f"names with versions cannot be published by replace ({reason}): in between a reader would find a file under both "
            "names, or under neither",
            hint="Remove `name` from the dataset's table in instar.toml, or publish by exchange or as a shadow.",
        )
