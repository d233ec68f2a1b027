"""The operations of migration scripts: `from instar import op`, then `op.rename("dep_delay", to="departure_delay")` and so on.

One file each. An operation is frozen data with one method, `edit`: how it edits the identity mapping of the schema it meets.
"""

from __future__ import annotations

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
