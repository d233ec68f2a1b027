"""What tests look at: a command's answer, everything there is in a folder, a field."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from instar.formats.schema import Field
from instar.formats.typetext import parse_field_type


@dataclass(frozen=True)
class Answer:
    """What a command said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def field(name: str, type: str, **more: Any) -> Field:
    """A field whose type is spelled as scripts spell it."""
    return replace(parse_field_type(type), name=name, **more)


def data_tree(folder: Path) -> dict[str, Any]:
    """As `tree`, without Instar's own state folders."""
    return {path: entry for path, entry in tree(folder).items() if ".instar" not in path}


def tree(folder: Path, *, times: bool = False) -> dict[str, Any]:
    """Every file and folder below, with its content's hash and mode, and with `times` its inode and mtime."""
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        known = path.stat()
        entry: list[Any] = [oct(known.st_mode), hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None]
        found[path.relative_to(folder).as_posix()] = (*entry, known.st_ino, known.st_mtime_ns) if times else tuple(entry)
    return found


def leave_three_months(flights: Path) -> None:
    """Of the sample flights, a file a month, those of January to March."""
    for folder in flights.glob("month=*"):
        if folder.name > "month=03":
            shutil.rmtree(folder)
