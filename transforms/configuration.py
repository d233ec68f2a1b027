"""`instar.toml`: the datasets of a project and where its schemas and migrations lie, checked and frozen."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from instar.formats.errors import ConfigurationError, InstarError, SchemaError, UsageError, suggestion
from instar.formats.format import FORMATS
from instar.formats.lockfile import toml_string
from instar.formats.typetext import parse_type

if TYPE_CHECKING:
    from instar.transforms.naming import NameTemplate

NAME = "instar.toml"
DEFAULT_MEMORY = 1_000_000_000

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]i?b|b)?", re.IGNORECASE)
_POWERS = "bkmgt"
_TOP = ("datasets", "registry", "migrations")
_KEYS = (
    "path",
    "subject",
    "format",
    "include",
    "exclude",
    "partitions",
    "state",
    "memory",
    "workers",
    "name",
    "shadow",
    "checks",
    "test",
    "queries",
    "max_slowdown",
    "fidelity",
    "skip_unreadable",
    "on_error",
    "max_errors",
)


@dataclass(frozen=True)
class DatasetSettings:
    """One `[datasets.NAME]` table. Paths are absolute, not yet resolved; `memory` is in bytes; `workers` None: the caller's choice.

    `partitions`: the type of each `key=value` key, in Instar's type names. `allow`: the fidelity codes that may differ.
    `file_name`: the template that names rewritten files. `shadow`: where runs build a second tree, which leaves this one alone.
    `test`: a command, with its arguments, that tries the application out on the staged data before it is published. `checks`: the
    folder of the SQL checks that must hold then. `queries`: the folder of those that are timed then, and `max_slowdown` how many
    times as long one may take, as in `Options`. `skip_unreadable`: files that cannot be read stay as they are, and fail no run.
    `on_error` and `max_errors`: what becomes of records that cannot be migrated, as in `Options`.
    """

    path: Path
    subject: str
    format: str
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    partitions: Mapping[str, str] = field(default_factory=dict)
    state: Path | None = None
    memory: int = DEFAULT_MEMORY
    on_error: Literal["fail", "quarantine"] = "fail"
    max_errors: str | None = None
    workers: int | None = None
    file_name: NameTemplate | None = None
    shadow: Path | None = None
    checks: Path | None = None
    test: tuple[str, ...] = ()
    queries: Path | None = None
    max_slowdown: float | None = None
    allow: tuple[str, ...] = ()
    skip_unreadable: bool = False

    @property
    def check_files(self) -> tuple[Path, ...]:
        """The SQL checks that there are, by name."""
        return tuple(sorted(self.checks.glob("*.sql"))) if self.checks is not None and self.checks.is_dir() else ()


@dataclass(frozen=True)
class Configuration:
    """A project: its folder, where its registry and migrations are, and its datasets by name."""

    folder: Path
    schemas: Path
    migrations: Path
    datasets: Mapping[str, DatasetSettings]

    def dataset(self, name: str) -> DatasetSettings:
        """
        Raises:
            UsageError: no dataset of that name.
        """
        if name not in self.datasets:
            hint = suggestion(name, sorted(self.datasets)) or "instar.toml has none yet: `instar init --from DIR` adds one."
            raise UsageError(f"there is no dataset {name!r} in {self.folder / NAME}", hint=hint)
        return self.datasets[name]


def find_project(start: Path) -> Path:
    """The nearest folder with an `instar.toml`, from `start` upwards, as git finds its repository.

    Raises:
        ConfigurationError: there is none.
    """
    begin = start.absolute()
    for folder in (begin, *begin.parents):
        if (folder / NAME).is_file():
            return folder
    raise ConfigurationError(
        f"there is no {NAME} in {begin} or above it", hint="Make a project with `instar init`, or name one with -C DIR."
    )


def load(folder: Path) -> Configuration:
    """The configuration of the project in `folder`.

    Raises:
        ConfigurationError: the file is missing, is not TOML, or says something that Instar does not know; names the key.
    """
    return parse_configuration(configuration_text(folder), folder)


def configuration_text(folder: Path) -> str:
    """The text of `instar.toml`, its line ends as they are.

    Raises:
        ConfigurationError: the file is missing, or is no text.
    """
    path = folder / NAME
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise ConfigurationError(f"there is no {path}", hint="Make a project with `instar init`.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"{path} cannot be read: {error}", hint="It is a text file in UTF-8; check its permissions."
        ) from None


def parse_configuration(text: str, folder: Path) -> Configuration:
    """As `load`, from the text of the file."""
    try:
        table = _Table(tomllib.loads(text), "")
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{folder / NAME} is not valid TOML: {error}", hint="Mend it at that place.") from None
    try:
        table.only(_TOP)
        datasets = table.table("datasets")
        settings = {name: _dataset(name, datasets.table(name), folder) for name in datasets.values}
        _refuse_overlaps(settings)
        _refuse_shadows(settings)
        return Configuration(
            folder,
            _place(table.table("registry", only=("path",)).text("path") or "schemas", folder, "registry.path"),
            _place(table.table("migrations", only=("path",)).text("path") or "migrations", folder, "migrations.path"),
            settings,
        )
    except ConfigurationError as error:
        raise ConfigurationError(f"{folder / NAME}: {error.message}", hint=error.hint) from None


def _dataset(name: str, table: _Table, folder: Path) -> DatasetSettings:
    table.only(_KEYS)
    where = f"datasets.{name}"
    path, format = table.text("path"), table.text("format")
    if not path:
        raise ConfigurationError(f"{where} has no path", hint='Say where its files are: path = "data/flights".')
    if format not in FORMATS:
        known = f"Say format = {' or '.join(map(toml_string, FORMATS))}."
        said = f"{where}.format is {format!r}" if format else f"{where} has no format"
        raise ConfigurationError(said, hint=(suggestion(format, FORMATS) if format else "") or known)
    state, shadow, queries = (table.text(key) for key in ("state", "shadow", "queries"))
    return DatasetSettings(
        path=_place(path, folder, f"{where}.path"),
        subject=table.text("subject") or name,
        format=format,
        include=table.texts("include"),
        exclude=table.texts("exclude"),
        partitions=_partitions(table.table("partitions")),
        state=_place(state, folder, f"{where}.state") if state else None,
        memory=table.size("memory") or DEFAULT_MEMORY,
        workers=table.count("workers"),
        file_name=_template(table.text("name"), f"{where}.name"),
        shadow=_place(shadow, folder, f"{where}.shadow") if shadow else None,
        on_error=table.one_of("on_error", "fail", "quarantine"),
        max_errors=table.most_errors("max_errors"),
        checks=_place(table.text("checks") or f"checks/{name}", folder, f"{where}.checks"),
        test=table.words("test"),
        queries=_place(queries, folder, f"{where}.queries") if queries else None,
        max_slowdown=table.ratio("max_slowdown"),
        allow=table.table("fidelity", only=("allow",)).texts("allow"),
        skip_unreadable=table.flag("skip_unreadable"),
    )


def _place(text: str, folder: Path, key: str) -> Path:
    """A path as the file says it, relative ones from the project's folder; not resolved, `..` tidied up."""
    if "://" in text:
        raise ConfigurationError(f"{key} is {text!r}", hint="Only paths of this machine's file systems are supported.")
    return Path(os.path.normpath(folder.absolute() / Path(text).expanduser()))


