"""What the crash tests migrate: small, but with all in it that a run must carry over; how it is looked at, before and after."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from instar.formats.errors import InstarError
from instar.transforms.gc import gc
from instar.transforms.job import Job, Options
from instar.transforms.migrate import migrate
from instar.transforms.project import open_project
from instar.transforms.restore import restore
from instar.transforms.run.effects import Effects
from instar.transforms.run.journal import Method
from instar.transforms.status import runs_of, status_of

NAME = "events"
SUFFIX = {"parquet": ".parquet", "avro": ".avro", "json": ".ndjson"}
LONG_AGO = 1_600_000_000
AVRO = {"type": "record", "name": "Event", "fields": [{"name": "n", "type": "long"}, {"name": "text", "type": "string"}]}
NEWEST: list[dict[str, Any]] = [{"n": n, "terms": "new", "note": "late", "more": "or less"} for n in range(3)]
BACK: dict[str, Method] = {"replace": "replace"}
"""How a rollback publishes, by the upgrade's method, where it is not left to it to find out."""
STEPS = {
    "0002_words": 'op.add("note", "string", default="-"),\n    op.rename("text", to="words")',
    "0003_terms": 'op.add("more", "string", default="+"),\n    op.rename("words", to="terms")',
}
REFUSING = ',\n    op.map_values("terms", {"word 0": "zero", "word 1": "one", "word 2": "two"}, otherwise="quarantine")'


def dataset_of(box: Path) -> Path:
    return box / "data" / NAME


def place_of(box: Path) -> Path:
    """What runs publish: the dataset, or its shadow."""
    return open_project(box).dataset(NAME).run_job().place


def state_of(box: Path) -> Path:
    return box / "data" / ".instar" / place_of(box).name


def job_of(box: Path) -> Job:
    return open_project(box).dataset(NAME).run_job()


# ---- making it
def make_project(box: Path, format: str, method: str, table: str = "", bad: bool = False) -> None:
    """A project with three files at version 2, to which a run has brought them, one at version 3 already, which is the newest,
    other files, modes, an empty folder. `table`: further lines of the dataset's table. `bad`: a record of each file cannot be
    migrated to version 3, and in JSON a line of one file is no record."""
    dataset, suffix = dataset_of(box), SUFFIX[format]
    for name, first in (("month=1/a", 0), ("month=1/b", 10), ("month=2/c", 20)):
        write(dataset / f"{name}{suffix}", format, [{"n": first + n, "text": f"word {n}"} for n in range(4)])
    _command(box, "init", "--from", f"data/{NAME}")
    for name, operations in {**STEPS, **({"0003_terms": STEPS["0003_terms"] + REFUSING} if bad else {})}.items():
        script = box / "migrations" / NAME / f"{name}.py"
        script.parent.mkdir(parents=True, exist_ok=True)
        script.write_text(f'"""One step."""\n\nfrom instar import op\n\nupgrade = [\n    {operations},\n]\n')
        _command(box, "register", NAME)
    _command(box, "upgrade", NAME, "2", "--workers", "1", "--method", method)
    with (box / "instar.toml").open("a", encoding="utf-8") as file:
        file.write(table)
    write(dataset / f"month=2/new{suffix}", format, NEWEST)
    if bad and format == "json":
        with (dataset / f"month=1/a{suffix}").open("a", encoding="utf-8") as file:
            file.write('{"n": 4, "words": "word 4"')
    (dataset / f"month=1/.a{suffix}.crc").write_text("a checksum")
    (dataset / "month=1" / "README").write_text("read me\n")
    (dataset / ".hidden").write_text("")
    (dataset / "_SUCCESS").write_text("")
    if format == "parquet":
        (dataset / "_common_metadata").write_text("a summary of what was")
    (dataset / "empty").mkdir()
    (dataset / f"month=1/b{suffix}").chmod(0o640)
    (dataset / "_SUCCESS").chmod(0o400)
    (dataset / "month=2").chmod(0o750)
    for path in (*dataset.rglob("*"), dataset):
        os.utime(path, (LONG_AGO, LONG_AGO))


def arrive(box: Path, format: str) -> None:
    """A file of the newest version comes."""
    write(dataset_of(box) / f"month=1/came{SUFFIX[format]}", format, NEWEST)


def _command(box: Path, *arguments: str) -> None:
    from instar.cli.main import run

    if run(["-C", str(box), *arguments, "--json"]) != 0:
        raise AssertionError(arguments)


