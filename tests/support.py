"""What end-to-end tests look at: a command's answer, and everything there is in a folder."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Answer:
    """What a command said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


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
