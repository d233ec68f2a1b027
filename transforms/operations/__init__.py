"""The operations of migration scripts: `from instar import op`, then `op.rename("dep_delay", to="departure_delay")` and so on.

One file each, loaded when a script names its operation. An operation is frozen data with one method, `edit`: how it edits the
identity mapping of the schema it meets.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._add import Add
    from ._allow_null import AllowNull
    from ._cast import Cast
    from ._derive import Derive
    from ._drop import Drop
    from ._head import Head
    from ._map_values import MapValues
    from ._merge import Merge
    from ._move import Move
    from ._python import Python
    from ._rename import Rename
    from ._reorder import Reorder
    from ._require import Require
    from ._set_doc import SetDoc
    from ._set_tag import SetTag, UnsetTag
    from ._split import Split
    from ._wrap import Wrap

    add = Add
    allow_null = AllowNull
    cast = Cast
    derive = Derive
    drop = Drop
    head = Head
    map_values = MapValues
    merge = Merge
    move = Move
    python = Python
    rename = Rename
    reorder = Reorder
    require = Require
    set_doc = SetDoc
    set_tag = SetTag
    unset_tag = UnsetTag
    split = Split
    wrap = Wrap

__all__ = [
    "add", "allow_null", "cast", "derive", "drop", "head", "map_values", "merge", "move", "python", "rename", "reorder", "require",
    "set_doc", "set_tag", "split", "unset_tag", "wrap",
]  # fmt: skip

_ELSEWHERE = {
    "remove": "drop", "delete": "drop", "drop_column": "drop", "alter": "cast", "change_type": "cast", "convert": "cast",
    "add_column": "add", "compute": "derive", "replace": "map_values", "map": "map_values", "nest": "move", "unnest": "move",
    "concat": "merge", "join": "merge", "not_null": "require", "fill": "require", "nullable": "allow_null", "tag": "set_tag",
    "comment": "set_doc", "first": "head",
}  # fmt: skip
"""What other tools, or other people, call an operation."""


_CLASSES = {
    "add": "Add", "allow_null": "AllowNull", "cast": "Cast", "derive": "Derive", "drop": "Drop", "head": "Head",
    "map_values": "MapValues", "merge": "Merge", "move": "Move", "python": "Python", "rename": "Rename", "reorder": "Reorder",
    "require": "Require", "set_doc": "SetDoc", "set_tag": "SetTag", "split": "Split", "unset_tag": "UnsetTag", "wrap": "Wrap",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _CLASSES:
        return getattr(import_module(f"{__name__}._{name.removeprefix('un')}"), _CLASSES[name])
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name, obj=sys.modules[__name__])
    from difflib import get_close_matches

    meant = _ELSEWHERE.get(name) or next(iter(get_close_matches(name, __all__, n=1)), "")
    hint = f"did you mean op.{meant}?" if meant else f"operations are {', '.join(__all__)}"
    raise AttributeError(f"there is no operation {name}: {hint}", name=name, obj=sys.modules[__name__])


def __dir__() -> list[str]:
    return sorted(__all__)
