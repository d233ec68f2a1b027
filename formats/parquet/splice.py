"""One Parquet file spliced into a new one: the column chunks of untouched leaves are copied, only the others are encoded.

Whatever is odd goes the old way: a file that cannot be taken apart with certainty, or has a value that the conversion refuses, is
rewritten in full, which gives the exact values and errors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING
from weakref import ReferenceType, ref

from instar.formats.errors import DataError, FileError, SchemaError, UnreadableError
from instar.formats.fingerprint import differences
from instar.formats.format import Rewrite, Rewritten, Stamp
from instar.formats.path import Path
from instar.formats.schema import Schema
from instar.formats.splice import Splice

from .chunks import Unspliceable, refuse_gaps, refuse_odd
from .footer import Element, flat, get, tree_of, with_key_values
from .layout import Draft, Layout, laid_out
from .output import kept_storage, key_values_of, leaf_origins, planned, read_back
from .places import places
from .sort_order import in_order
from .source import ARROW_SCHEMA, Source, open_source
from .thrift import I32, I64, LIST, STRUCT, Struct, encode
from .weave import Holder, Weave, woven

if TYPE_CHECKING:
    from .scratch import Scratch


def rewritten(request: Rewrite) -> Rewritten:
    """See `Format.rewrite`."""
    if request.splice is None:
        return _in_full(request)
    progress = _Told(request.progress)
    try:
        return _spliced(replace(request, progress=progress.tell), request.splice)
    except Unspliceable as odd:
        why = str(odd)
    except DataError:
        why = "a value is refused"  # by a message of the full rewrite's, which hides what is not to be seen
    return replace(_in_full(replace(request, progress=progress.again())), why=why)


def _in_full(request: Rewrite) -> Rewritten:
    from . import rewrite

    return rewrite.rewritten(request)


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


def obstacle(source: Source, target: Schema, carried: Mapping[Path, Path], splice: Splice) -> str:
    """Why a file will not be spliced, as far as its footer tells; "" where it will be. Nothing is written or decoded for it."""
    try:
        refuse_odd(source.footer)
        _designed(source, target, carried, splice.untouched, _drafts(source, target, splice), None)
    except Unspliceable as odd:
        return str(odd)
    except UnreadableError:
        raise
    except (SchemaError, FileError) as error:
        return error.message
    return ""


def _drafts(source: Source, target: Schema, splice: Splice) -> list[Draft]:
    """What the scratches will be."""
    if not splice.constants and splice.part is None:
        return []
    from .scratch import columns_of, drafted

    found: list[Draft] = []
    if splice.constants:
        schema = columns_of(target, splice.constants)
        found.append(drafted(planned(source, schema, {}, None), schema))
    if splice.part is not None:
        part = splice.part
        found.append(drafted(planned(source, part.target_schema, part.carried, None, part.follows), part.target_schema))
    return found


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
    alike = source.footer.start if weave.is_copy else 0
    return Rewritten(rows_in=sum(rows), rows_out=sum(rows), notes=notes, way="spliced", alike=alike)


def _scratches(source: Source, request: Rewrite, splice: Splice, open_files: ExitStack) -> list[Scratch]:
    """Files that hold what is not copied."""
    if not splice.constants and splice.part is None:
        return []
    from .scratch import encoded, repeated

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
    drafts = [each.draft for each in scratches]
    target, carried = request.target_schema, request.carried
    design = _designed(source, target, carried, splice.untouched, drafts, request.stamp)
    file = open_files.enter_context(open(request.source, "rb", buffering=0))  # noqa: SIM115
    weave = Weave(
        source=Holder(file, source.footer, range(len(source.footer.rows))),
        scratches=[each.holder for each in scratches],
        layout=design.layout,
        paths=[leaf.path for leaf in design.root.all_leaves],
        origins=in_order(source.footer, design.root, design.origins),
        key_values=design.key_values,
    )
    return weave, design.notes


@dataclass(frozen=True)
class _Design:
    """What the new footer says but for where things are. `root` is the tree of its elements, `origins` has for each leaf the source
    leaf that it is carried from; `notes` are about key-values that were left out."""

    layout: Layout
    root: Element
    origins: tuple[int | None, ...]
    key_values: dict[bytes, bytes | None]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Question:
    """What a design depends on. All that is looked at in the `source` and the `drafts` stands beside them, so that a question that
    was answered for another file is known again; the source itself, whose footer may be large, is not kept with the answer."""

    source: ReferenceType[Source] = field(compare=False)
    drafts: Sequence[Draft] = field(compare=False)
    source_schema: tuple[bytes, bytes | None]
    source_key_values: tuple[tuple[bytes, bytes | None], ...]
    drafted: tuple[tuple[bytes, tuple[Path, ...]], ...]
    target: Schema
    carried: tuple[tuple[Path, Path], ...]
    untouched: tuple[tuple[Path, Path], ...]
    stamp: Stamp | None


def _designed(
    source: Source,
    target: Schema,
    carried: Mapping[Path, Path],
    untouched: Mapping[Path, Path],
    drafts: Sequence[Draft],
    stamp: Stamp | None,
) -> _Design:
    """
    Raises:
        Unspliceable: the columns do not go together, or would be understood as others than the target's.
    """
    footer = source.footer
    return _design(
        _Question(
            ref(source),
            drafts,
            (footer.schema, get(footer.bare, 7)),  # the schema elements, and by what orders the columns are compared
            tuple(footer.key_values.items()),
            tuple((encode({1: (LIST, (STRUCT, flat(each.root)))}), tuple(each.places)) for each in drafts),
            target,
            tuple(carried.items()),
            tuple(untouched.items()),
            stamp,
        )
    )


@lru_cache(maxsize=16)
def _design(question: _Question) -> _Design:
    """Nothing of what is found is ever changed in place."""
    source, target, carried = question.source(), question.target, dict(question.carried)
    assert source is not None  # whoever asks has it
    layout = laid_out(source, target, dict(question.untouched), carried, question.drafts)
    bare: Struct = {1: (I32, 2), 2: (LIST, (STRUCT, layout.elements)), 3: (I64, 0), 4: (LIST, (STRUCT, []))}
    try:
        logical = kept_storage(source.logical, target, carried)
        pairs, notes = key_values_of(source, target, carried, question.stamp, logical, bare)
    except SchemaError as error:
        raise Unspliceable(error.message) from None
    _refuse_misread(bare, pairs, target)
    new = replace(source.footer, root=tree_of(layout.elements))
    origins = leaf_origins(new, places(new.root, target.record), source, carried)
    return _Design(layout, new.root, origins, pairs, notes)


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