def write(path: Path, format: str, records: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if format == "parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        types, added = {"n": pa.int64()}, ("note", "more")
        schema = pa.schema([pa.field(name, types.get(name, pa.string()), nullable=name not in added) for name in records[0]])
        pq.write_table(pa.Table.from_pylist(records, schema), path)
    elif format == "avro":
        import fastavro

        fields = [{"name": name, "type": "long" if name == "n" else "string"} for name in records[0]]
        with path.open("wb") as file:
            fastavro.writer(file, {**AVRO, "fields": fields}, records, sync_marker=b"0123456789abcdef")
    else:
        path.write_text("".join(json.dumps(record) + "\n" for record in records))


# ---- the commands
def command(box: Path, verb: str, settings: dict[str, Any], effects: Effects) -> tuple[str, int]:
    """Run `upgrade`, `rollback` or `gc`: the report's status, or what refused it; and how many staged files it took over."""
    try:
        if verb == "gc":
            return gc(job_of(box), keep=0, last=True, backup=box / "nas", effects=effects).action, 0
        if verb == "rollback":
            report = restore(job_of(box), options=Options(method=BACK.get(settings["method"])), effects=effects)
        else:
            report = migrate(job_of(box), None, Options(**settings), verb=verb, effects=effects)
    except InstarError as error:
        return f"{type(error).__name__}: {error}", 0
    return report.status, len(report.resumed.receipts) if report.resumed else 0


def receipts(box: Path) -> int:
    """How many files the last run has durably staged, if it has come no further, by its journal."""
    runs = state_of(box) / "runs"
    journals = [run / "journal.jsonl" for run in sorted(runs.iterdir())] if runs.is_dir() else []
    if not journals or not journals[-1].is_file():
        return 0
    events = [json.loads(line) for line in journals[-1].read_text().splitlines(keepends=True) if line.endswith("\n")]
    begun = max((n for n, event in enumerate(events) if event["event"] == "Resumed"), default=0)
    if any(event["event"] == "PublishBegun" for event in events[begun:]):
        return 0
    return len({event["receipt"]["path"] for event in events[begun:] if event["event"] == "Staged"})


# ---- looking at it
Standing = dict[str, tuple[str, str, int | None]]
"""Path → mode, hash of the contents ("" for a folder), mtime in ns (None: nobody promises it)."""


def standing(root: Path) -> Standing:
    """The tree below `root`, the root itself as "."; nothing where there is none."""
    found: Standing = {}
    if not root.exists():
        return found
    for path in (root, *sorted(root.rglob("*"))):
        known = path.lstat()
        hash = hashlib.sha256(path.read_bytes()).hexdigest()[:12] if path.is_file() else ""
        found[path.relative_to(root).as_posix()] = (oct(known.st_mode), hash, known.st_mtime_ns)
    return found


def promised(before: Standing, after: Standing) -> Standing:
    """What must stand there after a run: `after`, with those times that an uninterrupted run kept."""
    return {
        path: (mode, hash, time if path in before and before[path][2] == time else None)
        for path, (mode, hash, time) in after.items()
    }


def differences(wanted: Standing, found: Standing) -> list[str]:
    out = [f"{path} is missing" for path in wanted.keys() - found.keys()]
    out += [f"{path} is left over" for path in found.keys() - wanted.keys()]
    for path in wanted.keys() & found.keys():
        for what, one, other in zip(("mode", "contents", "time"), wanted[path], found[path], strict=True):
            if one is not None and one != other:
                out.append(f"{path}: its {what} is {other}, not {one}")
    return sorted(out)


def looks(box: Path) -> dict[str, Any]:
    """What `status` and `runs` say."""
    job = job_of(box)
    status = status_of(job)
    return {
        "versions": {str(v.version): v.files for v in status.versions},
        "interrupted": list(status.interrupted),
        "problems": [str(problem) for problem in status.problems],
        "runs": [(run.verb, run.status) for run in runs_of(job).runs],
        "quarantined": [path.read_text() for path in sorted((state_of(box) / "runs").glob("*/quarantine.ndjson"))],
    }


RECORDS = {"plan.json", "journal.jsonl", "before.json", "after.json", "report.json"}
OF_PUBLISHED = {"snapshot", "quarantine", "quarantine.ndjson"}


def leftovers(box: Path) -> list[str]:
    """What stands beside the dataset that no later command has a use for."""
    state = state_of(box)
    out = [path.name for path in dataset_of(box).parent.iterdir() if path.name not in (NAME, ".instar", place_of(box).name)]
    out += [f".instar/{path.name}" for path in state.parent.iterdir() if path.name not in (NAME, state.name)]
    out += [path.name for path in state.iterdir() if path.name not in ("lock", "manifest.json", "runs")]
    statuses = {run.run: run.status for run in runs_of(job_of(box)).runs}
    for run in (state / "runs").iterdir() if (state / "runs").is_dir() else ():
        allowed = RECORDS | (OF_PUBLISHED if statuses[run.name] in ("finished", "rolled back") else set())
        out += [f"{path.name} of a run that is {statuses[run.name]}" for path in run.iterdir() if path.name not in allowed]
    return sorted(out)
