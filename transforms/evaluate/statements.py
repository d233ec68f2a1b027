"""Python statements under construction, and those that make a record's keys."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from instar.formats.path import Path, path_text


class Statements:
    """`lines` so far, and the `constants`: objects that they name."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.constants: dict[str, Any] = {}
        self.depth = 0
        self.names = 0
        self.path = ""

    def fresh(self, prefix: str = "v") -> str:
        self.names += 1
        return f"{prefix}{self.names}"

    def constant(self, value: Any) -> str:
        name = self.fresh("k")
        self.constants[name] = value
        return name

    def emit(self, line: str) -> None:
        self.lines.append("    " * self.depth + line)

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        self.emit(head)
        self.depth += 1
        start = len(self.lines)
        yield
        if len(self.lines) == start:
            self.emit("pass")
        self.depth -= 1

    def place(self, path: Path) -> None:
        """From here on, an error is one of this target path."""
        text = path_text(path)
        if text != self.path:
            self.emit(f"path = {text!r}")
            self.path = text

    def sealing(self, path: Path) -> None:
        """From here on, an error is one of something in this target container, and says itself of what."""
        self.emit(f"path = {path_text(path) + '.'!r}")
        self.path = "."


# ---- a record's keys
def collect(code: Statements, out: str, container: str | None, entries: list[tuple[str, str | None, str | None]]) -> None:
    """A dict of (name, key of the container that is passed on, or variable) at once; only where a key is missing, one by one."""
    display = ", ".join(f"{name!r}: {raw or f'{container}[{direct!r}]'}" for name, direct, raw in entries)
    with code.block("try:"):
        code.emit(f"{out} = {{{display}}}")
    with code.block("except KeyError:"):
        code.emit(f"{out} = {{}}")
        for name, direct, raw in entries:
            there = f"{raw} is not M" if raw else f"{direct!r} in {container}"
            code.emit(f"if {there}: {out}[{name!r}] = {raw or f'{container}[{direct!r}]'}")
    with code.block("else:"):
        for name, _, raw in entries:
            if raw and raw not in code.constants:
                code.emit(f"if {raw} is M: del {out}[{name!r}]")


def keep_unknown(
    code: Statements, out: str, container: str, known: frozenset[str], names: frozenset[str], direct: list[str]
) -> None:
    """Add the keys that no schema names; a record that has as many keys as the schema, and all of them, has none such."""
    apart = "".join(f" or {name!r} not in {container}" for name in sorted(known - set(direct)))
    every = code.constant(known)
    missing = f" or len({out}) != {len(names)}"
    with (
        code.block(f"if len({container}) != {len(known)}{missing}{apart}:"),
        code.block(f"if not {container}.keys() <= {every}:"),
    ):
        if new := names - known:
            made = code.constant(new)
            code.emit(f"if not {made}.isdisjoint({container}): refuse_key({container}, {every}, {made})")
        code.emit(f"for key in {container}:")
        code.emit(f"    if key not in {every}: {out}[key] = {container}[key]")
