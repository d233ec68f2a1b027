"""One Parquet file through real migrations, called by `limits.Nursery`: renamed, added to, cast, and all of it taken back.

Every step is a run of the commands with its proof, and the file is kept beside after it, for another reader to judge. The way back
must give the file's own values under their own names.
"""

from __future__ import annotations

import contextlib
import io
import json
import shutil
from pathlib import Path
from typing import Any

import duckdb  # noqa: F401  loaded before the fork, it is not loaded for every file again
import pyarrow.parquet as pq

import instar
import instar.transforms.migrate
from instar.cli.main import run
from instar.formats.path import EACH_ITEM, EACH_VALUE, path_text
from instar.formats.path import Path as Place
from instar.formats.schema import Bool, Date, Decimal, Field, Float, Int, List, Map, Record, Timestamp

RENAMED, ADDED = "renamed by instar", "added by instar"


def main(file: str, folder: str, *allow: str) -> dict[str, Any]:
    """`refused` ({step: [exit code, message, hint]}), `proved` (the steps whose run says so) and `cast` ([top column, path, to]).

    `allow` is what `fidelity.allow` is to hold.
    """
    project = Path(folder)
    data = project / "data" / "set" / Path(file).name
    data.parent.mkdir(parents=True)
    shutil.copy(file, data)
    steps = _Steps(project, data)
    if steps.command("adopt", "init", "--from", "data/set"):
        with (project / "instar.toml").open("a", encoding="utf-8") as toml:
            toml.write(f"workers = 1\n[datasets.set.fidelity]\nallow = {json.dumps(allow)}\n")
        steps.all(instar.open(project).registry.schema("set", 1).record)
    return steps.told


class _Steps:
    """A project with one file; what was told of each step."""

    def __init__(self, project: Path, data: Path) -> None:
        self.project, self.data = project, data
        self.told: dict[str, Any] = {"refused": {}, "proved": [], "cast": None}

    def all(self, record: Record) -> None:
        scripts = [f"op.rename({path_text((record.names[0],))!r}, to={RENAMED!r})"] if record.names else []
        scripts.append(f"op.add({path_text((ADDED,))!r}, 'string', default='new')")
        int96 = set(columns_of_int96(self.data))  # some are finer than microseconds, or out of their range
        cast = next((found for f in record.fields if f.name not in int96 and (found := castable((f.name,), f))), None)
        if cast:
            place, to = cast
            at = (RENAMED, *place[1:]) if place[0] == record.names[0] else place
            scripts.append(f"op.cast({path_text(at)!r}, {to!r})")
            self.told["cast"] = [place[0], path_text(place), to]
        if all(self.migrated(version, text) for version, text in enumerate(scripts, 2)):
            self.kept("back", "downgrade", "set", "1", "--proof", "full")

    def migrated(self, version: int, text: str) -> bool:
        script = self.project / "migrations" / "set" / f"{version:04d}_step.py"
        script.parent.mkdir(parents=True, exist_ok=True)
        script.write_text(f'"""One step."""\nfrom instar import op\nupgrade = [{text}]\n', "utf-8")
        step = text.partition("(")[0].removeprefix("op.")
        return self.command(f"register {step}", "register", "set") and self.kept(step, "upgrade", "set", str(version))

    def kept(self, step: str, *arguments: str) -> bool:
        """A run, after which the file is copied under the step's name."""
        done = self.command(step, *arguments)
        if done:
            shutil.copy(self.data, self.project / f"{step}.parquet")
        return done

    def command(self, step: str, *arguments: str) -> bool:
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            code = run(["-C", str(self.project), *arguments, "--json"])
        answer = json.loads(said.getvalue())
        if code:
            error = answer["error"]
            whole = "\n".join([error["message"], *(e["message"] for e in error.get("errors", ()))])
            self.told["refused"][step] = [code, whole, error["hint"]]
        elif (answer.get("proof") or {}).get("verdict") == "proved":
            self.told["proved"].append(step)
        return code == 0


def columns_of_int96(file: Path) -> list[str]:
    """The top-level columns that hold INT96."""
    schema = pq.ParquetFile(file).schema
    leaves = [schema.column(i) for i in range(len(schema))]
    return [leaf.path.split(".")[0] for leaf in leaves if leaf.physical_type == "INT96"]


def castable(place: Place, field: Field) -> tuple[Place, str] | None:
    """The first place at or below `place` that can be cast and back whatever its values are, and to what."""
    match field.type:
        case Record(fields):
            return next((found for f in fields if (found := castable((*place, f.name), f))), None)
        case List(item):
            return castable((*place, EACH_ITEM), item)
        case Map(value):
            return castable((*place, EACH_VALUE), value)
        case Int(8 | 16 | 32, True):
            return place, "int64"
        case Float(16 | 32):
            return place, "double"
        case Bool() | Int() | Float(64) | Date() | Timestamp():
            return place, "string"
        case Decimal(precision) if precision <= 38:
            return place, "string"
        case _:
            return None
