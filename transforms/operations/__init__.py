"""The operations of migration scripts: `from instar import op`, then `op.rename("dep_delay", to="departure_delay")` and so on.

One file each. An operation is frozen data with one method, `edit`: how it edits the identity mapping of the schema it meets.
"""

from __future__ import annotations

import sys
from typing import NoReturn

from .add import Add
from .allow_null import AllowNull
from .cast import Cast
from .derive import Derive
from .drop import Drop
from .head import Head
from .map_values import MapValues
from .merge import Merge
from .move import Move
from .python import Python
from .rename import Rename
from .reorder import Reorder
from .require import Require
from .set_doc import SetDoc
from .set_tag import SetTag, UnsetTag
from .split import Split
from .wrap import Wrap

rename = Rename
add = Add
drop = Drop
cast = Cast
derive = Derive
map_values = MapValues
move = Move
python = Python
split = Split
merge = Merge
reorder = Reorder
wrap = Wrap
head = Head
require = Require
allow_null = AllowNull
set_doc = SetDoc
set_tag = SetTag
unset_tag = UnsetTag

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


def __getattr__(name: str) -> NoReturn:
    from difflib import get_close_matches

    meant = _ELSEWHERE.get(name) or next(iter(get_close_matches(name, __all__, n=1)), "")
    hint = f"did you mean op.{meant}?" if meant else f"operations are {', '.join(__all__)}"
    raise AttributeError(f"there is no operation {name}: {hint}", name=name, obj=sys.modules[__name__])
