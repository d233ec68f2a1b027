"""What is compared: the cases, the tools of each, and what Instar is to reach."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from benchmarks.bench.task import Change

Clock = Literal["wall", "cpu"]


@dataclass(frozen=True)
class Tool:
    """A tool as the tables name it: its module in `tools`, and what it is told. `checked`: its output is compared by value."""

    name: str
    module: str
    options: Mapping[str, object] = field(default_factory=dict)
    checked: bool = True


@dataclass(frozen=True)
class Faster:
    """The fastest of the `tools` takes at least `times` as long as Instar."""

    tools: Sequence[str]
    times: float
    clock: Clock = "wall"
    of: str = "Instar"


@dataclass(frozen=True)
class Within:
    """Instar takes at most `times` as long as the tool."""

    tool: str
    times: float
    clock: Clock = "wall"
    of: str = "Instar"


@dataclass(frozen=True)
class Memory:
    """The peak of Instar's process is at most this, or three times the largest chunk of a touched column."""

    most: int = 250_000_000
    touched: Sequence[str] = ()
    of: str = "Instar"


Target = Faster | Within | Memory


@dataclass(frozen=True)
class Case:
    """One row of the table. `cores`: how many processors a tool may use."""

    name: str
    title: str
    group: str
    data: str
    format: str
    codec: str
    change: Change
    tools: Sequence[Tool]
    targets: Sequence[Target] = ()
    clock: Clock = "wall"
    cores: int = 1


INSTAR, CP = Tool("Instar", "instar"), Tool("cp", "cp", checked=False)
DUCKDB, POLARS, PYARROW = Tool("DuckDB", "duckdb"), Tool("polars", "polars"), Tool("pyarrow", "pyarrow")
FASTAVRO, ORJSON, JQ = Tool("fastavro", "fastavro"), Tool("orjson loop", "orjson"), Tool("jq", "jq")
MSGSPEC = Tool("msgspec loop", "msgspec")
AUTO, FULL = (Tool(f"proof, {level}", "prove", {"level": level}) for level in ("auto", "full"))
STAGING = Tool("staging", "stage")
UPGRADE = Tool("instar upgrade", "upgrade")
WITH_NUMPY = Tool("instar upgrade, numpy installed", "upgrade", {"development": True})
DUCKDB_ALL = Tool("DuckDB, all files at once", "duckdb", {"at_once": True}, checked=False)
PEERS = ("DuckDB", "polars", "pyarrow")

FLIGHTS = (
    "year", "month", "day", "dep_time", "sched_dep_time", "dep_delay", "arr_time", "sched_arr_time", "arr_delay", "carrier",
    "flight", "tailnum", "origin", "dest", "air_time", "distance", "hour", "minute", "time_hour",
)  # fmt: skip
TEXTS = ("carrier", "tailnum", "origin", "dest")

RENAME = Change("rename dep_delay", rename={"dep_delay": "departure_delay"})
DROP = Change("drop hour", drop=["hour"])
REORDER = Change("reverse the order", order=tuple(reversed(FLIGHTS)))
CAST = Change("cast flight to text", cast={"flight": "string"})
ADD = Change("add a default", add={"currency": ("string", "USD")})
ALL = Change(
    "cast all columns",
    cast={name: "bytes" if name in TEXTS else "timestamp(ns, UTC)" if name == "time_hour" else "double" for name in FLIGHTS},
)
WIDE_RENAME = Change("rename of 500", rename={"dep_delay_07": "departure_delay_07"})
WIDE_CAST = Change("cast of 500", cast={"flight_07": "string"})
AVRO_RENAME = Change("avro rename", rename={"temp": "temperature"})
AVRO_CHAIN = Change("avro cast, default, drop", drop=["wind_gust"], cast={"wind_dir": "int64"}, add={"source": ("string", "noaa")})
FLAT = Change(
    "json flat",
    rename={"dep_delay": "departure_delay", "arr_delay": "arrival_delay"},
    cast={"flight": "string"},
    add={"currency": ("string", "USD")},
)
NESTED = Change(
    "json nested",
    rename={"sender": "actor"},
    drop=["repository.size"],
    cast={"repository.id": "string"},
    add={"source": ("string", "github")},
)


