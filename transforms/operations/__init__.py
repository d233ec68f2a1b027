"""The operations of migration scripts: `from instar import op`, then `op.rename("dep_delay", to="departure_delay")` and so on.

One file each. An operation is frozen data with one method, `edit`: how it edits the identity mapping of the schema it meets.
"""

from __future__ import annotations

from .add import Add
from .allow_null import AllowNull
from .cast import Cast
from .derive import Derive
from .drop import Drop
from .map_values import MapValues
from .move import Move
from .python import Python
from .rename import Rename
from .require import Require

rename = Rename
add = Add
drop = Drop
cast = Cast
derive = Derive
map_values = MapValues
move = Move
python = Python
require = Require
allow_null = AllowNull

__all__ = ["add", "allow_null", "cast", "derive", "drop", "map_values", "move", "python", "rename", "require"]
