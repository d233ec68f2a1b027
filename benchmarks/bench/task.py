"""What a tool is asked to do: files, a change, a folder for the output. Plain data that travels to the tool's process as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Change:
    """One migration, as every tool understands it. Names are the source's, dotted inside records; `order` has the target's names.

    Columns keep their order where `order` is empty; added ones go last. `cast` and `add` use the types of migration scripts.
    """

    name: str
    rename: Mapping[str, str] = field(default_factory=dict)
    drop: Sequence[str] = ()
    cast: Mapping[str, str] = field(default_factory=dict)
    add: Mapping[str, tuple[str, Any]] = field(default_factory=dict)
    order: Sequence[str] = ()

    def columns(self, names: Sequence[str]) -> list[tuple[str, str | None]]:
        """(target column, source column, None where it is added), for a source with these top-level columns."""
        kept = [(self.rename.get(name, name), name) for name in names if name not in self.drop]
        made: list[tuple[str, str | None]] = [*kept, *((name, None) for name in self.add)]
        return sorted(made, key=lambda pair: list(self.order).index(pair[0])) if self.order else made


@dataclass(frozen=True)
class Task:
    """`target` is an empty folder; each source becomes a file of the same name there. `warm_up` is a small file of the same kind.

    `cores` are the processors that the process may use, `document` a schema document for files that carry none, `cache` a folder in
    which a tool may keep what it needs in every run. `options` are the tool's own.
    """

    tool: str
    format: str
    codec: str
    change: Change
    sources: Sequence[str]
    target: str
    cores: Sequence[int]
    warm_up: str = ""
    document: str = ""
    cache: str = ""
    options: Json = field(default_factory=dict)

    @property
    def pairs(self) -> list[tuple[Path, Path]]:
        """Source file and the file that is to come of it."""
        return [(Path(source), Path(self.target) / Path(source).name) for source in self.sources]

    @property
    def share(self) -> Sequence[str]:
        """The first of the sources, as many as the option of that name says."""
        return self.sources[: round(len(self.sources) * self.options.get("share", 1.0))]

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> Task:
        known = json.loads(text)
        return Task(**{**known, "change": Change(**known["change"])})