def _template(text: str | None, key: str) -> NameTemplate | None:
    if not text:
        return None
    from instar.transforms.naming import NameTemplate

    try:
        return NameTemplate.parse(text)
    except ConfigurationError as error:
        raise ConfigurationError(f"{key}: {error.message}", hint=error.hint) from None


def _partitions(table: _Table) -> dict[str, str]:
    for key in table.values:
        try:
            parse_type(table.text(key) or "")
        except SchemaError as error:
            raise ConfigurationError(f"{table.key(key)}: {error.message}", hint=error.hint) from None
    return {key: str(value) for key, value in table.values.items()}


def _refuse_overlaps(datasets: Mapping[str, DatasetSettings]) -> None:
    """Two datasets in one place, or one inside the other, would rewrite each other's files."""
    for name, settings in datasets.items():
        for other, settings_of_other in datasets.items():
            if name != other and (inner := settings_of_other.path).is_relative_to(settings.path):
                raise ConfigurationError(
                    f"datasets.{other} ({inner}) lies in datasets.{name} ({settings.path})",
                    hint="Datasets must not overlap: give each its own directory.",
                )


def _refuse_shadows(datasets: Mapping[str, DatasetSettings]) -> None:
    """A shadow may be a dataset of its own, but not in or around another one, nor that of two."""
    shadows = [(name, settings.shadow) for name, settings in datasets.items() if settings.shadow]
    for name, shadow in shadows:
        for other, settings in datasets.items():
            nested = shadow.is_relative_to(settings.path) or settings.path.is_relative_to(shadow)
            if (nested and (name == other or shadow != settings.path)) or (name != other and shadow == settings.shadow):
                raise ConfigurationError(
                    f"the shadow of datasets.{name} ({shadow}) overlaps datasets.{other}",
                    hint="A shadow is a directory of its own: not in a dataset, nor around one, nor the shadow of another.",
                )


