"""Expressions as DuckDB SQL: what a proof recomputes, and how the user's own SQL is run.

Everything is in the compared form of `sql_types.py`. No name of a user's is ever written: sources come as SQL that the caller
gives, records are struct_packs of f0, f1, …. What an interpreter refuses raises `error('instar: …')`.

What is shared is written once, and computed only where the records above it are not null. `render` puts it into stages,
`SELECT *, e AS v0 FROM (…)`; elsewhere, and inside lambdas, where DuckDB has no subqueries, `list_transform([e], lambda v: …)[1]`
binds it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from instar.formats.errors import MigrationError
from instar.formats.path import Path, path_text
from instar.formats.schema import Record, Type, type_text
from instar.transforms import casts
from instar.transforms.expression import (
    FAIL,
    NULL,
    Branches,
    Call,
    Cast,
    Column,
    Each,
    Expression,
    Literal,
    Lookup,
    Part,
    Source,
    Sql,
    Struct,
    When,
)
from instar.transforms.mapping import Mapping as SchemaMapping
from instar.transforms.tree import scopes

from .lookup import sql_lookup
from .nodes import element_type, parts, sql_nodes, type_of
from .sql_types import REFUSED, Fresh, adopted, bound, kept, literal, refusal, seen, seen_type, sql_type
from .verify import verify

__all__ = ["REFUSED", "Rendered", "adopted", "render", "render_expression", "sql_type", "sql_value", "verify_types"]


def verify_types(mapping: SchemaMapping) -> None:
    """Are the mapping's SQL texts scalar expressions over allowed functions, each of the type it declares?

    Raises:
        MigrationError: the first that is not; the message has the field, and both types or the function,
            the hint how to say it right.
    """
    for node in sql_nodes([mapping.root.expression]):
        shown = tuple(path_text(e.path) if isinstance(e, Source) and e.path else "…" for e, _ in node.inputs)
        try:
            verify(node.pieces, tuple(type for _, type in node.inputs), node.type, shown)
        except MigrationError as error:
            place = path_text(_place_of(node, mapping.root, ()))
            raise MigrationError(f"{place}: {error.message}" if place else error.message, hint=error.hint) from None


def _place_of(node: Sql, column: Column, path: Path) -> Path:
    """The innermost field that is computed from a node."""
    match column.expression:
        case Struct(columns):
            inner = [(c, (*path, c.field.name)) for c in columns]
        case Each() | Branches() as e:
            inner = [(body, (*path, step)) for _, step, body in scopes(e)]
        case _:
            inner = []
    for below, at in inner:
        if any(e is node for e in sql_nodes([below.expression])):
            return _place_of(node, below, at)
    return path


# ---- a whole mapping
@dataclass(frozen=True)
class Rendered:
    """A mapping as SQL: `stages` name what is shared, (name, expression) pairs that may use names of earlier stages.

    `columns` are the target's top-level columns, in its order.
    """

    stages: tuple[tuple[tuple[str, str], ...], ...]
    columns: tuple[str, ...]

    def select(self, relation: str, extra: Sequence[str] = ()) -> str:
        """SELECT of the columns as c0, c1, … (and `extra` after them) from a FROM item."""
        for stage in self.stages:
            relation = f"(SELECT *, {', '.join(f'{text} AS {name}' for name, text in stage)} FROM {relation})"
        listed = [f"{text} AS c{i}" for i, text in enumerate(self.columns)]
        return f"SELECT {', '.join([*listed, *extra])} FROM {relation}"


def render(mapping: SchemaMapping, columns: Mapping[str, str], calls: Mapping[int, str] | None = None) -> Rendered:
    """The mapping over the SQL of the source's top-level columns: each an atom of type `sql_type`, valid in every stage.

    `calls`: for each Call (by its id) the function of the connection's that runs it (`sql_calls.py`).
    """
    targets = mapping.root.expression.columns if isinstance(mapping.root.expression, Struct) else ()
    fresh = Fresh([*(piece for node in sql_nodes([mapping.root.expression]) for piece in node.pieces), *columns.values()])
    renderer = Renderer(_of_columns(mapping.source.record, columns), fresh, calls=calls or {})
    stages: list[list[tuple[str, str]]] = []
    levels: dict[str, int] = {}
    for e, guards, path in shared([(c.expression, path_text((c.field.name,))) for c in targets]):
        renderer.used.clear()
        text, name = renderer.guarded(e, guards, path), fresh()
        levels[name] = max((levels[used] + 1 for used in renderer.used), default=0)
        stages.extend([] for _ in range(levels[name] + 1 - len(stages)))
        stages[levels[name]].append((name, text))
        renderer.names[_key(e, guards)] = name
    return Rendered(tuple(map(tuple, stages)), tuple(renderer.column(c, (), "") for c in targets))


def _of_columns(record: Record, columns: Mapping[str, str]) -> Callable[[Source], str]:
    def source(e: Source) -> str:
        return extracted(columns[e.path[0]], record[e.path[0]].type, e.path[1:]) if e.path else "true"  # a record is never null

    return source


def extracted(value: str, type: Type, path: Sequence[str]) -> str:
    """SQL of a field inside a value in the compared form: by position."""
    for name in path:
        assert isinstance(type, Record)
        value, type = f"struct_extract_at({value}, {type.names.index(name) + 1})", type[name].type
    return value


def render_expression(e: Expression, source: Callable[[Source], str], fresh: Fresh | None = None, path: str = "") -> str:
    """One expression, what it shares bound within it.

    `source` gives the SQL of the outermost scope's sources: atoms in the compared form; of `Source(())`, the whole record, only
    that it is not null matters.
    """
    if fresh is None:
        fresh = Fresh(piece for node in sql_nodes([e]) for piece in node.pieces)
    return _binding(Renderer(source, fresh), e, path)


def _binding(renderer: Renderer, e: Expression, path: str) -> str:
    """The expression with everything that it shares bound around it.

    Each shared value is put beside those before it, {p: those, v: value}, by a lambda over the list of these alone. So lambdas
    stand in each other's *arguments*: DuckDB takes time for lambdas in each other's bodies that doubles with each.
    """
    keys: list[Key] = []
    state = ""
    for node, guards, at in shared([(e, path)], inline_casts=True):
        if not keys:
            state = f"struct_pack(v := {renderer.guarded(node, guards, at)})"
        else:
            s = _named_in(renderer, keys)
            state = _let(state, s, f"struct_pack(p := {s}, v := {renderer.guarded(node, guards, at)})")
        keys.append(_key(node, guards))
    if not keys:
        return renderer.expression(e, (), path)
    s = _named_in(renderer, keys)
    return _let(state, s, renderer.expression(e, (), path))


def _named_in(renderer: Renderer, keys: Sequence[Key]) -> str:
    """A new variable for what was bound so far; the bound nodes are parts of it, the last one nearest."""
    variable = renderer.fresh()
    place = variable
    for key in reversed(keys):
        renderer.names[key] = f"struct_extract({place}, 'v')"
        place = f"struct_extract({place}, 'p')"
    return variable


def _let(value: str, name: str, body: str) -> str:
    return f"list_transform([{value}], lambda {name}: {body})[1]"


# ---- what is shared
Guards = tuple[Expression, ...]
"""What is not null wherever a node is reached: it is computed nowhere else. Outermost first, each reached under those before."""

Key = tuple[int, tuple[object, ...]]


def _key(e: Expression, guards: Guards) -> Key:
    return id(e), tuple(g.path if isinstance(g, Source) else id(g) for g in guards)


Shared = tuple[Expression, Guards, str]
"""A node, the guards it is computed under, and the first target path that needs it (for messages)."""


def _reached(e: Expression, guards: Guards, path: str, inline_casts: bool) -> list[Shared]:
    """The parts of a node, and under which guards each is computed."""
    match e:
        case When(of, then):
            return [(of, guards, path)] if then is of else [(of, guards, path), (then, (*guards, of), path)]
        case Struct(columns, of):
            inner = guards if of is None else (*guards, of)
            below = [(c.expression, inner, _below(path, c)) for c in columns]
            return below if of is None else [(of, guards, path), *below]
        case Cast(of) | Lookup(of) if not inline_casts and not isinstance(of, Source):
            return [(of, guards, path), (of, guards, path)]  # the SQL of either has its operand several times
        case _:
            return [(x, guards, path) for x in parts(e)]


def _below(path: str, c: Column) -> str:
    name = path_text((c.field.name,))
    return f"{path}.{name}" if path else name


def shared(roots: Sequence[tuple[Expression, str]], *, inline_casts: bool = False) -> list[Shared]:
    """The nodes that one scope needs more than once under the same guards, what they need themselves first.

    A cast needs its operand several times, unless `inline_casts`: then it binds it itself.
    """
    uses: dict[Key, int] = {}
    order: list[Shared] = []

    def visit(e: Expression, guards: Guards, path: str) -> None:
        if isinstance(e, Source | Literal):
            return
        key = _key(e, guards)
        uses[key] = uses.get(key, 0) + 1
        if uses[key] == 1:
            for inner in _reached(e, guards, path, inline_casts):
                visit(*inner)
            order.append((e, guards, path))

    for e, path in roots:
        visit(e, (), path)
    return [(e, guards, path) for e, guards, path in order if uses[_key(e, guards)] > 1]


# ---- one expression
@dataclass
class Renderer:
    """The expressions of one scope. `names` has what is bound, by node and guards; `used` collects the names that were written."""

    source: Callable[[Source], str]
    fresh: Fresh
    names: dict[Key, str] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    calls: Mapping[int, str] = field(default_factory=dict)

    def expression(self, e: Expression, guards: Guards, path: str) -> str:
        """The name that a node is bound to, else its text."""
        name = self.names.get(_key(e, guards))
        if name is None:
            return self._text(e, guards, path)
        self.used.add(name)
        return name

    def guarded(self, e: Expression, guards: Guards, path: str) -> str:
        """A node's text for all rows: null where it is not reached."""
        text = self._text(e, guards, path)
        for i, guard in reversed(list(enumerate(guards))):
            text = f"CASE WHEN {self.expression(guard, guards[:i], path)} IS NOT NULL THEN {text} END"
        return text

    def column(self, c: Column, guards: Guards, path: str) -> str:
        """A column in the type of its field."""
        return f"CAST({self.expression(c.expression, guards, _below(path, c))} AS {sql_type(c.field.type)})"

    def _text(self, e: Expression, guards: Guards, path: str) -> str:
        match e:
            case Source():
                return self.source(e)
            case Literal(value, type):
                return literal(value, type)
            case Cast(of):
                return bound(self.expression(of, guards, path), lambda v: _cast(v, e, path), self.fresh)
            case Lookup(of):
                return bound(self.expression(of, guards, path), lambda v: sql_lookup(v, e, path), self.fresh)
            case Sql(_, inputs):
                return sql_value(e, [self.expression(x, guards, path) for x, _ in inputs], self.fresh)
            case Call(_, inputs):
                given = (f"CAST({self.expression(x, guards, path)} AS {sql_type(type)})" for x, type in inputs)
                return f"{self.calls[id(e)]}(struct_pack({', '.join(f'f{i} := {text}' for i, text in enumerate(given))}))"
            case Part(of, name):
                return extracted(self.expression(of, guards, path), type_of(of), (name,))
            case When():
                return self._when(e, guards, path)
            case Struct():
                return self._struct(e, guards, path)
            case Each():
                return self._each(e, guards, path)
        raise TypeError(f"not an expression: {e!r}")

    def _when(self, e: When, guards: Guards, path: str) -> str:
        of = self.expression(e.of, guards, path)
        then = of if e.then is e.of else self.expression(e.then, (*guards, e.of), path)
        last = "NULL"
        if isinstance(e.otherwise, Literal):
            last = literal(e.otherwise.value, e.otherwise.type)
        elif e.otherwise == FAIL:
            last = refusal(f"{path}: a null where a value is required")
        return f"CASE WHEN {of} IS NOT NULL THEN {then} ELSE {last} END"

    def _struct(self, e: Struct, guards: Guards, path: str) -> str:
        inner = guards if e.of is None else (*guards, e.of)
        made = f"struct_pack({', '.join(f'f{i} := {self.column(c, inner, path)}' for i, c in enumerate(e.columns))})"
        return made if e.of is None else f"CASE WHEN {self.expression(e.of, guards, path)} IS NOT NULL THEN {made} END"

    def _each(self, e: Each, guards: Guards, path: str) -> str:
        v, inner = self.fresh(), element_type(e)
        scope = Renderer(lambda source: extracted(v, inner, source.path), self.fresh, calls=self.calls)
        at = path + ("[]" if e.kind == "list" else "{}")
        body = f"CAST({_binding(scope, e.body.expression, at)} AS {sql_type(e.body.field.type)})"
        of = self.expression(e.of, guards, path)
        if e.kind == "list":
            return f"list_transform({of}, lambda {v}: {body})"
        return bound(of, lambda m: f"map(map_keys({m}), list_transform(map_values({m}), lambda {v}: {body}))", self.fresh)


