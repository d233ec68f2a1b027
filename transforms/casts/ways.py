"""Ways to cast that the table does not have by itself, because a script must say something: a zone, a separator, what
becomes of several elements.

A way is frozen data; like a rule of the table it says the same thing as Python values and as DuckDB SQL. Unlike there the types
need not be scalars, a value may become null without being refused (`nulls`), and the way back may be lossy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol
from typing import Literal as OneOf

from instar.formats.errors import MigrationError
from instar.formats.isotext import PER_SECOND, bounds

from .rule import Convert, Render, refuse, sql_text
from .times import DAY, sql_count, sql_inside, sql_made


class Way(Protocol):
    """How values of one type become another's; raising ValueError, or NULL in SQL, where one is refused."""

    def record(self, source: Any, to: Any) -> Convert: ...

    def sql(self, source: Any, to: Any) -> Render: ...

    def nulls(self, v: str) -> str | None:
        """SQL: is `v` a value that becomes null? None where none does."""
        ...

    def back(self) -> Way | None:
        """The way back; None is the table's."""
        ...

    @property
    def loss(self) -> str | None:
        """What the way back cannot recover; None where it recovers every value."""
        ...


@dataclass(frozen=True)
class _Exact:
    """A way on which no value becomes null, and that can be undone."""

    def nulls(self, v: str) -> str | None:
        return None

    @property
    def loss(self) -> str | None:
        return None


