"""One migration script: reading it, its normal form, and a draft of a new one."""

from __future__ import annotations

import ast
import dataclasses
import hashlib
import inspect
import json
import re
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from instar.formats.errors import InstarError, MigrationError
from instar.formats.path import parse_path, path_text
from instar.formats.schema import Record, Schema, Type, field_text, type_text
from instar.formats.typetext import parse_field_type

from .mapping import Operation
from .scripted import Scripted, calls_functions, code_of, run_script, with_functions
from .shared_types import editable
from .spelling import quoted


def number_of(filename: str) -> int | None:
    """The version that `0002_metric_distance.py` leads to; None where the name is not of that form."""
    match = re.fullmatch(r"(\d{4,})_\w+\.py", filename)
    return int(match[1]) if match and int(match[1]) >= 2 else None


@dataclass(frozen=True)
class Script:
    """What a script says; `lines` has the line number of each operation where `upgrade` is a plain list.

    `code` stands for the code that its operations call; "" where they call none.
    """

    message: str
    operations: tuple[Operation, ...]
    restore: Mapping[str, str]
    lines: tuple[int, ...]
    code: str = ""

    def hash(self) -> str:
        """Of the operations, the way back and the code in normal form: layout, comments and the message do not count."""
        restore = {path_text(parse_path(path)): sql.strip() for path, sql in self.restore.items()}
        said = [[_normal(o) for o in self.operations], restore, *([self.code] if self.code else [])]
        text = json.dumps(said, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _normal(operation: Any) -> list[Any]:
    """Its kind and the arguments that are not the default, paths and types in their one spelling."""
    fields = dataclasses.fields(operation) if dataclasses.is_dataclass(operation) else ()
    values = {f.name: getattr(operation, f.name) for f in fields if getattr(operation, f.name) is not f.default}
    return [type(operation).__name__, {name: _normal_value(name, value, operation) for name, value in values.items()}]


def _normal_value(name: str, value: Any, operation: Any) -> str:
    is_type = name == "type" or (name == "to" and type(operation).__name__ in ("Cast", "MapValues"))
    if is_type:
        return type_text(value) if isinstance(value, Type) else field_text(parse_field_type(value))
    if isinstance(value, Scripted):
        return "function"
    if calls_functions(value):
        return json.dumps(_normal(value), sort_keys=True, ensure_ascii=False)
    if name == "reads":
        return json.dumps([path_text(parse_path(path)) for path in value])
    if name == "writes":
        return json.dumps([[path_text(parse_path(path)), _normal_value("type", type, operation)] for path, type in value.items()])
    if isinstance(value, str):
        if name in ("path", "to", "after", "before"):
            return path_text(parse_path(value))
        return value.strip() if name in ("sql", "default_sql", "doc", "text") else value
    return repr(value)


# ---- reading
def read_script(file: Path, name: str) -> Script:
    """Run the script in a namespace of its own and take what it defines; `name` is what messages call it.

    Raises:
        MigrationError: it cannot be read or run, or does not define what a script must; names the line where there is one.
    """
    try:
        source = file.read_bytes()
        tree, namespace = run_script(source, file)
    except OSError as e:
        raise MigrationError(f"{name} cannot be read: {e.strerror}", hint="Check its permissions.") from e
    except SyntaxError as e:
        raise MigrationError(f"{name}, line {e.lineno}: {e.msg}", hint="A migration script is a Python file.") from e
    except InstarError as e:
        raise MigrationError(f"{name}{_line(e, file)}: {e.message}", hint=e.hint) from e
    except (Exception, SystemExit) as e:
        what, hint = _told(e)
        raise MigrationError(f"{name}{_line(e, file)}: {what}", hint=hint) from e
    upgrade = with_functions(_operations(namespace, name), file, source)
    message, lines = (ast.get_docstring(tree) or "").strip(), _lines(tree, len(upgrade))
    return Script(message, upgrade, _restore(namespace, name), lines, code_of(upgrade, tree, file))


def _line(error: BaseException, file: Path) -> str:
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
    return f", line {lines[-1]}" if lines else ""


def _told(error: BaseException) -> tuple[str, str]:
    """What a script raised, and what to do about it."""
    from . import operations

    if isinstance(error, AttributeError) and error.obj is operations:
        what, _, meant = str(error).partition(": ")
        return what, meant[:1].upper() + meant[1:]
    made = str(error).split(".__init__() ")
    names = [name for name in operations.__all__ if getattr(operations, name).__name__ == made[0]]
    if isinstance(error, TypeError) and len(made) == 2 and names:
        call = getattr(operations, names[0])
        return f"op.{names[0]}() {made[1]}", f"It is op.{names[0]}{_parameters(call)}."
    return (
        f"{type(error).__name__}: {error}",
        "The script must run by itself: it imports op from instar and defines the list upgrade.",
    )


def _parameters(call: Any) -> str:
    parameters = inspect.signature(call).parameters.values()
    shown = [p.name if p.default is p.empty else f"{p.name}=…" for p in parameters]
    keyword = next((i for i, p in enumerate(parameters) if p.kind is p.KEYWORD_ONLY), len(shown))
    return f"({', '.join([*shown[:keyword], *(['*'] if keyword < len(shown) else []), *shown[keyword:]])})"


def _operations(namespace: dict[str, Any], name: str) -> tuple[Operation, ...]:
    found = namespace.get("upgrade")
    if not isinstance(found, list | tuple):
        what = "has no list upgrade" if found is None else f"has an upgrade that is a {type(found).__name__}, not a list"
        raise MigrationError(f"{name} {what}", hint='Write upgrade = [op.rename("a", to="b"), …]; an empty list changes nothing.')
    for number, operation in enumerate(found):
        if isinstance(operation, type) or not callable(getattr(operation, "edit", None)):
            raise MigrationError(
                f"{name}: item {number + 1} of upgrade is not an operation but {operation!r}",
                hint="Operations are op.rename(…), op.add(…) …",
            )
    return tuple(found)


def _restore(namespace: dict[str, Any], name: str) -> Mapping[str, str]:
    if "downgrade" not in namespace:
        import difflib

        public = [key for key in namespace if not key.startswith("_") and key != "upgrade"]
        if near := difflib.get_close_matches("downgrade", public, n=1, cutoff=0.8):
            raise MigrationError(f"{name} defines {near[0]}", hint="Did you mean downgrade?")
        return {}
    found = namespace["downgrade"]
    if not isinstance(found, dict) or not all(isinstance(x, str) for pair in found.items() for x in pair):
        hint = 'Write downgrade = {"distance": "distance_km / 1.609344"}: SQL over the new record, by the path of the lost field.'
        raise MigrationError(f"{name}: downgrade is not a dict of SQL texts by path", hint=hint)
    return dict(found)


def _lines(tree: ast.Module, count: int) -> tuple[int, ...]:
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id="upgrade")], value=ast.List(elts=items)) if len(items) == count:
                return tuple(item.lineno for item in items)
    return ()