def parquet(name: str, title: str, change: Change, codec: str, times: float) -> Case:
    return Case(
        f"parquet-{name}-{codec}", title, f"Parquet, {codec}, one core", f"flights-{codec}", "parquet", codec, change,
        (INSTAR, PYARROW, DUCKDB, POLARS, CP), (Faster(PEERS, times),),
    )  # fmt: skip


def avro(name: str, title: str, change: Change, codec: str, *targets: Target) -> Case:
    tools = (INSTAR, FASTAVRO, POLARS, CP)
    group = f"Avro, codec {codec}, one core"
    return Case(f"avro-{name}-{codec}", title, group, f"weather-{codec}", "avro", codec, change, tools, targets, clock="cpu")


def upgrade(name: str, title: str, change: Change, tools: Sequence[Tool], *targets: Target) -> Case:
    group = "The whole command, two cores"
    return Case(f"upgrade-{name}", title, group, "flights-zstd", "parquet", "zstd", change, tools, targets, cores=2)


def large(name: str, title: str, change: Change, *targets: Target) -> Case:
    group = "One large Parquet file, zstd, one core"
    return Case(f"large-{name}", title, group, "large-zstd", "parquet", "zstd", change, (INSTAR, CP), targets)


def proof(
    name: str, title: str, data: str, format: str, codec: str, change: Change, tools: Sequence[Tool], *targets: Target
) -> Case:
    group = "What a proof costs, one core"
    return Case(f"proof-{name}", title, group, data, format, codec, change, (AUTO, *tools), targets, clock="cpu")


def wide(name: str, title: str, change: Change, times: float) -> Case:
    return Case(
        f"wide-{name}", title, "500 columns, Parquet, zstd, one core", "wide-zstd", "parquet", "zstd", change,
        (INSTAR, PYARROW, DUCKDB, POLARS, CP), (Faster(PEERS, times),),
    )  # fmt: skip


def lines(name: str, title: str, data: str, change: Change, times: float, others: Sequence[Tool] = ()) -> Case:
    return Case(
        f"json-{name}", title, "JSON lines, one core", data, "json", "none", change, (INSTAR, ORJSON, *others, JQ, CP),
        (Within("orjson loop", times, "cpu"),), clock="cpu",
    )  # fmt: skip


ALL_PLANNED, ALL_FOOTERS, TENTH_PLANNED, TENTH_FOOTERS = (
    Tool(name, module, {"share": share}, checked=False)
    for share, names in ((1.0, ("plan of all", "pyarrow, all footers")), (0.1, ("plan of 1 in 10", "pyarrow, 1 in 10")))
    for name, module in zip(names, ("planning", "footers"), strict=True)
)
SMALL = Case(
    "small", "inventory and plan", "Many small files, one core", "small-10000", "parquet", "zstd", RENAME,
    (ALL_PLANNED, ALL_FOOTERS, TENTH_PLANNED, TENTH_FOOTERS),
    (
        Within(ALL_FOOTERS.name, 2, of=ALL_PLANNED.name),
        Within(TENTH_FOOTERS.name, 2, of=TENTH_PLANNED.name),
        Within(TENTH_PLANNED.name, 10, of=ALL_PLANNED.name),
    ),
)  # fmt: skip
ONE, TWO = Tool("1 worker", "upgrade", {"workers": 1}), Tool("2 workers", "upgrade", {"workers": 2})
ONE_CALL, TWO_CALL = Tool("1 worker", "call", {"workers": 1}), Tool("2 workers", "call", {"workers": 2})