# ---- wall times and instants
@dataclass(frozen=True)
class InZone(_Exact):
    """Wall times of a zone ↔ instants, of one unit. Wall times that the zone skips or has twice are refused, both ways.

    Raises:
        MigrationError: no such zone.
    """

    zone: str

    def __post_init__(self) -> None:
        from zoneinfo import ZoneInfo

        try:
            ZoneInfo(self.zone)
        except (KeyError, ValueError, OSError) as error:
            hint = 'Write one of the IANA database, such as "Europe/Paris" or "UTC".'
            raise MigrationError(f"there is no time zone {self.zone!r}", hint=hint) from error

    def back(self) -> Way:
        return self

    def record(self, source: Any, to: Any) -> Convert:
        from datetime import UTC, datetime, timedelta
        from zoneinfo import ZoneInfo

        zone, per, (low, high) = ZoneInfo(self.zone), PER_SECOND[source.unit], _within(source.unit)
        epoch, second = datetime(1970, 1, 1), timedelta(seconds=1)

        def wall(instant: int) -> int:
            """What clocks of the zone show at an instant; both in seconds."""
            shown = (epoch + timedelta(seconds=instant)).replace(tzinfo=UTC).astimezone(zone)
            return (shown.replace(tzinfo=None) - epoch) // second

        def instant(local: int) -> int:
            """The one instant at which they show `local`."""
            at = epoch + timedelta(seconds=local)
            both = {at.replace(tzinfo=zone, fold=fold).astimezone(UTC).replace(tzinfo=None) for fold in (0, 1)}
            found = [there for made in both if wall(there := (made - epoch) // second) == local]
            return found[0] if len(found) == 1 else refuse(local)

        def convert(value: int) -> int:
            seconds, rest = divmod(value if low <= value <= high else refuse(value), per)
            out = instant(seconds) if to.zone else wall(seconds)
            if not to.zone and instant(out) != seconds:
                raise ValueError(value)
            return out * per + rest

        return convert

    def sql(self, source: Any, to: Any) -> Render:
        """By the zone's offsets at the instant, and a day before and after it: a wall time that two of them show is not clear."""
        zone, per, (low, high) = sql_text(self.zone), PER_SECOND[source.unit], _within(source.unit)

        def wall(instant: str) -> str:
            return f"(epoch_us(timezone({zone}, make_timestamptz(({instant}) * 1000000))) // 1000000)"

        def clear(instant: str, local: str) -> str:
            others = [f"({local} - ({wall(f'{instant} {day}')} - ({instant} {day})))" for day in ("- 86400", "+ 86400")]
            apart = [f"({other} = {instant} OR {wall(other)} <> {local})" for other in others]
            return " AND ".join([f"{wall(instant)} = {local}", *apart])

        def moved(count: str, seconds: str) -> str:
            instant, local = seconds, wall(seconds)
            if to.zone:
                instant, local = f"(epoch_us(timezone({zone}, make_timestamp({seconds} * 1000000))) // 1000000)", seconds
            out = f"{count} + ({instant if to.zone else local} - {seconds}) * {per}"
            return f"CASE WHEN {clear(instant, local)} THEN {sql_made(f'({out})', to)} END"

        def render(v: str) -> str:
            count = f"({sql_count(v, source)})"
            seconds = f"(({count} - ({count} % {per} + {per}) % {per}) // {per})"
            made = f"CASE WHEN {count} BETWEEN {low} AND {high} THEN {moved(count, seconds)} END"
            return f"CASE WHEN {sql_inside(v, source)} THEN {made} END"

        return render


def _within(unit: str) -> tuple[int, int]:
    """The counts that are cast: not those of the calendar's last two days, whose instants may lie beyond it."""
    low, high = bounds(unit)
    return low + 2 * DAY * PER_SECOND[unit], high - 2 * DAY * PER_SECOND[unit]


# ---- a text's pieces
@dataclass(frozen=True)
class Piece(_Exact):
    """The `number`-th (from 0) of the `count` pieces that a text has between separators; refused where there are not so many."""

    separator: str
    number: int
    count: int

    def back(self) -> Way:
        raise TypeError("one piece of a text does not give it back")

    def record(self, source: Any, to: Any) -> Convert:
        separator, number, count = self.separator, self.number, self.count

        def convert(value: str) -> str:
            pieces = value.split(separator)
            return pieces[number] if len(pieces) == count else refuse(value)

        return convert

    def sql(self, source: Any, to: Any) -> Render:
        separator = sql_text(self.separator)

        def render(v: str) -> str:
            pieces = f"string_split({v}, {separator})"
            return f"CASE WHEN len({pieces}) = {self.count} THEN {pieces}[{self.number + 1}] END"

        return render


# ---- one value and a list of it
Several = OneOf["fail", "null", "first", "last"]


@dataclass(frozen=True)
class Wrapped(_Exact):
    """A value as a list of it alone. `empty`: nulls became empty lists beside it, so on the way back these become null again."""

    empty: bool = False

    def back(self) -> Way:
        return Only("fail", "null" if self.empty else "fail", False)

    def record(self, source: Any, to: Any) -> Convert:
        return lambda value: [value]

    def sql(self, source: Any, to: Any) -> Render:
        return lambda v: f"[{v}]"


@dataclass(frozen=True)
class Only:
    """A list's only element; an empty one becomes null or is refused, and what happens to several is said.

    A null element is refused, unless one of several is taken: it could not be told from an empty list. `nullable`: the list itself
    may be null, which could not be told from an empty one either.
    """

    several: Several
    empty: OneOf["null", "fail"]
    nullable: bool

    @property
    def loss(self) -> str | None:
        if self.several != "fail":
            return f"all elements but the {self.several}" if self.several != "null" else "lists of several elements"
        return "whether it was empty" if self.nullable and self.empty == "null" else None

    def back(self) -> Way:
        return Wrapped()

    def record(self, source: Any, to: Any) -> Convert:
        many, empty = self.several, self.empty

        def convert(value: list[Any]) -> Any:
            if len(value) == 1 or (value and many in ("first", "last")):
                found = value[-1 if many == "last" else 0]
                return found if found is not None or many in ("first", "last") else refuse(value)
            return None if (many if value else empty) == "null" else refuse(value)

        return convert

    def sql(self, source: Any, to: Any) -> Render:
        if self.several in ("first", "last"):
            return lambda v: f"{v}[{1 if self.several == 'first' else -1}]"
        return lambda v: f"CASE WHEN len({v}) = 1 THEN {v}[1] END"

    def nulls(self, v: str) -> str | None:
        tests = [f"len({v}) = 0"] if self.empty == "null" else []
        tests += {"null": [f"len({v}) > 1"], "fail": []}.get(
            self.several, [f"(len({v}) > 0 AND {self.sql(_ANY, _ANY)(v)} IS NULL)"]
        )
        return " OR ".join(tests) or None


_ANY: Any = None
