"""Functions that a migration script defines: how they reach a worker process, and what stands for their code in a chain's hash."""

from __future__ import annotations

import ast
import functools
import hashlib
import inspect
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

from instar.formats.errors import MigrationError

if TYPE_CHECKING:
    from instar.transforms.operations._python import Python


def calls_functions(operation: Any) -> TypeGuard[Python]:
    """Is it an `op.python`? Its module is loaded where a script names it."""
    if all(known.__name__ != "Python" for known in type(operation).__mro__):
        return False
    from instar.transforms.operations._python import Python

    return isinstance(operation, Python)


def run_script(source: bytes, file: Path) -> tuple[ast.Module, dict[str, Any]]:
    """The script's tree, and the namespace that running it leaves.

    Raises:
        Exception: whatever the script raises; SyntaxError.
    """
    tree = ast.parse(source, str(file))
    namespace: dict[str, Any] = {"__name__": "instar_migration", "__file__": str(file)}
    exec(compile(tree, str(file), "exec", dont_inherit=True), namespace)
    return tree, namespace


@dataclass(frozen=True)
class Scripted:
    """A function of a script. Pickled, it is the script's path and hash and where its operations have the function.

    There the script is run again, which makes it anew: a lambda, a closure or an imported function alike.
    """

    call: Callable[..., Any]
    file: str
    hash: str
    operation: int
    attributes: tuple[str, ...]

    def __call__(self, *values: Any) -> Any:
        return self.call(*values)

    @property
    def __wrapped__(self) -> Callable[..., Any]:
        return self.call

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (self.file, self.hash, self.operation, self.attributes)


def _again(file: str, hash: str, operation: int, attributes: tuple[str, ...]) -> Any:
    found: Any = _operations_again(file, hash)[operation]
    for name in attributes:
        found = getattr(found, name)
    return found


@lru_cache(maxsize=256)
def _operations_again(file: str, hash: str) -> tuple[Any, ...]:
    source = Path(file).read_bytes()
    if _hash(source) != hash:
        raise MigrationError(f"{file} changed since the run began", hint="Repeat the command.")
    return with_functions(tuple(run_script(source, Path(file))[1]["upgrade"]), Path(file), source)


def with_functions(operations: Sequence[Any], file: Path, source: bytes) -> tuple[Any, ...]:
    """The operations of a script, with functions that can be pickled."""
    hash = _hash(source)

    def told(python: Python, number: int, at: tuple[str, ...]) -> Python:
        back = python.inverse
        if callable(back):
            back = Scripted(back, str(file), hash, number, (*at, "inverse"))
        elif back is not None:
            back = told(back, number, (*at, "inverse"))
        return replace(python, func=Scripted(python.func, str(file), hash, number, (*at, "func")), inverse=back)

    return tuple(told(o, number, ()) if calls_functions(o) else o for number, o in enumerate(operations))


def _hash(source: bytes) -> str:
    return hashlib.sha256(source).hexdigest()


# ---- what stands for code
def code_of(operations: Sequence[Any], tree: ast.Module, file: Path) -> str:
    """The code that operations call: the script's own without layout, comments and message, and of every function that it
    imports the file that defines it. "" where no operation calls any. What those files import in turn is not looked at.
    """
    functions = [f for o in operations if calls_functions(o) for f in _functions(o)]
    if not functions:
        return ""
    body = tree.body[1:] if ast.get_docstring(tree) is not None else tree.body
    own = ast.unparse(ast.Module(body, type_ignores=[]))
    return "\n".join([own, *sorted({_code_elsewhere(f, file) for f in functions})])


def _functions(python: Python) -> list[Callable[..., Any]]:
    back = python.inverse
    return [python.func, *([back] if callable(back) else _functions(back) if back is not None else [])]


def _code_elsewhere(function: Any, file: Path) -> str:
    """ "" for a function of the script's own; of a library's the file's hash; of Python's, and of compiled ones, the name."""
    inner = inspect.unwrap(function)
    while isinstance(inner, functools.partial):
        inner = inspect.unwrap(inner.func)
    code = getattr(inner, "__code__", None) or getattr(type(inner).__call__, "__code__", None)
    name = f"{getattr(inner, '__module__', '')}.{getattr(inner, '__qualname__', type(inner).__qualname__)}"
    if code is None or name.partition(".")[0] in sys.stdlib_module_names:
        return name
    if code.co_filename == str(file):
        return ""
    return f"{name} {_hash(Path(code.co_filename).read_bytes())}"
