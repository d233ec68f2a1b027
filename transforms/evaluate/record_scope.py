"""The record, or the element of a list, map or union, that sources in generated code speak of, and the statements that read it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from instar.formats.path import Path
from instar.formats.schema import Field, Record, Type
from instar.formats.values import Values
from instar.transforms import casts
from instar.transforms.shared_types import Named, resolved

from .statements import Statements


@dataclass
class Scope:
    """The record or element that sources speak of: the variable that holds it, the field it is of, and where it is.

    `named` is what References in it mean. `values` opens and decodes it: the format's, or plain ones for the elements of a computed
    list. `done` has the variables of what was computed in this block and those around it; `number` is the variable with the number
    of the record or element.
    """

    variable: str
    root: Field
    named: Named
    values: Values
    path: Path
    number: str
    done: dict[Any, str] = field(default_factory=dict)

    def inner(self) -> Scope:
        """The same scope in a block inside: what is computed there is not seen outside."""
        return Scope(self.variable, self.root, self.named, self.values, self.path, self.number, dict(self.done))

    def at(self, path: tuple[str, ...]) -> Field:
        found = self.root
        for name in path:
            record = resolved(found.type, self.named)
            assert isinstance(record, Record)
            found = record[name]
        return found

    def type(self, path: tuple[str, ...]) -> Type:
        """The type at `path`: what a name means in its place."""
        return resolved(self.at(path).type, self.named)


class Reading(Statements):
    """Statements that read a scope's sources, each of them once in a block."""

    def got(self, path: tuple[str, ...], scope: Scope) -> str:
        """The variable with the raw value at `path`."""
        if not path:
            return scope.variable
        if ("got", path) not in scope.done:
            container, out = self.opened(path[:-1], scope), self.fresh()
            sure = ("sure", path[:-1]) in scope.done
            found = f"{container}.get({path[-1]!r}, M)"
            self.emit(
                f"{out} = {found}" if sure else f"{out} = {container} if {container} is None or {container} is M else {found}"
            )
            scope.done["got", path] = out
        return scope.done["got", path]

    def opened(self, path: tuple[str, ...], scope: Scope) -> str:
        """The variable with the opened record, list or map at `path`."""
        if ("opened", path) not in scope.done:
            raw, out = self.got(path, scope), self.fresh("c")
            opener = self.constant(scope.values.opener(scope.at(path)))
            self.emit(f"{out} = {raw} if {raw} is None or {raw} is M else {opener}({raw})")
            scope.done["opened", path] = out
            if not path and scope.variable == "record":
                self.emit(f"if {out} is None: refuse_record()")
                scope.done["sure", path] = out
        return scope.done["opened", path]

    def branch(self, path: tuple[str, ...], scope: Scope) -> str:
        """The variable with the pair of number and raw value of the union's branch at `path`."""
        if ("branch", path) not in scope.done:
            raw, out = self.got(path, scope), self.fresh("u")
            opener = self.constant(scope.values.branch_opener(scope.at(path)))
            self.emit(f"{out} = {raw} if {raw} is None or {raw} is M else {opener}({raw})")
            scope.done["branch", path] = out
        return scope.done["branch", path]

    def decoded(self, path: tuple[str, ...], scope: Scope) -> str:
        """The variable with the Python value at `path`."""
        if ("decoded", path) not in scope.done:
            raw, decode = self.got(path, scope), scope.values.decoder(scope.at(path))
            out = raw if decode is casts.same else self.fresh()
            if out != raw:
                self.emit(f"{out} = {raw} if {raw} is None or {raw} is M else {self.constant(decode)}({raw})")
            scope.done["decoded", path] = out
        return scope.done["decoded", path]
