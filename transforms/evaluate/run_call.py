"""The user's functions over Arrow arrays: one call a row."""

from __future__ import annotations

import pyarrow as pa

from instar.formats.errors import DataError
from instar.formats.path import Path, path_text
from instar.transforms.expression import Call

from .plain import from_python, to_python
from .refusals import calling, together
from .scope import Live, Scope


def run_call(e: Call, inputs: list[pa.Array], scope: Scope, live: Live, path: Path, *, every: bool = False) -> pa.Array:
    """The node's values, plain; called for live rows only, null elsewhere. `inputs` are plain.

    Raises:
        DataError: the function refuses a row, or gives what its fields do not hold; names the first one. Collected: with `every`,
            all of them.
    """
    alive = None if live.mask is None else live.mask.to_pylist()
    made, refused = [], []
    function = calling(e)
    for row, values in enumerate(zip(*(to_python(a, t) for a, (_, t) in zip(inputs, e.inputs, strict=True)), strict=True)):
        if alive is not None and not alive[row]:
            made.append(None)
            continue
        try:
            made.append(function(*values))
        except DataError as error:
            located = error.at(row=scope.row(row), path=path_text(path))
            if not every:
                raise located from error.__cause__
            refused.append(located)
    if refused:
        raise together(refused)
    return from_python(made, e.type)