CASES = (
    parquet("rename", "rename a column", RENAME, "zstd", 20),
    parquet("drop", "drop a column", DROP, "zstd", 20),
    parquet("reorder", "reverse the columns", REORDER, "zstd", 20),
    parquet("cast", "cast 1 of 19 columns", CAST, "zstd", 10),
    parquet("add", "add a default", ADD, "zstd", 12),
    parquet("all", "cast all 19 columns", ALL, "zstd", 1),
    parquet("rename", "rename a column", RENAME, "snappy", 15),
    parquet("drop", "drop a column", DROP, "snappy", 15),
    parquet("reorder", "reverse the columns", REORDER, "snappy", 15),
    parquet("cast", "cast 1 of 19 columns", CAST, "snappy", 7),
    parquet("add", "add a default", ADD, "snappy", 12),
    parquet("all", "cast all 19 columns", ALL, "snappy", 1),
    large("rename", "rename a column", RENAME, Within("cp", 2), Memory()),
    large("drop", "drop a column", DROP, Within("cp", 2), Memory()),
    large("reorder", "reverse the columns", REORDER, Within("cp", 2), Memory()),
    large("cast", "cast 1 of 19 columns", CAST, Memory(touched=("flight",))),
    large("add", "add a default", ADD, Memory()),
    large("all", "cast all 19 columns", ALL, Memory(touched=FLIGHTS)),
    wide("rename", "rename 1 of 500 columns", WIDE_RENAME, 20),
    wide("cast", "cast 1 of 500 columns", WIDE_CAST, 10),
    upgrade(
        "rename",
        "rename, proved and published",
        RENAME,
        (UPGRADE, WITH_NUMPY, DUCKDB, DUCKDB_ALL, CP),
        Faster(("DuckDB",), 8, of="instar upgrade"),
    ),
    upgrade("cores", "cast 1 of 19 columns, by 1 and by 2 workers", CAST, (TWO, ONE), Faster(("1 worker",), 1.7, of="2 workers")),
    upgrade("cores-all", "cast all 19 columns, by 1 and by 2 workers", ALL, (TWO, ONE), Faster(("1 worker",), 1.7, of="2 workers")),
    upgrade(
        "cores-call",
        "cast all 19 columns, a call of the library, by 1 and by 2 workers",
        ALL,
        (TWO_CALL, ONE_CALL),
        Faster(("1 worker",), 1.7, of="2 workers"),
    ),
    avro("rename", "rename a field", AVRO_RENAME, "null", Within("cp", 3, "cpu")),
    avro("chain", "cast, default, drop", AVRO_CHAIN, "null", Faster(("fastavro",), 20, "cpu"), Faster(("polars",), 3, "cpu")),
    avro("rename", "rename a field", AVRO_RENAME, "deflate", Within("cp", 3, "cpu")),
    avro("chain", "cast, default, drop", AVRO_CHAIN, "deflate", Faster(("fastavro",), 8, "cpu"), Faster(("polars",), 1.5, "cpu")),
    lines("flat", "flat: 2 renames, cast, default", "lines", FLAT, 1.0, (DUCKDB, POLARS)),
    lines("nested", "nested: rename, cast, drop, default", "events", NESTED, 0.5),
    SMALL,
    proof(
        "parquet", "Parquet: 2 renames, cast, default", "flights-zstd", "parquet", "zstd", FLAT, (FULL, STAGING, PYARROW),
        Within("pyarrow", 0.2, "cpu", of=AUTO.name), Within("pyarrow", 0.6, "cpu", of=FULL.name),
    ),
    proof(
        "rename", "Parquet: rename a column", "flights-zstd", "parquet", "zstd", RENAME, (STAGING,),
        Within(STAGING.name, 1, "cpu", of=AUTO.name),
    ),
    *(
        proof(
            f"avro-{codec}", f"Avro, codec {codec}: 2 renames, cast, default", f"records-{codec}", "avro", codec, FLAT,
            (FULL, STAGING, FASTAVRO), Within("fastavro", 1.2, "cpu", of=FULL.name),
        )
        for codec in ("null", "deflate")
    ),
    proof(
        "json", "JSON lines: 2 renames, cast, default", "lines", "json", "none", FLAT, (FULL, STAGING, MSGSPEC),
        Within("msgspec loop", 1.3, "cpu", of=FULL.name),
    ),
)  # fmt: skip


def chosen(names: Sequence[str]) -> list[Case]:
    """The cases whose names begin with one of these; all, where none is given.

    Raises:
        ValueError: a name that no case begins with.
    """
    for name in names:
        if not any(case.name.startswith(name) for case in CASES):
            raise ValueError(f"no case begins with {name!r}; there are {', '.join(case.name for case in CASES)}")
    return [case for case in CASES if not names or case.name.startswith(tuple(names))]
