"""One Parquet file spliced into a new one: the column chunks of untouched leaves are copied, only the others are encoded.

Whatever is odd goes the old way: a file that cannot be taken apart with certainty, or has a value that the conversion refuses, is
rewritten in full, which gives the exact values and errors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace

from instar.formats.errors import DataError, SchemaError
from instar.formats.fingerprint import differences
from instar.formats.format import Rewrite, Rewritten
from instar.formats.path import Path
from instar.formats.schema import Schema
from instar.formats.splice import Splice

from . import rewrite
from .chunks import Unspliceable, refuse_gaps, refuse_odd
from .footer import tree_of, with_key_values
from .layout import Layout, Made, laid_out
from .output import kept_storage, key_values_of, leaf_origins, read_back
from .places import places
from .scratch import Scratch, encoded, repeated
from .source import ARROW_SCHEMA, Source, open_source
from .thrift import I32, I64, LIST, STRUCT, Struct
from .weave import Holder, Weave, woven


def rewritten(request: Rewrite) -> Rewritten:
    """See `Format.rewrite`."""
    if request.splice is None:
        return rewrite.rewritten(request)
    progress = _Told(request.progress)
    try:
        return _spliced(replace(request, progress=progress.tell), request.splice)
    except Unspliceable as odd:
        why = str(odd)
    except DataError as error:
        why = f"a value is refused: {error.message}"
    return replace(rewrite.rewritten(replace(request, progress=progress.again())), why=why)


class _Told:
    """Progress that begins again: what was told already is not told twice."""

    def __init__(self, progress: Callable[[int, int], None]) -> None:
        self._progress = progress
        self._told = (0, 0)

    def tell(self, rows: int, size: int) -> None:
        self._told = self._told[0] + rows, self._told[1] + size
        self._progress(rows, size)

    def again(self) -> Callable[[int, int], None]:
        rows_told, size_told = self._told

        def tell(rows: int, size: int) -> None:
            nonlocal rows_told, size_told
            more = max(rows - rows_told, 0), max(size - size_told, 0)
            rows_told, size_told = max(rows_told - rows, 0), max(size_told - size, 0)
            self._progress(*more)

        return tell


def _spliced(request: Rewrite, splice: Splice) -> Rewritten:
    source = open_source(request.source)
    refuse_odd(source.footer)
    with ExitStack() as open_files:
        scratches = _scratches(source, request, splice, open_files)
        weave, notes = _weave(source, request, splice, scratches, open_files)
        if not weave.is_copy:
            refuse_gaps(source)
        rows = source.footer.rows
        woven(weave, request.target, _telling(request, source))
    return Rewritten(rows_in=sum(rows), rows_out=sum(rows), notes=notes, way="spliced")


def _scratches(source: Source, request: Rewrite, splice: Splice, open_files: ExitStack) -> list[Scratch]:
    """Files that hold what is not copied."""
    folder = request.target.parent
    found: list[Scratch] = []
    if splice.constants:
        found.append(repeated(source, request.target_schema, splice.constants, folder, open_files))
    if splice.part is not None:
        found += encoded(source, request, splice.part, folder, open_files)
    return found


def _weave(
    source: Source, request: Rewrite, splice: Splice, scratches: Sequence[Scratch], open_files: ExitStack
) -> tuple[Weave, tuple[str, ...]]:
    layout = _layout(source, request.target_schema, request.carried, splice.untouched, scratches)
    footer = replace(source.footer, root=tree_of(layout.elements))
    bare = _bare(layout)
    try:
        logical = kept_storage(source.logical, request.target_schema, request.carried)
        pairs, notes = key_values_of(source, request.target_schema, request.carried, request.stamp, logical, bare)
    except SchemaError as error:
        raise Unspliceable(error.message) from None
    _refuse_misread(bare, pairs, request.target_schema)
    origins = leaf_origins(footer, places(footer.root, logical.record), source, request.carried)
    file = open_files.enter_context(open(request.source, "rb", buffering=0))  # noqa: SIM115
    holder = Holder(file, source.footer, range(len(source.footer.row_groups)))
    paths = [leaf.path for leaf in footer.root.leaves()]
    return Weave(holder, [each.holder for each in scratches], layout, paths, origins, pairs), notes


def _layout(
    source: Source, target: Schema, carried: Mapping[Path, Path], untouched: Mapping[Path, Path], scratches: Sequence[Scratch]
) -> Layout:
    """
    Raises:
        Unspliceable: the columns do not go together, or would be understood as others than the target's.
    """
    made = {path: Made(i, place) for i, each in enumerate(scratches) for path, place in each.places.items()}
    return laid_out(source, target, untouched, carried, made, [each.holder.footer for each in scratches])


def _refuse_misread(bare: Struct, pairs: Mapping[bytes, bytes | None], target: Schema) -> None:
    """
    Raises:
        Unspliceable: what readers find in the new footer is not the target's schema.
    """
    hints = {key: value for key, value in pairs.items() if key == ARROW_SCHEMA}
    found = read_back(with_key_values(bare, hints))
    for difference in differences(found, target, nullability=True):
        raise Unspliceable(f"its columns would be read otherwise: {difference}")
    if found.record.names != target.record.names:
        raise Unspliceable("its columns would be read in another order")


def _bare(layout: Layout) -> Struct:
    """A footer with the schema elements and nothing else."""
    return {1: (I32, 2), 2: (LIST, (STRUCT, layout.elements)), 3: (I64, 0), 4: (LIST, (STRUCT, []))}


def _telling(request: Rewrite, source: Source) -> Callable[[int], None]:
    """Tells progress as row groups are done: the file's size, spread over its rows."""
    told = 0

    def done(group: int) -> None:
        nonlocal told
        rows = source.footer.rows
        size = source.footer.size * sum(rows[: group + 1]) // max(sum(rows), 1)
        request.progress(rows[group], size - told)
        told = size

    return done