# ---- drafting
def draft(subject: str, version: int, message: str, schema: Schema) -> str:
    """The text of a new script to `version`, empty but for comments: the fields as they are now, and each operation by example."""
    text = message.strip().replace("\\", "\\\\")
    if '"""' in text or text.endswith('"'):
        text = text.replace('"', '\\"')
    now = "\n".join(f"#   {line}" for line in _listing(schema))
    examples = "\n".join(f"    # {line}" for line in _examples(schema))
    return f'''"""{text}"""

from instar import op

# {subject}, from version {version - 1} to {version}. The fields of version {version - 1} (? may be null):
#
{now}

upgrade = [
{examples}
]

# Only for what the way back would lose (`instar check` lists it): SQL over the new record, by the path of the lost field, such as
#   "distance": "distance_km / 1.609344",
downgrade = {{}}
'''


def _listing(schema: Schema) -> Iterator[str]:
    shown = [(path_text(path), f) for path, f in editable(schema)]
    width = max((len(path) for path, _ in shown), default=0)
    for path, f in shown:
        yield f"{path:<{width}}  {field_text(f)}{'  (the key may be missing)' if f.optional else ''}".replace("\n", " ")


def _examples(schema: Schema) -> Iterator[str]:
    names = [path_text((f.name,)) for f in schema.record.fields] if isinstance(schema.root.type, Record) else []
    first = quoted(names[0] if names else "name")
    yield f'op.rename({first}, to="new_name"),'
    yield 'op.add("currency", "string", default="USD"),'
    yield f"op.drop({first}),"
    yield f'op.cast({first}, "string"),'
    yield f'op.derive("twice", "double", sql={quoted(_sql_name(names[0] if names else "name") + " * 2.0")}),'
    yield f'op.move({first}, to="record.name"),'
    yield f"op.require({first}),"
    yield f"op.allow_null({first}),"
    yield "and op.map_values, split, merge, python, wrap, head, reorder, set_doc, set_tag, unset_tag: help(op.split)"


def _sql_name(path: str) -> str:
    return path if re.fullmatch(r"[A-Za-z_]\w*", path) or path.startswith('"') else f'"{path}"'
