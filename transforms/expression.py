"""The small expression language a mapping is made of.

A `Source` path holds names only and is relative to the nearest enclosing `Each` (its element), or to the whole record where
there is none. Nothing crosses a list's border. Expressions are compared and shared by identity as well as by value:
composition makes a DAG, and interpreters evaluate each shared node once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from typing import Literal as OneOf

from instar.formats.schema import Field, Type

if TYPE_CHECKING:
    from .casts.ways import Way

Policy = OneOf["fail", "quarantine"] | None
"""What becomes of a record in which a node refuses a value: it fails the run, or it is left out and kept apart. None: what the run
says."""


class Expression:
    """The base of all nodes; it has no behaviour. What a node means is in the interpreters (`evaluate/`)."""

    __slots__ = ()


@dataclass(frozen=True)
class Source(Expression):
    """The value at `path` of the scope's record; null where a record on the way is null, missing where its key is.

    `Source(())` is the scope's value itself: the whole record, or the element.
    """

    path: tuple[str, ...]
    type: Type


@dataclass(frozen=True)
class Literal(Expression):
    """The same value for every record (a Python value as `formats/schema.py` has it); `None` is a null of that type.

    `MISSING` is a missing key: only for an optional field, so only in JSON.
    """

    value: Any = field(hash=False)
    type: Type


@dataclass(frozen=True)
class Cast(Expression):
    """null stays null, missing stays missing; a value that `to` cannot hold so that it can be undone fails, or becomes null.

    By the cast table, or in a `way` that a script named.
    """

    of: Expression
    source: Type
    to: Type
    on_error: OneOf["fail", "null"] = "fail"
    way: Way | None = None
    policy: Policy = None


@dataclass(frozen=True)
class Sql(Expression):
    """A scalar DuckDB expression, the user's text cut at its inputs: pieces[0] inputs[0] pieces[1] inputs[1] … pieces[n].

    Inputs therefore have no name that could go stale, and the text is never re-rendered. A missing input is null to it, and its
    result is always present. Where DuckDB refuses to compute it, it fails, or is null.
    """

    pieces: tuple[str, ...]
    inputs: tuple[tuple[Expression, Type], ...]
    type: Type
    on_error: OneOf["fail", "null"] = "fail"
    policy: Policy = None


@dataclass(frozen=True)
class Lookup(Expression):
    """The second value of the pair of `table` whose first value `of` has; null stays null, missing stays missing.

    Keys are of type `source` and differ; values are of type `to`, or None for null. A value that no pair has fails, becomes null
    or a literal, or is kept, which only works where both types are the same.
    """

    of: Expression
    source: Type
    to: Type
    table: tuple[tuple[Any, Any], ...] = field(hash=False)
    otherwise: OneOf["fail", "null", "keep"] | Literal = "fail"
    policy: Policy = None


@dataclass(frozen=True)
class Call(Expression):
    """What a Python function of the user's gives for the values of the inputs, in their order; a missing input is None to it.

    `function` takes and gives values as `formats/schema.py` has them, can be pickled and is deterministic. It gives a value of
    `type`, a record where it gives several, and raises DataError: then the Call fails, or is null. A null result is a null. DuckDB
    cannot compute it. `back` is the way back that the script declares.
    """

    function: Callable[..., Any]
    inputs: tuple[tuple[Expression, Type], ...]
    type: Type
    back: Back | None = None
    on_error: OneOf["fail", "null"] = "fail"
    policy: Policy = None


@dataclass(frozen=True)
class Back:
    """The inputs of a Call again: `function` takes the fields `reads` of its record, and gives a record.

    `gives` has a field of that record for each input it gives: (the input's number, field).
    """

    function: Callable[..., Any]
    reads: tuple[str, ...]
    gives: tuple[tuple[int, Field], ...]


@dataclass(frozen=True)
class Part(Expression):
    """One field of a record that was computed as a whole, so that what computes it is evaluated once for all its fields."""

    of: Expression
    name: str
    type: Type


NULL: OneOf["null"] = "null"
FAIL: OneOf["fail"] = "fail"


@dataclass(frozen=True)
class When(Expression):
    """`then` where `of` is neither null nor missing, else `otherwise`: null, an error, or a literal.

    `otherwise` NULL passes on what `of` is: null where it is null, missing where it is missing (as a Struct does).

    A guard (a computed value that left a nullable record) is When(record, x); `require` is When(x, x, FAIL); filling is
    When(x, x, Literal). Nothing inside `then` can fail where `of` is null. `reason`: what is wrong where it fails, if there is more
    to say than that a value is missing.
    """

    of: Expression
    then: Expression
    otherwise: OneOf["null", "fail"] | Literal = NULL
    policy: Policy = None
    reason: str = ""


@dataclass(frozen=True)
class Column:
    """A target field and the expression that computes it: a mapping is one tree of these."""

    field: Field
    expression: Expression


@dataclass(frozen=True)
class Struct(Expression):
    """A record. With `of`: null (missing) where `of` is, and it keeps the keys of `of` that `known` does not name.

    Without `of` it is a new record: never null, and it has no other keys. `known` is the names of the source type there:
    it separates unregistered keys, which stay, from dropped ones, which go.
    """

    columns: tuple[Column, ...]
    of: Expression | None = None
    known: tuple[str, ...] = ()


@dataclass(frozen=True)
class Branches(Expression):
    """The value of the union `of` by the body of the branch that it is of, whose sources are relative to that value.

    There is one body for each branch, in their order: which branch a value is of never changes. Null stays null.
    """

    of: Expression
    bodies: tuple[Column, ...]


@dataclass(frozen=True)
class Each(Expression):
    """Every element of the list (or value of the map) `of`, by `body`, whose sources are relative to the element."""

    of: Expression
    body: Column
    kind: OneOf["list", "map"] = "list"
