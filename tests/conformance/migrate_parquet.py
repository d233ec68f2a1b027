"""One Parquet file through real migrations: `migrate_parquet.py FILE FOLDER [CODE …]`.

Version 2 renames the first column, 3 adds one, 4 casts one where a column allows it; then all of it is taken back at once, which
must give the file's own values under their own names. After each step the file is kept beside, for another reader to judge. What
was answered goes to stdout as one JSON object. The codes are what `fidelity.allow` is to hold.
"""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

NEW = "instar_added"


def main(file: Path, folder: Path, allow: Sequence[str]) -> dict[str, Any]:
    """What each command answered: {step: [exit code, its JSON]}; and `cast`: [column, type], or null where no column allows one."""
    (folder / "data" / "set").mkdir(parents=True)
    data = folder / "data" / "set" / file.name
    shutil.copy(file, data)
    answers: dict[str, Any] = {"adopt": command(folder, "init", "--from", "data/set")}
    if answers["adopt"][0]:
        return answers
    with (folder / "instar.toml").open("a", encoding="utf-8") as toml:
        toml.write(f"workers = 1\n[datasets.set.fidelity]\nallow = {json.dumps(list(allow))}\n")
    answers |= scripted(folder)
    steps = [number for number in (2, 3, 4) if (folder / "migrations" / "set" / f"{number:04d}_step.py").exists()]
    for number in steps:
        answers[f"register {number}"] = answer = command(folder, "register", "set")
        if answer[0]:
            return answers
        answers[f"to {number}"] = answer = command(folder, "upgrade", "set", str(number))
        if answer[0]:
            return answers
        shutil.copy(data, folder / f"v{number}.parquet")
    answers["back"] = command(folder, "downgrade", "set", "1")
    if not answers["back"][0]:
        shutil.copy(data, folder / "v1.parquet")
    return answers


def command(folder: Path, *arguments: str) -> list[Any]:
    """Exit code and JSON answer of one command line."""
    from instar.cli.main import run

    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        code = run(["-C", str(folder), *arguments, "--json", *(["-v"] if arguments[0] != "init" else [])])
    return [code, json.loads(said.getvalue())]


def scripted(folder: Path) -> dict[str, Any]:
    """Writes the scripts; tells what they name."""
    import instar

    record = instar.open(folder).registry.schema("set", 1).record
    first, *_ = (*record.names, "")
    cast = next(((f.name, type) for f in record.fields if (type := castable(f.type))), None)
    new = first + "_renamed"
    renamed = {first: new}
    steps = [f"op.rename({quoted(first)!r}, to={new!r})", f"op.add({NEW!r}, 'string', default='new')"]
    if cast:
        steps.append(f"op.cast({quoted(renamed.get(cast[0], cast[0]))!r}, {cast[1]!r})")
    scripts = folder / "migrations" / "set"
    scripts.mkdir(parents=True, exist_ok=True)
    for number, text in enumerate(steps if record.names else steps[1:2], 2):
        (scripts / f"{number:04d}_step.py").write_text(f'"""One step."""\nfrom instar import op\nupgrade = [{text}]\n', "utf-8")
    return {"first": first, "cast": cast}


def quoted(name: str) -> str:
    """A column's name as a path."""
    return '"' + name.replace('"', '""') + '"'


def castable(type: Any) -> str | None:
    """A type that every value of `type` can be cast to, and back."""
    from instar.formats.schema import Bool, Date, Decimal, Float, Int, Timestamp

    match type:
        case Int(8 | 16 | 32, True):
            return "int64"
        case Float(16 | 32):
            return "double"
        case Bool() | Int() | Float(64) | Date() | Timestamp():
            return "string"
        case Decimal(precision) if precision <= 38:
            return "string"
        case _:
            return None


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])))
