"""What the project's own checks and its test command said, in the reports of runs and of `verify`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape

from instar.cli.layout import counted, duration

if TYPE_CHECKING:
    from instar.transforms.gate_result import GateResult


def print_gates(console: Console, gates: Sequence[GateResult]) -> None:
    """A line for the checks together and one for each command; what did not pass says why. Nothing where nothing was asked."""
    checks = [gate for gate in gates if gate.kind == "check"]
    if checks:
        took = duration(sum(gate.seconds for gate in checks))
        said = [counted(len(each), "check") + f" {word}" for word, each in _by_verdict(checks)]
        console.print(f"checks   {', '.join(said)} ({took})")
    for gate in gates:
        if gate.kind == "command":
            console.print(f"test     {gate.verdict}: {escape(gate.name)} ({duration(gate.seconds)})")
    for gate in gates:
        if gate.kind == "queries":
            counts = ", ".join(f"{count} {label}" for label, count in sorted(gate.detail["counts"].items()))
            console.print(f"queries  {gate.verdict}: {counts or 'none'} ({duration(gate.seconds)})")
    for gate in gates:
        if gate.message:
            colour = "red" if gate.verdict == "failed" else "yellow"
            console.print(f"[{colour}]{gate.verdict}[/]: {escape(gate.message)}")


def _by_verdict(gates: Sequence[GateResult]) -> list[tuple[str, list[GateResult]]]:
    found = [(word, [gate for gate in gates if gate.verdict == word]) for word in ("passed", "failed", "undecided")]
    return [(word, each) for word, each in found if each]