@dataclass(frozen=True)
class _Table:
    """One table of the file and its name, with checked access to its values."""

    values: Mapping[str, Any]
    name: str

    def key(self, key: str) -> str:
        return f"{self.name}.{key}" if self.name else key

    def only(self, known: tuple[str, ...]) -> None:
        for key in self.values:
            if key not in known:
                raise ConfigurationError(f"unknown key {self.key(key)}", hint=suggestion(key, known))

    def bad(self, key: str, wanted: str) -> ConfigurationError:
        return ConfigurationError(f"{self.key(key)} is {self.values[key]!r}", hint=f"It must be {wanted}.")

    def table(self, key: str, *, only: tuple[str, ...] = ()) -> _Table:
        value = self.values.get(key, {})
        if not isinstance(value, dict):
            raise self.bad(key, f"a table: [{self.key(key)}]")
        found = _Table(value, self.key(key))
        if only:
            found.only(only)
        return found

    def text(self, key: str) -> str | None:
        value = self.values.get(key)
        if value is not None and (not isinstance(value, str) or not value):
            raise self.bad(key, "a text in quotes, not empty")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts; a single one may stand without its brackets."""
        value = self.values.get(key, [])
        found = [value] if isinstance(value, str) else value
        if not isinstance(found, list) or not all(isinstance(item, str) and item for item in found):
            raise self.bad(key, 'a list of texts, such as ["*.tmp"]')
        return tuple(found)

    def words(self, key: str) -> tuple[str, ...]:
        """A command and its arguments, which no shell takes apart: always a list."""
        value = self.values.get(key)
        if isinstance(value, str):
            words = value.split() or ["PROGRAM", "ARGUMENT"]
            raise self.bad(key, f"a list, since no shell takes it apart: {key} = [{', '.join(map(toml_string, words))}]")
        return self.texts(key)

    def ratio(self, key: str) -> float | None:
        value = self.values.get(key)
        if value is not None and (type(value) not in (int, float) or not value >= 1):
            raise self.bad(key, "a ratio of at least 1, such as 1.2")
        return value

    def flag(self, key: str) -> bool:
        value = self.values.get(key, False)
        if type(value) is not bool:
            raise self.bad(key, "true or false")
        return value

    def count(self, key: str) -> int | None:
        value = self.values.get(key)
        if value is not None and (type(value) is not int or value < 1):
            raise self.bad(key, "a whole number, 1 or more")
        return value

    def one_of(self, key: str, default: str, *others: str) -> Any:
        value = self.values.get(key, default)
        if value not in (default, *others):
            raise self.bad(key, " or ".join(map(toml_string, (default, *others))))
        return value

    def most_errors(self, key: str) -> str | None:
        value = self.values.get(key)
        if value is None:
            return None
        from instar.transforms.most_errors import MostErrors

        if type(value) not in (int, str):
            raise self.bad(key, 'a number of records, or a share of them, such as "0.5%"')
        try:
            return MostErrors.parse(value).text
        except InstarError:
            raise self.bad(key, 'a number of records, or a share of them, such as "0.5%"') from None

    def size(self, key: str) -> int | None:
        value = self.values.get(key)
        if value is None:
            return None
        if type(value) not in (int, str):
            raise self.bad(key, 'a size, such as "2GB" or "512MiB"')
        try:
            return parse_size(str(value))
        except InstarError:
            raise self.bad(key, 'a size, such as "2GB" or "512MiB"') from None


def parse_size(text: str) -> int:
    """ "2GB" (10⁹), "512MiB" (2²⁰), "1000000" as bytes.

    Raises:
        UsageError: not a size, or none at all.
    """
    size = _SIZE.fullmatch(text.strip())
    unit = (size[2] or "b").lower() if size else "b"
    found = int(float(size[1]) * (1024 if "i" in unit else 1000) ** _POWERS.index(unit[0])) if size else 0
    if found < 1:
        raise UsageError(f"{text!r} is not a size", hint='Write for example "1GB", "512MiB" or a number of bytes.')
    return found


def add_dataset(text: str, name: str, path: str, subject: str, format: str) -> str:
    """The text of an `instar.toml` with one more dataset at its end; everything that stood there stays as it is.

    Raises:
        ConfigurationError: there is a dataset of that name, or the text cannot take another table.
    """
    try:
        known = tomllib.loads(text).get("datasets", {})
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{NAME} is not valid TOML: {error}", hint="Mend it at that place.") from None
    if name in known:
        raise ConfigurationError(f"there is a dataset {name!r} already", hint="Choose another name for the new one.")
    key = name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else toml_string(name)
    lines = [
        f"[datasets.{key}]",
        *(f"{k} = {toml_string(v)}" for k, v in (("path", path), ("subject", subject), ("format", format))),
    ]
    gap = "" if not text else "\n" if text.endswith("\n") else "\n\n"
    longer = text + gap + "\n".join(lines) + "\n"
    try:
        tomllib.loads(longer)
    except tomllib.TOMLDecodeError:
        raise ConfigurationError(
            f"{NAME} cannot take another table at its end",
            hint="It has its datasets in one line; add this one by hand:\n" + "\n".join(lines),
        ) from None
    return longer
