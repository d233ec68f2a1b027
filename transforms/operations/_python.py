"""python: fields computed by a Python function from other fields."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Mapping as Dict
from dataclasses import KW_ONLY, dataclass
from typing import Any

from instar.formats.errors import MigrationError
from instar.formats.path import EACH_ITEM, EACH_VALUE, Path, parse_path, path_text
from instar.formats.schema import Decimal, Field, Record, Type, children, type_text
from instar.transforms.expression import Back, Call, Column, Expression, Part
from instar.transforms.function import Function
from instar.transforms.mapping import Mapping
from instar.transforms.natural import to_natural

from .on_error import OnError, failing, policy, refuse_on_error
from .place import index, split
from .tags import fields_read, keeping_tags, united
from .types import field_of

_DIGITS = 38


@dataclass(frozen=True)
class Python:
    """Fields whose values a function gives: `func` is called once a record, with the values of `reads` in their order.

    Paths are from the top, as everywhere. `writes` has the new fields' types by path; they all stand in one record, last. What is
    read stands in the same element of the same list or map as that record, or is such a list or map as a whole. `func` gives
    the value where `writes` is one field, else a dict with a value for each key of `writes`. Values are ordinary Python ones
    (`natural.py` has the table), None for null and missing. A type without `?` says that the function never gives None. Where
    the record is null nothing is called. A field of that name is refused, unless `replace=True`: then it is replaced at its place.
    What is written has the tags of what is read, and of the field that it replaces.

    `on_error` says what becomes of a record for which the function raises, or gives what does not fit: the run fails ("fail"), all
    it writes becomes null, and may be ("null"), or the record is left out ("quarantine"); by default as the run says.

    The function must give the same for the same values: the proof calls it again and compares, and reports such fields as
    `repeated`, not as proved.

    `inverse` gives the way back: a function of the values written, in the order of `writes`, that gives what was read; or an
    `op.python` that reads some of what was written and writes some of what was read.
    """

    func: Callable[..., Any]
    _: KW_ONLY
    reads: Sequence[str]
    writes: Dict[str, str | Type]
    inverse: Callable[..., Any] | Python | None = None
    replace: bool = False
    on_error: OnError | None = None

    def __post_init__(self) -> None:
        _refuse_uncallable(self.func, "the function")
        if self.inverse is not None and not isinstance(self.inverse, Python):
            _refuse_uncallable(self.inverse, "inverse")
        for name, given in (("reads", self.reads), ("writes", self.writes)):
            if isinstance(given, str) or not given or not all(isinstance(path, str) for path in given):
                raise MigrationError(
                    f"op.python's {name} are {given!r}",
                    hint='Write reads=["a", "b.c"], writes={"d": "string"}: one of each at least.',
                )
        if len({parse_path(path) for path in self.reads}) < len(self.reads):
            raise MigrationError("op.python reads a field twice", hint="Give each once: the function can use it twice.")
        parents = {split(path)[0] for path in self.writes}
        if len(parents) > 1:
            raise MigrationError(
                f"{' and '.join(map(repr, self.writes))} are not in one record",
                hint="Write them beside each other, and op.move them then.",
            )
        refuse_on_error(self.on_error)
        self._fields()

    def _fields(self) -> tuple[Field, ...]:
        """The new fields, each called by its own name."""
        return tuple(field_of(type, split(path)[1], None) for path, type in self.writes.items())

    def edit(self, mapping: Mapping) -> Mapping:
        parent = split(next(iter(self.writes)))[0]
        reads = [self._read(mapping, path, parent) for path in self.reads]
        keyed = tuple(f.with_(name=key) for f, key in zip(self._fields(), self.writes, strict=True))
        function = Function(self.func, tuple(f for f, _ in reads), keyed)
        inputs, back = tuple((e, f.type) for f, e in reads), self._back(keyed, [f for f, _ in reads])
        call = Call(function, inputs, Record(keyed), back, failing(self.on_error), policy(self.on_error))
        tags = united(f for path in self.reads for f in fields_read(mapping, parse_path(path), parent))
        lenient = self.on_error == "null"
        fields = (f.with_(tags=tags, nullable=f.nullable or lenient) for f in self._fields())
        new = [Column(f, Part(call, key, f.type)) for f, key in zip(fields, self.writes, strict=True)]
        return mapping.edit_columns(parent, lambda columns, _: self._placed(columns, new, parent))

    def _read(self, mapping: Mapping, text: str, parent: Path) -> tuple[Field, Expression]:
        """A field that is read, called as it is in `reads`, and the expression for it."""
        path = parse_path(text)
        if _scope(path) != _scope(parent) or path == _scope(path):
            raise MigrationError(
                f"{text!r} and {next(iter(self.writes))!r} are not in the same element of the same list or map",
                hint="A function sees what is in its own element; to see a list or map as a whole, write beside it.",
            )
        column = mapping.at(path)
        _refuse_unreadable(column.field.type, text)
        return column.field.with_(name=text), column.expression

    def _placed(self, columns: tuple[Column, ...], new: list[Column], parent: Path) -> list[Column]:
        out, names = list(columns), [c.field.name for c in columns]
        there = [c.field.name for c in new if c.field.name in names]
        if there and not self.replace:
            raise MigrationError(
                f"there is a field {path_text((*parent, there[0]))} already", hint="Say replace=True to replace it."
            )
        if self.replace and not there:
            index(columns, new[0].field.name, parent)  # says that there is none, and what there is
        for c in new:
            if c.field.name in names:
                i = names.index(c.field.name)
                out[i] = keeping_tags(c, out[i].field)
            else:
                out.append(c)
        return out

    # ---- the way back
    def _back(self, written: tuple[Field, ...], read: list[Field]) -> Back | None:
        if self.inverse is None:
            return None
        if not isinstance(self.inverse, Python):
            gives = tuple(enumerate(read))
            return Back(Function(self.inverse, written, tuple(read)), tuple(f.name for f in written), gives)
        return self._told_back(self.inverse, {_key(f): f for f in written}, {_key(f): (i, f) for i, f in enumerate(read)})

    def _told_back(self, told: Python, written: dict[Path, Field], read: dict[Path, tuple[int, Field]]) -> Back:
        """By an `op.python` of its own, which reads and writes by path."""
        for path in told.reads:
            if parse_path(path) not in written:
                raise MigrationError(f"inverse reads {path!r}, which is not written", hint=f"It may read {', '.join(self.writes)}.")
        gives = []
        for path, type in told.writes.items():
            if parse_path(path) not in read:
                raise MigrationError(f"inverse writes {path!r}, which is not read", hint=f"It may write {', '.join(self.reads)}.")
            i, field = read[parse_path(path)]
            if (declared := field_of(type, "", None)).type != field.type:
                raise MigrationError(
                    f"inverse writes {path!r} as {type_text(declared.type)}, but it was {type_text(field.type)}",
                    hint="The way back gives what was there before.",
                )
            gives.append((i, field.with_(name=path)))
        given = tuple(written[parse_path(path)] for path in told.reads)
        return Back(Function(told.func, given, tuple(f for _, f in gives)), tuple(f.name for f in given), tuple(gives))


def _key(field: Field) -> Path:
    return parse_path(field.name)


def _scope(path: Path) -> Path:
    """The path up to its last list or map: the element that it is in."""
    ends = [i + 1 for i, step in enumerate(path) if step in (EACH_ITEM, EACH_VALUE)]
    return path[: ends[-1]] if ends else ()


def _refuse_uncallable(given: Any, what: str) -> None:
    if not callable(given):
        raise MigrationError(f"{what} of op.python is {given!r}", hint="Give a function: op.python(func, reads=[…], writes={…}).")


def _refuse_unreadable(type: Type, path: str) -> None:
    """
    Raises:
        MigrationError: a value that has no Python form, or that the proof could not give to the function again.
    """
    try:
        to_natural(type)
    except MigrationError as error:
        raise MigrationError(f"{path}: {error.message}", hint=error.hint) from None
    if isinstance(type, Decimal) and type.precision > _DIGITS:
        raise MigrationError(
            f"{path}: a function cannot read {type_text(type)}, since it could not be given it again to prove what it gave",
            hint=f"Columns of at most {_DIGITS} digits can be read; those that have more are only carried.",
        )
    for _, inner in children(type):
        _refuse_unreadable(inner.type, path)
