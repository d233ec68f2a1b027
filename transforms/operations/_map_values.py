"""map_values: a field's values through a table, old value to new."""

from __future__ import annotations

from collections.abc import Mapping as Dict
from dataclasses import KW_ONLY, dataclass
from typing import Any
from typing import Literal as OneOf

from instar.formats.errors import MigrationError
from instar.formats.path import Path, parse_path, path_text
from instar.formats.schema import MISSING, Bool, Enum, Field, Float, Type, type_text
from instar.formats.typetext import parse_type
from instar.transforms.casts import is_scalar
from instar.transforms.expression import FAIL, Column, Literal, Lookup
from instar.transforms.literal import literal
from instar.transforms.mapping import Mapping

from .on_error import OnError, policy

Otherwise = OneOf["fail", "null", "keep", "quarantine"]
Pairs = tuple[tuple[Any, Any], ...]


@dataclass(frozen=True)
class MapValues:
    """Every value at `path` becomes the one that `table` has for it; null stays null, a missing key stays missing.

    Keys and values of `table` are Python values of the field's type, as `op.add(default=…)` takes them; a value may be None, which
    makes the field nullable. What the table does not name fails the run (`otherwise="fail"`) or
    goes with its record to quarantine ("quarantine"; by default one of these, as the run says), becomes null ("null", which makes
    the field nullable), stays as it is ("keep", where the new type holds it), or becomes `default`. `to` is the type of the new
    values: by default the field's own, or for an enum an enum of the new values in the table's order (then of the symbols that are
    kept). For an enum the table must name every symbol, unless `otherwise` or `default` says what becomes of the others. Floats
    cannot be looked up, since two that print alike may differ. `path` may also end in [] or {}.

    The way back is the table turned round, where no two values became the same and nothing became null or `default`, and with
    "keep" where the new values are the old ones in another order. Else it is lossy: values that can be told come back, the others
    become null where the field may be null.
    """

    path: str
    table: Dict[Any, Any]
    _: KW_ONLY
    otherwise: Otherwise | None = None
    default: Any = MISSING
    to: str | Type | None = None

    def __post_init__(self) -> None:
        parse_path(self.path)
        if isinstance(self.to, str):
            parse_type(self.to)
        if not isinstance(self.table, Dict) or not self.table:
            raise MigrationError("the table of values is empty, or is no dict", hint='Write {"old": "new", …}.')
        if self.otherwise not in (None, "fail", "null", "keep", "quarantine"):
            raise MigrationError(
                f"otherwise is {self.otherwise!r}", hint='It is "fail", "null", "keep" or "quarantine"; a value is default=….'
            )
        if self.default is not MISSING and self.otherwise not in (None, "fail"):
            raise MigrationError("both otherwise and default are given", hint="Give one of them.")
        if None in self.table:
            raise MigrationError("null is not looked up: it stays null", hint="To fill nulls, use op.require(path, fill=…).")

    def edit(self, mapping: Mapping) -> Mapping:
        path = parse_path(self.path)

        def change(column: Column) -> Column:
            field = column.field
            _refuse_type(field.type, path)
            pairs, otherwise = self._closed(field, path)
            to = self._type(field, pairs)
            table = tuple((key, _value(value, to, field, self.to)) for key, value in pairs)
            last = Literal(_value(self.default, to, field, self.to), to) if otherwise == "default" else otherwise
            if isinstance(last, Literal) and last.value is None:
                last = "null"
            if last == "keep" and to != field.type:
                raise MigrationError(
                    f"values of {path_text(path)} that the table does not name cannot stay: they are {type_text(field.type)}, "
                    f"and the new ones {type_text(to)}",
                    hint="Name them all, or say default=… for the others.",
                )
            nullable = field.nullable or last == "null" or any(value is None for _, value in table)
            said: OnError | None = self.otherwise if self.otherwise != "keep" else None
            looked_up = Lookup(column.expression, field.type, to, table, last, policy(said))  # type: ignore[arg-type]
            return Column(field.with_(type=to, nullable=nullable, default=MISSING), looked_up)

        return mapping.edit(path, change)

    def _closed(self, field: Field, path: Path) -> tuple[Pairs, str]:
        """The pairs by key, with those of symbols that the table does not name; and what becomes of anything else."""
        pairs = _keyed(self.table, field)
        known = {key for key, _ in pairs}
        others = [v for v in _values_of(field.type) if v not in known]
        otherwise = "default" if self.default is not MISSING else _last(self.otherwise)
        if not _values_of(field.type) or (others and otherwise == FAIL and isinstance(field.type, Bool)):
            return pairs, otherwise
        if others and otherwise == FAIL:
            raise MigrationError(
                f"the table does not say what becomes of {', '.join(map(repr, others))} of {path_text(path)}",
                hint='Name every symbol, or say otherwise="keep", otherwise="null" or default=….',
            )
        last = {"keep": lambda v: v, "null": lambda _: None, "default": lambda _: self.default, "fail": lambda v: v}[otherwise]
        return (*pairs, *((v, last(v)) for v in others)), FAIL

    def _type(self, field: Field, pairs: Pairs) -> Type:
        if self.to is not None:
            return parse_type(self.to) if isinstance(self.to, str) else self.to
        if isinstance(field.type, Enum) and all(isinstance(value, str) or value is None for _, value in pairs):
            symbols = tuple(dict.fromkeys(value for _, value in pairs if value is not None))
            return field.type if symbols == field.type.symbols else Enum(symbols)
        return field.type


def _last(otherwise: Otherwise | None) -> str:
    """What becomes of the value, whatever becomes of its record."""
    return otherwise if otherwise in ("null", "keep") else FAIL


def _refuse_type(type: Type, path: Path) -> None:
    if not is_scalar(type) or isinstance(type, Float):
        raise MigrationError(
            f"values of {path_text(path)} ({type_text(type)}) cannot be looked up in a table",
            hint="Derive a field from it with SQL (CASE WHEN … END), or name the fields inside.",
        )


def _values_of(type: Type) -> tuple[Any, ...]:
    """All the values of a type that has few; none for any other."""
    return type.symbols if isinstance(type, Enum) else (False, True) if isinstance(type, Bool) else ()


def _keyed(table: Dict[Any, Any], field: Field) -> Pairs:
    """The pairs with their keys as values of the field."""
    found: dict[Any, Any] = {}
    for given, value in table.items():
        key = literal(given, field.with_(nullable=False))
        if key in found:
            raise MigrationError(f"the table names {given!r} twice", hint="Two of its keys are the same value of the field.")
        found[key] = value
    return tuple(found.items())


def _value(value: Any, to: Type, field: Field, said: str | Type | None) -> Any:
    try:
        made = literal(value, Field(field.name, to, nullable=True))
    except MigrationError as error:
        if said is not None or isinstance(field.type, Enum):
            raise
        raise MigrationError(error.message, hint='If the new values are of another type, say which: to="string".') from None
    if not is_scalar(to) or to == Float(16) or repr(made) in ("nan", "-0.0"):  # what could not be told on the way back
        what = f"{value!r} of type {type_text(to)}"
        raise MigrationError(f"{what} cannot stand in a table of values", hint="Take another value, or another type.")
    return made
