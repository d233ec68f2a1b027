"""A mapping as a format splices by it: what is copied, what is the same in every record, and the computed part."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping as Dict
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path as FilePath
from typing import Any

from instar.formats.format import Format
from instar.formats.path import Path
from instar.formats.schema import Schema
from instar.formats.splice import Part, Splice, Way
from instar.transforms.apart import only, taken_apart
from instar.transforms.expression import Struct
from instar.transforms.mapping import Mapping
from instar.transforms.pruned import follows, needed, pruned


@dataclass(frozen=True)
class Foretold:
    """`way` and `why` as a receipt will have them, as far as that is known before a file's values are read; `notes` for people."""

    way: Way = "spliced"
    why: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Asked:
    """What will be asked of a format for files of one schema."""

    source: Schema
    target: Schema
    carried: Dict[Path, Path]
    reads: tuple[str, ...]
    splice: Splice | None

    def foretold(self, format: Format, *, leaving_out: bool, path: FilePath | None = None) -> Foretold:
        """How files will come about, or the one at `path`."""
        if self.splice is None:
            return Foretold("rewritten")
        why = format.unspliced(self.source, self.target, self.splice, carried=self.carried, leaving_out=leaving_out, path=path)
        return Foretold("rewritten" if why else "spliced", why)


class Asking:
    """What will be asked of a format for each file, made once for each schema that files have."""

    def __init__(self, format: Format) -> None:
        self._format = format
        self._made: dict[tuple[int, int], tuple[Mapping, Schema | None, Asked]] = {}

    def of(self, mapping: Mapping, schema: Schema | None) -> Asked:
        """For a file that is to go through `mapping`, with a schema of its own where it has one."""
        key = id(mapping), id(schema)
        if key not in self._made:
            own = mapping if schema is None else mapping.rebased(schema)
            asked = Asked(own.source, own.target, own.carried(), own.reads(), splice_of(self._format, own))
            self._made[key] = mapping, schema, asked  # with what it is of, so that nothing else gets those ids
        return self._made[key][2]


def splice_of(format: Format, mapping: Mapping) -> Splice | None:
    """The mapping taken apart for a format; None where there is nothing to take apart."""
    apart = taken_apart(mapping)
    if apart is None:
        return None
    splice = Splice(mapping.untouched(), apart.copied, apart.constants, None)
    if format.shape == "columns":
        return replace(splice, part=_computed_leaves(mapping, splice.untouched, apart.constants))
    if format.name == "json":  # its texts tell where members are at every depth
        from instar.transforms.evaluate.levels import levels

        return replace(splice, levels=levels(mapping, format.values(mapping.source, mapping.target)))
    if apart.part is None:
        return splice
    from instar.transforms.evaluate.by_columns import by_columns

    columnar, rowwise = by_columns(apart.part)
    return replace(
        splice,
        part=_computed_fields(format, apart.part, mapping),
        widened=apart.widened,
        columnar=columnar and _asked(columnar, lambda: _batches(columnar)),
        rowwise=rowwise and _computed_fields(format, rowwise, mapping),
    )


def _computed_leaves(mapping: Mapping, untouched: Dict[Path, Path], constants: Dict[str, Any]) -> Part | None:
    """All leaves that are neither untouched nor constant."""
    part = pruned(mapping, untouched, constants)
    return None if part is None else _columns(part)


def _columns(part: Mapping) -> Part:
    from instar.transforms.evaluate.by_columns import elementwise

    @lru_cache(maxsize=8)
    def some(names: tuple[str, ...]) -> Part:
        assert isinstance(part.root.expression, Struct)
        less = only(part, [column for column in part.root.expression.columns if column.field.name in names])
        assert less is not None
        return _columns(less)

    made = _asked(part, lambda: _batches(part))
    return replace(made, source_schema=needed(part), follows=follows(part), elementwise=elementwise(part),
                   only=lambda names: some(tuple(names)))  # fmt: skip


def _computed_fields(format: Format, part: Mapping, whole: Mapping) -> Part:
    return _asked(part, lambda: _fields(format, part, whole))


def _asked(part: Mapping, made: Callable[[], Callable[[Any], Any]]) -> Part:
    return Part(when_asked(made), part.source, part.target, part.reads(), part.carried(), part.touched())


def _batches(part: Mapping) -> Callable[[Any], Any]:
    from instar.transforms.evaluate.arrow import compile_batches

    return compile_batches(part)


def _fields(format: Format, part: Mapping, whole: Mapping) -> Callable[[Any], Any]:
    from instar.transforms.evaluate.record import compile_fields

    return compile_fields(part, format.values(part.source, whole.target))


def when_asked(made: Callable[[], Callable[[Any], Any]]) -> Callable[[Any], Any]:
    """A conversion that is made when it is first called: of two ways that a file may go, one is not gone."""
    convert: list[Callable[[Any], Any]] = []

    def converted(batch: Any) -> Any:
        if not convert:
            convert.append(made())
        return convert[0](batch)

    return converted
