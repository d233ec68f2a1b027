"""A table of queries: what each becomes on the other side, and that it gives there what it gave here."""

from __future__ import annotations

import duckdb
import pytest
from support import field

from instar import op
from instar.formats.schema import Field, Record, Schema
from instar.transforms.audit.adapting import Adapted, OneSided, adapted
from instar.transforms.audit.counterparts import Side, sides
from instar.transforms.audit.left_open import left_open
from instar.transforms.audit.queries import Query
from instar.transforms.audit.reading import read_of
from instar.transforms.mapping import chain

TABLES = ("flights", "data")
SCHEMA = Schema(
    Field(
        "",
        Record((
            field("dep_delay", "int64"), field("origin", "string"), field("hour", "int32"), field("flight", "int32"),
            field("Odd name", "string"), field("route", "record{dest: string, via: string}"), field("order", "string"),
            field("prices", "list<record{old: int32}>"), field("a", "int32"), field("b", "int32"),
        )),
    )
)  # fmt: skip
MAPPING = chain(
    SCHEMA,
    [
        op.rename("dep_delay", to="departure_delay"), op.move("origin", to="route.origin"), op.drop("hour"),
        op.cast("flight", "string"),
        op.rename("Odd name", to="odd"), op.rename("route.dest", to="end"), op.rename("order", to="select"),
        op.rename("prices[].old", to="price"), op.rename("a", to="c"), op.rename("b", to="a"), op.rename("c", to="b"),
        op.add("source", "string", default="BTS"),
    ],
)  # fmt: skip
OLD, NEW = sides(MAPPING)

ROWS = """
SELECT i AS dep_delay, ['JFK', 'EWR', NULL][i % 3 + 1] AS origin, i % 24 AS hour, i % 7 AS flight, 'odd ' || i % 4 AS "Odd name",
    CASE WHEN i % 5 > 0 THEN {'dest': 'D' || i % 3, 'via': 'V' || i % 2} END AS route, 'o' || i % 6 AS "order",
    [{'old': i}] AS prices, i % 2 AS a, i % 3 AS b
FROM range(60) t(i)
"""
CHANGED = """
SELECT dep_delay AS departure_delay, CAST(flight AS VARCHAR) AS flight, "Odd name" AS odd,
    {'end': route.dest, 'via': route.via, 'origin': origin} AS route, "order" AS "select",
    list_transform(prices, lambda p: {'price': p.old}) AS prices, b AS a, a AS b, 'BTS' AS source
FROM old_flights
"""


@pytest.fixture(scope="module")
def tables() -> dict[str, duckdb.DuckDBPyConnection]:
    """A connection for each side, in which the dataset is `flights` and `data`."""
    made = {}
    for side in ("old", "new"):
        connection = duckdb.connect()
        connection.execute(f"CREATE TABLE old_flights AS {ROWS}")
        connection.execute(f"CREATE VIEW flights AS {'FROM old_flights' if side == 'old' else CHANGED}")
        connection.execute("CREATE VIEW data AS FROM flights")
        made[side] = connection
    return made


def made_of(text: str, side: Side = OLD, *, by_table: bool = False) -> Adapted | OneSided:
    return adapted(text, read_of(Query("q", text).tree(), side, TABLES), side, by_table=by_table)


BY_NAME = {
    "select dep_delay from flights order by dep_delay": "select departure_delay AS dep_delay from flights order by dep_delay",
    'select f.dep_delay + 1, f."Odd name" from flights f where F.DEP_DELAY > 9 order by 1':
        "select f.departure_delay + 1, f.odd AS \"Odd name\" from flights f where F.departure_delay > 9 order by 1",
    "SELECT origin, count(*) AS n FROM flights GROUP BY origin ORDER BY origin NULLS LAST":
        "SELECT route.origin AS origin, count(*) AS n FROM flights GROUP BY route.origin ORDER BY origin NULLS LAST",
    "select f.route.dest, max(flights.route.dest) from flights, data f where f.dep_delay = flights.dep_delay group by all":
        'select f.route."end" AS dest, max(flights.route."end") from flights, data f '
        "where f.departure_delay = flights.departure_delay group by all",
    "-- swapped\nselect a, b, sum(a) over (partition by b) from flights where a > 0 order by all":
        "-- swapped\nselect b AS a, a AS b, sum(b) over (partition by a) from flights where b > 0 order by all",
    "with x as (select dep_delay d, origin from flights) select origin, sum(d) from x group by origin order by 1":
        "with x as (select departure_delay d, route.origin AS origin from flights) "
        "select origin, sum(d) from x group by origin order by 1",
    "with flights as (select dep_delay from flights) select sum(dep_delay) from flights":
        "with flights as (select departure_delay AS dep_delay from flights) select sum(dep_delay) from flights",
    "select count(*) from flights f where exists (select 1 from data d where d.dep_delay = f.dep_delay + 1 and origin = 'JFK')":
        "select count(*) from flights f where exists "
        "(select 1 from data d where d.departure_delay = f.departure_delay + 1 and route.origin = 'JFK')",
    "select x.dep_delay from (select dep_delay, a from flights) x where x.a = 1 order by 1":
        "select x.dep_delay from (select departure_delay AS dep_delay, b AS a from flights) x where x.a = 1 order by 1",
    'select "order" from flights union all select origin from data order by "order" nulls first':
        'select "select" AS "order" from flights union all select route.origin AS origin from data order by "order" nulls first',
    "select late: dep_delay, late + 1 from flights qualify row_number() over (partition by origin order by dep_delay) = 1":
        "select late: departure_delay, late + 1 from flights "
        "qualify row_number() over (partition by route.origin order by departure_delay) = 1",
    "from flights select sum(dep_delay) filter (a = 1), list_sum(list_transform([1, 2], lambda y: y + 1))":
        "from flights select sum(departure_delay) filter (b = 1), list_sum(list_transform([1, 2], lambda y: y + 1))",
    "select ((select max(dep_delay) from data) - dep_delay) as gap from flights order by gap":
        "select ((select max(departure_delay) from data) - departure_delay) as gap from flights order by gap",
    "select dep_delay::varchar || 'é', /* dep_delay */ 'dep_delay' from flights -- dep_delay":
        "select departure_delay::varchar || 'é', /* dep_delay */ 'dep_delay' from flights -- dep_delay",
}  # fmt: skip


