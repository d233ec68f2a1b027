"""`init`: start a project, and adopt a directory of data as the first version of a subject."""

from __future__ import annotations

from pathlib import Path

from instar.formats.atomic import write_text
from instar.formats.discover import list_dataset, resolve_dataset
from instar.formats.errors import ConfigurationError, UsageError
from instar.formats.format import FORMATS, format_named
from instar.formats.registry import check_subject
from instar.transforms.configuration import NAME, add_dataset, parse_configuration
from instar.transforms.job import inventory_of
from instar.transforms.project import Project
from instar.transforms.remember import remember_adopted
from instar.transforms.report import Adopted, FileProblem

HEAD = 1 << 16
FIRST_LINES = "# Datasets of this project: one table each. `instar init --from DIR` adds another.\n"


def init(
    folder: Path, *, source: Path | None = None, name: str | None = None, subject: str | None = None, format: str | None = None
) -> Adopted:
    """Write `instar.toml`, `schemas/` and `migrations/` where they are missing; adopt `source` if it is given.

    The subject's first version is inferred from all data files: a field is nullable if any of them says so. A subject that is
    registered already is taken as it is. No data file is touched.

    Raises:
        ConfigurationError: there is a project already and nothing to adopt, or it has a dataset of that name.
        UsageError: there is no data at `source`. FileError: the files have no schema in common; names two of them and the field.
    """
    configuration = folder / NAME
    if source is None:
        if configuration.exists():
            raise ConfigurationError(f"{configuration} exists already", hint="To adopt a directory in it: instar init --from DIR")
        _make_project(folder)
        return Adopted(str(folder.resolve()), "", 0, str(configuration))
    location = resolve_dataset(source if source.is_absolute() else folder / source)
    name = name or (location.name if location.is_dir() else location.name.split(".")[0])
    subject = subject or name
    check_subject(subject)
    found = list_dataset(location)
    paths = [found.root / f.path for f in found.files]
    format = format or _format_of(paths, location)
    text = configuration.read_bytes().decode("utf-8") if configuration.exists() else FIRST_LINES
    added = add_dataset(text, name, _spelled(source, folder, location), subject, format)
    data = [path for path in paths if _is(format, path)]
    if not data:
        raise UsageError(f"there are no {format} files in {location}", hint=f"Say which format it is: --format {'|'.join(FORMATS)}")
    project = Project(folder, parse_configuration(added, folder))
    known = subject in project.registry.subjects()
    if known:
        version = project.registry.head(subject)
    else:
        version = project.registry.register(subject, format_named(format).infer(data), format)
    job = project.dataset(name).job()
    inventory = inventory_of(job)
    _make_project(folder, added)  # last: what failed before has not made a dataset
    remember_adopted(job, inventory)
    notes = (f"{subject} is registered already; the files were compared with its versions",) if known else ()
    return Adopted(
        project=str(folder.resolve()),
        subject=subject,
        version=version,
        document=str(project.registry.path(subject, version)),
        dataset=name,
        files=sum(f.version is not None for f in inventory.files),
        notes=(*notes, *map(str, inventory.warnings)),
        problems=tuple(FileProblem(p.path, p.message, p.hint) for p in inventory.problems),
    )


def _make_project(folder: Path, text: str = FIRST_LINES) -> None:
    for name in ("schemas", "migrations"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    write_text(folder / NAME, text)


def _spelled(source: Path, folder: Path, location: Path) -> str:
    """The path as `instar.toml` has it: relative to the project where the dataset lies in it, else as given."""
    try:
        return location.relative_to(folder.resolve()).as_posix()
    except ValueError:
        return source.as_posix()


def _is(format: str, path: Path) -> bool:
    with path.open("rb") as file:
        return format_named(format).recognises(file.read(HEAD), path.name)


def _format_of(paths: list[Path], location: Path) -> str:
    """The format that most files have, by their content."""
    counts = {name: sum(_is(name, path) for path in paths[:1000]) for name in FORMATS}
    best = max(counts, key=lambda name: counts[name])
    if not counts[best]:
        raise UsageError(
            f"there are no Parquet, Avro or JSON files in {location}", hint="Check the path; data files are told by their content."
        )
    return best
