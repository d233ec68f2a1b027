"""One Avro file through real migrations, called by `limits.Nursery`: renamed, added to, cast, and all of it taken back.

Every step is a run of the commands with its proof, and the file is kept beside after it, for another reader to judge. First the
file is written anew by the mapping that changes nothing: data that are not records can only be carried.
"""

from __future__ import annotations

import contextlib
import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb  # noqa: F401  loaded before the fork, it is not loaded for every file again
import fastavro  # noqa: F401
import pyarrow  # noqa: F401

import instar.transforms.migrate  # noqa: F401
from instar.cli.main import run
from instar.formats.avro import FORMAT
from instar.formats.errors import InstarError
from instar.formats.path import EACH_ITEM, EACH_VALUE, path_text
from instar.formats.path import Path as Place
from instar.formats.schema import Bool, Date, Decimal, Field, Float, Int, List, Map, Record, Timestamp, Type, type_text
from instar.transforms.mapping import identity
from instar.transforms.proof.integrity import prove_file
from instar.transforms.run.stage_file import stage_file
from instar.transforms.run.unit import Unit

RENAMED, ADDED = "renamed_by_instar", "added_by_instar"


def main(file: str, folder: str) -> dict[str, Any]:
    """`refused` ({step: [exit code, message, hint]}), `proved` (the steps whose run says so) and `cast` ([path, from, to])."""
    project = Path(folder)
    data = project / "data" / Path(file).name
    data.parent.mkdir(parents=True)
    shutil.copy(file, data)
    steps = _Steps(project, data)
    steps.identity()
    if steps.command("adopt", "init", "--from", "data", "--name", "set"):
        with (project / "instar.toml").open("a", encoding="utf-8") as toml:
            toml.write("workers = 1\n")
        record = FORMAT.parse((project / "schemas" / "set" / "v1.avsc").read_text("utf-8")).root.type
        names = record.names if isinstance(record, Record) else ("value",)
        cast = next(_castable((), record), None)
        steps.migrated(2, f"op.rename({names[0]!r}, to={RENAMED!r})")
        steps.migrated(3, f"op.add({ADDED!r}, 'string', default='new')")
        if cast is not None:
            place, _, to = cast
            at = path_text((RENAMED, *place[1:]) if place[0] == names[0] else place)
            steps.migrated(4, f"op.cast({at!r}, {to!r})")
            steps.told["cast"] = [path_text(place), type_text(cast[1]), to]
        steps.kept("back", "downgrade", "set", "1", "--proof", "full")
    return steps.told


class _Steps:
    """What has been done with one file so far; after a step that was refused the others are left out."""

    def __init__(self, project: Path, data: Path) -> None:
        self.project = project
        self.data = data
        self.told: dict[str, Any] = {"refused": {}, "proved": [], "cast": None}

    def identity(self) -> None:
        """The file written anew, as the run of a mapping without any operation would."""
        try:
            schema = FORMAT.inspect(self.data).schema
            assert schema is not None
            staged = self.project / "identity.avro"
            unit = Unit(self.data.name, str(self.data), str(staged), "avro", identity(schema), schema, None, "", 1 << 28)
            proof = prove_file(unit, stage_file(unit), level="full")
        except InstarError as error:
            self.told["refused"]["identity"] = [error.exit_code, str(error), error.hint]
            return
        assert proof.verdict == "proved", proof
        self.told["proved"].append("identity")

    def migrated(self, version: int, operation: str) -> None:
        if self.going_on():
            script = self.project / "migrations" / "set" / f"{version:04d}_step.py"
            script.parent.mkdir(parents=True, exist_ok=True)
            script.write_text(f'"""One step."""\nfrom instar import op\nupgrade = [{operation}]\n', "utf-8")
            if self.command(f"register {version}", "register", "set"):
                self.kept(str(version), "upgrade", "set", str(version))

    def kept(self, step: str, *arguments: str) -> None:
        """A run, and the file as it leaves it."""
        if self.going_on() and (answer := self.command(step, *arguments)):
            if answer["proof"]["verdict"] == "proved":
                self.told["proved"].append(step)
            shutil.copy(self.data, self.project / f"{step}.avro")

    def going_on(self) -> bool:
        return not self.told["refused"]

    def command(self, step: str, *arguments: str) -> Any:
        """The command's answer; None where it was refused."""
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            code = run(["-C", str(self.project), *arguments, "--json"])
        answer = json.loads(said.getvalue())
        if code:
            self.told["refused"][step] = [code, answer["error"]["message"], answer["error"]["hint"]]
            return None
        return answer


def _castable(place: Place, type: Type) -> Iterator[tuple[Place, Type, str]]:
    """Places whose every value can be cast to a type, and back; outermost first."""
    below: list[tuple[Place, Field]] = []
    match type:
        case Record(fields):
            below = [((*place, f.name), f) for f in fields]
        case List(item):
            below = [((*place, EACH_ITEM), item)]
        case Map(value):
            below = [((*place, EACH_VALUE), value)]
    for at, field in below:
        match field.type:
            case Int(32):
                yield at, field.type, "int64"
            case Float(32):
                yield at, field.type, "double"
            case Bool() | Int(64) | Float(64) | Date() | Timestamp():
                yield at, field.type, "string"
            case Decimal(precision, _) if precision <= 38:
                yield at, field.type, "string"
    for at, field in below:
        yield from _castable(at, field.type)