@pytest.mark.parametrize("text", BY_NAME)
def test_names_are_exchanged_where_they_stand(text: str, tables: dict[str, duckdb.DuckDBPyConnection]) -> None:
    made = made_of(text)
    assert isinstance(made, Adapted)
    assert (made.way, made.text) == ("names", BY_NAME[text])
    other = made_of(text, by_table=True)
    assert isinstance(other, Adapted)
    expected = sorted(tables["old"].execute(text).fetchall(), key=repr)
    assert expected
    assert sorted(tables["new"].execute(made.text).fetchall(), key=repr) == expected
    assert sorted(tables["new"].execute(other.text).fetchall(), key=repr) == expected  # two ways that share little say the same


@pytest.mark.parametrize("text", BY_NAME.values())
def test_a_query_with_the_new_names_is_adapted_to_the_old_files(text: str, tables: dict[str, duckdb.DuckDBPyConnection]) -> None:
    made = made_of(text, NEW)
    assert isinstance(made, Adapted)
    expected = sorted(tables["new"].execute(text).fetchall(), key=repr)
    assert sorted(tables["old"].execute(made.text).fetchall(), key=repr) == expected


BY_TABLE = [
    "select count(*), max(dep_delay) from (select * from flights) where a = 1",
    "select x.dep_delay, d.b from flights x join data d using (dep_delay) order by all",
    "select d.b from flights natural join (select dep_delay, b from data) d order by all",
    "select count(*), max(y.a) from (select f.* exclude (flight, route, prices) from flights f) y",
    "select columns('dep.*|a') from flights order by all",
    "select sum(len(origin.lower())) from flights",
    "select [x + dep_delay for x in [1, 2]] from flights order by all",
    "select route.dest.upper(), origin from flights order by all",
    "select max(flights.route) from flights where flights.route.via is not null",
]


@pytest.mark.parametrize("text", BY_TABLE)
def test_the_table_is_adapted_where_names_cannot_be_exchanged(text: str, tables: dict[str, duckdb.DuckDBPyConnection]) -> None:
    made = made_of(text)
    assert isinstance(made, Adapted)
    assert made.way == "table"
    assert made.why
    assert "departure_delay AS dep_delay" in made.text
    expected = sorted(tables["old"].execute(text).fetchall(), key=repr)
    assert sorted(tables["new"].execute(made.text).fetchall(), key=repr) == expected


def test_a_star_is_without_what_was_dropped_and_says_so(tables: dict[str, duckdb.DuckDBPyConnection]) -> None:
    made = made_of("select * from flights order by dep_delay limit 1")
    assert isinstance(made, Adapted)
    assert made.without == ("hour",)
    names = [column[0] for column in tables["new"].execute(made.text).description or ()]
    assert names == [name for name in SCHEMA.record.names if name != "hour"]


@pytest.mark.parametrize(
    ("text", "side", "missing"),
    [
        ("select max(hour) from flights", OLD, (("hour",),)),
        ("select max(source), max(departure_delay) from data", NEW, (("source",),)),
        ("select x from flights t(x, y)", OLD, (("hour",),)),
    ],
)
def test_what_the_other_side_does_not_have_is_named(text: str, side: Side, missing: tuple[tuple[str, ...], ...]) -> None:
    assert made_of(text, side) == OneSided(missing)


@pytest.mark.parametrize("text", ["select sum(flight) from flights", "select flight, count(*) from flights group by all"])
def test_values_that_a_declared_change_made_others_are_told(text: str) -> None:
    made = made_of(text)
    assert isinstance(made, Adapted)
    assert (made.way, made.changed) == ("as written", (("flight",),))


def test_what_is_inside_a_list_changes_the_list() -> None:
    made = made_of("select prices from flights")
    assert isinstance(made, Adapted)
    assert made.changed == (("prices",),)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("select count(*) from flights", ""),
        ("select a from flights limit 3", "leaves open"),
        ("select a from flights order by a limit 3", "tie"),
        ("select list(a) from flights", "order of rows"),
        ("select first(a) from flights", "order of rows"),
        ("select sum(a) from flights using sample 10%", "at random"),
        ("select now(), sum(a) from flights", "clock"),
    ],
)
def test_queries_that_leave_open_what_they_give_are_known(text: str, why: str) -> None:
    found = left_open(Query("q", text).tree())
    assert (why in found) if why else not found
