"""Operations, as Hypothesis draws them: each with each of its options, at a place of a schema that it may fit."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

from hypothesis import strategies as st

from instar import op
from instar.formats.path import Path, path_text
from instar.formats.schema import (
    Bool,
    Bytes,
    Decimal,
    Duration,
    Enum,
    Field,
    Float,
    Int,
    List,
    Map,
    Null,
    Record,
    Schema,
    String,
    Time,
    Timestamp,
    Union,
)
from instar.transforms import casts
from instar.transforms.casts import rounding
from instar.transforms.mapping import Operation

from .schemas import SCALARS, everywhere, names, values

Drawn = Callable[[st.DrawFn, Schema], Operation]
"""How an operation that may fit a schema is drawn."""


class Place:
    """A place of a schema, and what stands there."""

    def __init__(self, draw: st.DrawFn, schema: Schema, path: Path, field: Field) -> None:
        self.draw, self.schema, self.path, self.field = draw, schema, path, field
        self.text, self.parent = path_text(path), path[:-1]

    @property
    def named(self) -> bool:
        """Is it a field of a record, rather than an element or a branch?"""
        return isinstance(self.path[-1], str)

    @property
    def siblings(self) -> list[Field]:
        return [f for p, f in everywhere(self.schema) if p[:-1] == self.parent and isinstance(p[-1], str)]

    def beside(self) -> str:
        """A name in the same record, as a path."""
        return path_text((*self.parent, self.draw(names)))

    def one_of(self, *choices: Any) -> Any:
        return self.draw(st.sampled_from(choices))

    def where(self) -> dict[str, Any]:
        """Where a new field goes: last, mostly."""
        sibling = _name(self.one_of(*self.siblings).name) if self.siblings else ""
        return self.one_of({}, {"position": 0}, {"after": sibling}, {"before": sibling})


def operations(draw: st.DrawFn, schema: Schema, preferred: str = "") -> Operation:
    """One operation that may fit the schema, each kind as likely as another; the preferred one where it may."""
    found = [Place(draw, schema, p, f) for p, f in everywhere(schema)]
    fitting = {kind: some for kind, (fits, _) in KINDS.items() if (some := [place for place in found if fits(place)])}
    kind = preferred if preferred in fitting else draw(st.sampled_from([*fitting]))
    return KINDS[kind][1](draw(st.sampled_from(fitting[kind])))


def _name(name: str) -> str:
    return path_text((name,))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


# ---- one by one
def _add(at: Place) -> Operation:
    type = at.one_of(*SCALARS, List(Field("item", Int(64))), Map(Field("value", String())))
    if isinstance(type, Null) or at.one_of(True, False, False):
        return op.add(at.beside(), type, nullable=True, doc="new", **at.where())
    value = at.draw(values(Field("", type)))
    return op.add(at.beside(), type, default=value, nullable=at.one_of(None, True), **at.where())


def _add_sql(at: Place) -> Operation:
    sql, nullable = _expression(at)
    return op.add(at.beside(), "string", default_sql=sql, nullable=nullable, on_error="fail", existing=at.one_of("fail", "replace"))


def _add_existing(at: Place) -> Operation:
    return op.add(at.beside(), "int64", default=1, existing="replace")


def _cast(at: Place) -> Operation:
    targets = [t for t in SCALARS if t != at.field.type and casts.rule_for(at.field.type, t)] or [Int(64)]
    return op.cast(at.text, at.one_of(*targets), on_error=at.one_of("fail", "fail", "null"))


def _round(at: Place) -> Operation:
    targets = [t for t in (*SCALARS, Decimal(9, 1), Decimal(9, 0)) if rounding.possible(at.field.type, t)]
    return op.cast(at.text, at.one_of(*targets), rounding=at.one_of(*rounding.MODES), on_error=at.one_of("fail", "null"))


def _roundable(at: Place) -> bool:
    return isinstance(at.field.type, Decimal | Float | Time | Timestamp | Duration) and any(
        rounding.possible(at.field.type, t) for t in (*SCALARS, Decimal(9, 0))
    )


def _zone(at: Place) -> Operation:
    type, zone = at.field.type, at.one_of("UTC", "Europe/Paris", "America/New_York")
    assert isinstance(type, Timestamp)
    unit = at.one_of(type.unit, type.unit, "us")
    return op.cast(at.text, Timestamp(unit, None if type.zone else zone), zone=zone, on_error=at.one_of("fail", "null"))


def _fill(at: Place) -> Operation:
    some = at.field.with_(nullable=False, optional=False)
    value = [] if isinstance(some.type, List) else {} if isinstance(some.type, Map) else None
    return op.require(at.text, fill=at.draw(values(some, at.schema.definitions)) if value is None else value)


def _map_values(at: Place) -> Operation:
    """A few values of the field, of an enum or a bool all, to others: permuted, merged, or of another type."""
    some = at.field.with_(nullable=False)
    keys = list(some.type.symbols) if isinstance(some.type, Enum) else at.draw(st.lists(values(some), min_size=1, max_size=3))
    if at.one_of(True, False):
        table = {key: at.one_of(0, 1, 2, 3) for key in keys}
        return op.map_values(at.text, table, to="int64", default=at.one_of(9, None))
    turned = at.one_of([*reversed(keys)], [at.draw(values(some)) for _ in keys])
    return op.map_values(at.text, dict(zip(keys, turned, strict=True)), otherwise=at.one_of("fail", "null", "keep"))


def _split(at: Place) -> Operation:
    into = {at.draw(names_of_fields): "string", "right": at.one_of("string", "int64", "string?")}
    return op.split(
        at.text, into=into, by=at.one_of("1", ".", "e", "-"), otherwise=at.one_of("fail", "null"), keep=at.one_of(False, True)
    )


def _split_by_pattern(at: Place) -> Operation:
    into = {at.draw(names_of_fields): at.one_of("string", "string?", "int64")}
    return op.split(at.text, into=into, pattern=at.one_of("([0-9]+).*", ".?(.*)"), otherwise=at.one_of("fail", "null"))


def _merge(at: Place) -> Operation:
    other = path_text((*at.parent, at.one_of(*(f.name for f in at.siblings if f.name != at.path[-1]))))
    return op.merge([at.text, other], to=at.draw(names_of_fields), by="-", nulls=at.one_of("refuse", "skip", "null"))


def _merge_sql(at: Place) -> Operation:
    sql, nullable = _expression(at)
    other = path_text((*at.parent, at.one_of(*(f.name for f in at.siblings if f.name != at.path[-1]))))
    if nullable is None and at.one_of(True, False):
        return op.merge([at.text, other], to="m", sql=f"length({sql})", type="int64")
    return op.merge([at.text, other], to=at.draw(names_of_fields), sql=sql, nullable=nullable, on_error="fail")


def _reorder(at: Place) -> Operation:
    others = at.draw(st.lists(st.sampled_from([f.name for f in at.siblings if f.name != at.path[-1]]), max_size=1))
    return op.reorder([_name(name) for name in (str(at.path[-1]), *others)], at=path_text(at.parent))


def _derive(at: Place) -> Operation:
    sql, nullable = _expression(at)
    return op.derive(at.beside(), String(), sql=sql, nullable=nullable, doc=at.one_of("", "told"), **at.where())


def _derive_somewhere(at: Place) -> Operation:
    sibling = _name(at.one_of(*at.siblings).name)
    where = at.one_of({"position": 0}, {"after": sibling}, {"before": sibling})
    return op.derive(at.beside(), "string", sql="'a' || 'b'", on_error="fail", **where)


def _derive_list(at: Place) -> Operation:
    type = List(Field("item", Int(64), nullable=True))
    return op.derive(at.beside(), type, sql="list_transform([1, NULL], lambda c0: c0 + 1::BIGINT)")


def _replace(at: Place) -> Operation:
    return op.derive(at.text, Bool(), sql=f"{_quoted(str(at.path[-1]))} IS NULL", replace=True)


def _expression(at: Place) -> tuple[str, bool | None]:
    """SQL over the field, and what to say of nulls."""
    quoted = _quoted(str(at.path[-1]))
    some = f"CASE WHEN {quoted} IS NULL THEN 'none' ELSE 'some' END"
    if isinstance(at.field.type, Record | List | Map | Bytes):
        return some, at.one_of(None, False)
    ways = [f"{quoted}::VARCHAR", f"CAST(CAST({quoted}::VARCHAR AS INTEGER) AS VARCHAR)"]
    return at.one_of((f"coalesce({quoted}::VARCHAR, 'none') || 'é'", False), *[(way, None) for way in ways])


def _head(at: Place) -> Operation:
    return op.head(at.text, otherwise=at.one_of("fail", "first", "last", "null"), empty=at.one_of("null", "fail"), on_error="fail")


# ---- functions
def _python(at: Place) -> Operation:
    keys = (at.one_of(at.text, at.beside()), at.beside())
    replace = keys[0] in [path_text((*at.parent, f.name)) for f in at.siblings]
    return op.python(
        partial(described, keys), reads=_seen(at), writes={keys[0]: "string", keys[1]: "int64?"}, replace=replace, on_error="fail"
    )


def _python_back(at: Place) -> Operation:
    new, type = at.beside(), List(at.field.with_(name="item", optional=False, extra={}))
    if at.one_of(True, False):
        back = op.python(first, reads=[new], writes={at.text: at.field.type})
        return op.python(twice, reads=[at.text], writes={new: type}, inverse=back)
    return op.python(twice, reads=[at.text], writes={new: type}, inverse=first)


def _seen(at: Place) -> list[str]:
    """One to three fields that a function may read which writes beside the place."""
    scope = max((i + 1 for i, step in enumerate(at.path) if not isinstance(step, str)), default=0)
    inside = [p for p, _ in everywhere(at.schema) if len(p) > scope and p[:scope] == at.path[:scope]]
    near = [path_text(p) for p in inside if all(isinstance(step, str) for step in p[scope:])]
    return at.draw(st.lists(st.sampled_from(near), min_size=1, max_size=3, unique=True))


def described(keys: tuple[str, str], *values: Any) -> dict[str, Any]:
    """What it is given, as text, and something that may be null; it refuses some records."""
    text = repr(values)
    if len(text) % 13 == 0:
        raise ValueError("unlucky")
    return {keys[0]: text, keys[1]: len(text) if len(text) % 2 else None}


def twice(value: Any) -> list[Any]:
    return [value, value]


def first(values: list[Any]) -> Any:
    return values[0]


# ---- moves
Consent = Literal["refuse", "drop"]
_CONSENT: st.SearchStrategy[Consent] = st.sampled_from(["drop", "drop", "drop", "refuse"])
"""Whether a move may lose what it must be allowed to lose: mostly, so that the laws see such moves."""


def _out(at: Place, consent: Consent | None = None) -> Operation:
    """Some field out of the record around it, or that at the place to another name."""
    consent = consent or at.draw(_CONSENT)
    inside = [p for p, _ in everywhere(at.schema) if len(p) > 1 and isinstance(p[-1], str) and isinstance(p[-2], str)]
    inner = at.one_of(*inside) if inside else at.path
    return op.move(path_text(inner), to=path_text((*inner[:-2], at.draw(names))), emptied=consent, where_null=consent)


def _in(at: Place, consent: Consent | None = None) -> Operation:
    """The field at the place into some record, or into a new one."""
    consent = consent or at.draw(_CONSENT)
    records = [(), *(p for p, f in everywhere(at.schema) if isinstance(f.type, Record) and p[: len(at.path)] != at.path)]
    target = at.one_of(*records)
    target += (at.draw(names),) if at.one_of(True, False) else ()
    where = at.one_of({}, {"position": 0})
    return op.move(at.text, to=path_text((*target, at.draw(names))), emptied=consent, where_null=consent, **where)


def _beside(at: Place) -> Operation:
    return op.move(at.text, to=at.beside(), **at.where())


def careful_moves(draw: st.DrawFn, schema: Schema) -> Operation:
    """A move that may lose nothing."""
    path, field = draw(st.sampled_from([(p, f) for p, f in everywhere(schema) if isinstance(p[-1], str)]))
    return draw(st.sampled_from([_out, _in]))(Place(draw, schema, path, field), "refuse")


# ---- all
def _any(at: Place) -> bool:
    return True


def _in_record(at: Place) -> bool:
    return at.named


def _among_others(at: Place) -> bool:
    return at.named and len(at.siblings) > 1


def _scalar(at: Place) -> bool:
    return casts.is_scalar(at.field.type)


def _absent(at: Place) -> bool:
    return at.field.nullable or at.field.optional


def _of(*types: type) -> Callable[[Place], bool]:
    return lambda at: isinstance(at.field.type, types)


def _branched(at: Place) -> bool:
    return not isinstance(at.field.type, Union)


Kind = tuple[Callable[[Place], bool], Callable[[Place], Operation]]
KINDS: dict[str, Kind] = {
    "rename": (_in_record, lambda at: op.rename(at.text, to=at.draw(names_of_fields))),
    "add": (_in_record, _add),
    "add, computed": (_in_record, _add_sql),
    "add, in the place of unknown keys": (_in_record, _add_existing),
    "drop": (_in_record, lambda at: op.drop(at.text)),
    "cast": (_scalar, _cast),
    "cast, again": (_scalar, _cast),
    "cast, rounded": (_roundable, _round),
    "cast, by a zone": (_of(Timestamp), _zone),
    "derive": (_in_record, _derive),
    "derive, somewhere": (_in_record, _derive_somewhere),
    "derive a list": (_in_record, _derive_list),
    "derive, replaced": (_in_record, _replace),
    "map_values": (_scalar, _map_values),
    "move out": (_in_record, _out),
    "move in": (_in_record, _in),
    "move beside": (_in_record, _beside),
    "python": (_in_record, _python),
    "python, and back": (_in_record, _python_back),
    "split": (_of(String), _split),
    "split by a pattern": (lambda at: at.named and isinstance(at.field.type, String), _split_by_pattern),
    "merge": (lambda at: _among_others(at) and casts.rule_for(at.field.type, String()) is not None, _merge),
    "merge by SQL": (_among_others, _merge_sql),
    "reorder": (lambda at: _among_others(at) and at.siblings[0].name != at.path[-1], _reorder),
    "wrap": (_scalar, lambda at: op.wrap(at.text, null=at.one_of("null", "empty"))),
    "head": (lambda at: isinstance(at.field.type, List) and casts.is_scalar(at.field.type.item.type), _head),
    "require": (_absent, lambda at: op.require(at.text, on_error="fail")),
    "fill": (_absent, _fill),
    "allow_null": (_branched, lambda at: op.allow_null(at.text)),
    "set_doc": (_any, lambda at: op.set_doc(at.text, at.one_of("told", "told again", ""))),
    "set_tag": (_any, lambda at: op.set_tag(at.text, at.one_of("pii", "x"))),
    "unset_tag": (lambda at: bool(at.field.tags), lambda at: op.unset_tag(at.text, at.one_of(*at.field.tags))),
}
names_of_fields = names.map(_name)
