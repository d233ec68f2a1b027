"""Paths: the one notation for a place in a schema, the same in every format.

`a.b` a field of a record · `items[].price` each element · `tags{}` each map value · `payload<Created>.id` a union's branch ·
`<Address>.zip` a named type, all its uses at once · `"odd.name"` any name, a quote inside it doubled; `<"odd<name>">` likewise.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .errors import SchemaError


@dataclass(frozen=True)
class Step:
    """A step that is not a field name, so that a field may be *called* "[]"."""

    text: str


EACH_ITEM = Step("[]")
EACH_VALUE = Step("{}")


@dataclass(frozen=True)
class Branch(Step):
    """A union's branch, or at the front of a path a named type: `text` is the name without its brackets."""


Path = tuple[str | Step, ...]

_TOKEN = re.compile(
    r"""(?P<dot>\.)? (?: "(?P<quoted>(?:[^"]|"")*)" | (?P<plain>[^.\[\]{}"<>]+) )
      | (?P<item>\[\]) | (?P<value>\{\}) | <(?: "(?P<named>(?:[^"]|"")+)" | (?P<branch>[^<>"]+) )>""",
    re.VERBOSE,
)


def parse_path(text: str) -> Path:
    """Text to path.

    Raises:
        SchemaError: the text is empty or not of the notation; names the place.
    """
    steps: list[str | Step] = []
    end = 0
    while end < len(text):
        token = _TOKEN.match(text, end)
        named = token is not None and (token["quoted"] is not None or token["plain"] is not None)
        if token is None or (named and bool(token["dot"]) == (not steps)):
            raise _bad(text, end)
        end = token.end()
        if token["quoted"] is not None:
            steps.append(token["quoted"].replace('""', '"'))
        elif token["plain"] is not None:
            steps.append(token["plain"])
        elif token["named"] or token["branch"]:
            steps.append(Branch(token["branch"] or token["named"].replace('""', '"')))
        else:
            steps.append(EACH_ITEM if token["item"] else EACH_VALUE)
    if not steps:
        raise _bad(text, 0)
    return tuple(steps)


def _bad(text: str, at: int) -> SchemaError:
    return SchemaError(
        f"the path {text!r} cannot be read at character {at + 1}",
        hint='Write a.b, items[].price, tags{} or payload<Created>.id, and put an odd name in double quotes: "odd.name".',
    )


def path_text(path: Path) -> str:
    """Path to text; `parse_path` reads it back. The empty path is the record itself: ""."""
    out = ""
    for step in path:
        if isinstance(step, Branch):
            out += f"<{_branch_text(step.text)}>"
        elif isinstance(step, Step):
            out += step.text
        else:
            out += ("." if out else "") + quoted_name(step)
    return out


def _branch_text(name: str) -> str:
    return '"' + name.replace('"', '""') + '"' if set(name) & set('<>"') else name


def quoted_name(name: str) -> str:
    """A field name as a path spells it: in double quotes unless it is plain."""
    return name if re.fullmatch(r"\w+", name) else '"' + name.replace('"', '""') + '"'
