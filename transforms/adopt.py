"""`init`: start a project, and adopt a directory of data as the first version of a subject."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from instar.formats.atomic import write_text
from instar.formats.discover import list_dataset, resolve_dataset
from instar.formats.errors import ConfigurationError, UsageError
from instar.formats.format import FORMATS, format_named
from instar.formats.registry import check_subject
from instar.transforms.answers import Adopted
from instar.transforms.configuration import NAME, add_dataset, configuration_text, parse_configuration
from instar.transforms.execution import held
from instar.transforms.job import Job, inventory_of
from instar.transforms.project import Project
from instar.transforms.remember import remember_adopted
from instar.transforms.report import FileProblem
from instar.transforms.run.effects import Effects, PosixEffects

HEAD = 1 << 16
FIRST_LINES = "# Datasets of this project: one table each. `instar init --from DIR` adds another.\n"


def init(
    folder: Path | str,
    *,
    source: Path | str | None = None,
    name: str | None = None,
    subject: str | None = None,
    format: str | None = None,
) -> Adopted:
    """Write `instar.toml`, `schemas/` and `migrations/` where they are missing; adopt `source` if it is given.

    The subject's first version is inferred from all data files: a field is nullable if any of them says so. A subject that is
    registered already is taken as it is. No data file is touched.

    Raises:
        LockedError: a run works on the dataset, whose manifest (JSON) would have to be written.
        ConfigurationError: there is a project already and nothing to adopt, or it has a dataset of that name.
        UsageError: there is no data at `source`. FileError: the files have no schema in common; names two of them and the field.
    """
    folder = Path(folder)
    if source is not None:
        return _adopted(folder, Path(source), name, subject, format)
    if (folder / NAME).exists():
        raise ConfigurationError(f"{folder / NAME} exists already", hint="To adopt a directory in it: instar init --from DIR")
    _make_project(folder)
    return Adopted(str(folder.resolve()), "", 0, str(folder / NAME))


def _adopted(folder: Path, source: Path, name: str | None, subject: str | None, format: str | None) -> Adopted:
    """The dataset in the project's `instar.toml`, which is written last: what fails has not made a dataset."""
    location = resolve_dataset(source if source.is_absolute() else folder / source)
    name = name or (location.name if location.is_dir() else location.name.split(".")[0])
    subject = subject or name
    check_subject(subject)
    found = list_dataset(location)
    paths = [found.root / f.path for f in found.files]
    format = format or _format_of(paths, location)
    known = configuration_text(folder) if (folder / NAME).exists() else FIRST_LINES
    text = add_dataset(known, name, _spelled(source, folder, location), subject, format)
    data = [path for path in paths if _is(format, path)]
    if not data:
        raise UsageError(f"there are no {format} files in {location}", hint=f"Say which format it is: --format {'|'.join(FORMATS)}")
    project = Project(folder, parse_configuration(text, folder))
    with _alone(project.dataset(name).job(), format) as effects:
        version, notes = _version(project, subject, format, data)
        job = project.dataset(name).job()
        inventory = inventory_of(job)
        found_at = {file.version for file in inventory.files if file.version is not None}
        version = found_at.pop() if len(found_at) == 1 else version
        _make_project(folder, text)
        remember_adopted(job, inventory, effects)
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


def _alone(job: Job, format: str) -> AbstractContextManager[Effects]:
    """The dataset's lock where its manifest will be written, which other projects' runs may write, too."""
    effects = PosixEffects()
    return held(job, "init", effects) if format == "json" else nullcontext(effects)


def _version(project: Project, subject: str, format: str, data: list[Path]) -> tuple[int, tuple[str, ...]]:
    """The newest version of the subject, and what to say of it; where it has none, the one that the files have in common."""
    if subject in project.registry.subjects():
        note = f"{subject} is registered already; the files were compared with its versions"
        return project.registry.head(subject), (note,)
    return project.registry.register(subject, format_named(format).infer(data), format), ()


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
