"""The user's functions over Arrow arrays: one call a row."""

from __future__ import annotations

import pyarrow as pa

from instar.formats.errors import DataError
from instar.formats.path import Path, path_text
from instar.transforms.expression import Call

from .plain import from_python, to_python
from .scope import Live, Scope


def run_call(e: Call, inputs: list[pa.Array], scope: Scope, live: Live, path: Path) -> pa.Array:
    """The node's values, plain; called for live rows only, null elsewhere. `inputs` are plain.

    Raises:
        DataError: the function refuses a row, or gives what its fields do not hold; names the first one.
    """
    alive = None if live.mask is None else live.mask.to_pylist()
    made = []
    for row, values in enumerate(zip(*(to_python(a, t) for a, (_, t) in zip(inputs, e.inputs, strict=True)), strict=True)):
        if alive is not None and not alive[row]:
            made.append(None)
            continue
        try:
            made.append(e.function(*values))
        except DataError as error:
            raise error.at(row=scope.row(row), path=path_text(path)) from error.__cause__
    return from_python(made, e.type)