def _cast(v: str, e: Cast, path: str) -> str:
    made = casts.render(e.source, e.to, e.way)(v)
    if e.on_error != FAIL:
        return made
    said = refusal(f"{path}: {type_text(e.source)} that cannot become {type_text(e.to)}: ", v)
    nulls = e.way.nulls(v) if e.way is not None else None
    there = f"{v} IS NOT NULL" + (f" AND NOT ({nulls})" if nulls else "")
    return f"CASE WHEN {there} THEN coalesce({made}, {said}) END"


# ---- the user's SQL
def sql_value(e: Sql, inputs: Sequence[str], fresh: Fresh) -> str:
    """A node's text over its inputs (SQL in the compared form), and its value in that form.

    Where the text has lambdas of its own, its inputs are bound to names that the text does not have: a parameter would hide them.
    Where DuckDB's refusals become nulls, TRY catches them, and only those of the text itself.
    """
    given = [seen(x, type, fresh) for x, (_, type) in zip(inputs, e.inputs, strict=True)]
    lenient = e.on_error == NULL

    def text(names: Sequence[str]) -> str:
        written = (name if name.isidentifier() else f"({name})" for name in names)
        whole = e.pieces[0] + "".join(name + piece for name, piece in zip(written, e.pieces[1:], strict=True))
        made = f"CAST(({whole}\n) AS {seen_type(e.type)})"
        return f"TRY({made})" if lenient else made

    has_lambdas = any("lambda" in piece.lower() or "->" in piece for piece in e.pieces)
    apart = has_lambdas or (lenient and not all(x.isidentifier() for x in given))  # what an input raises is not to be caught
    if not apart or not given:
        return kept(text(given), e.type, fresh, lenient=lenient)
    names, together = [f"i{i}" for i in range(len(given))], fresh()
    packed = f"struct_pack({', '.join(f'{name} := {value}' for name, value in zip(names, given, strict=True))})"
    value = _let(packed, together, text([f"struct_extract({together}, '{name}')" for name in names]))
    return kept(value, e.type, fresh, lenient=lenient)
