"""What one gate said: a check of the project's own, its test command, its queries. Plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["check", "command", "queries"]
Verdict = Literal["passed", "failed", "undecided"]


@dataclass(frozen=True)
class GateResult:
    """`name`: the check's file, the command's first word … `seconds`: wall time. `detail` is JSON-able, by kind.

    "undecided": it says nothing of this run (a check that reads a column which an older version does not have), and stops nothing.
    `message`: what to say of it, in one or more lines; "" where it passed. `hint`: what to do next.
    """

    kind: Kind
    name: str
    verdict: Verdict
    seconds: float
    detail: Mapping[str, Any] = field(default_factory=dict)
    message: str = ""
    hint: str = ""

    def as_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "name": self.name,
            "verdict": self.verdict,
            "seconds": round(self.seconds, 3),
            "message": self.message or None,
            "detail": dict(self.detail),
        }
