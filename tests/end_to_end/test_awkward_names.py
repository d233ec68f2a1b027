"""Awkward input works: odd names, nested data, no rows, in all three formats, through every operation, up, down and back."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from authoring import Author
from support import tree

from instar.formats.path import quoted_name

ODD = [
    'quo"te', "apo'strophe", "dot.ted", "with space", "😀", "select", "from", "{}", "[]", "a[]", "<b>", "%s", "c0", "v1", "row",
    "__x", "tab\there", "back\\slash", "dollar$", "semi;colon", "--", "/*", "?", "1st", "key", "value", "element", "list", "item",
]  # fmt: skip
PLAIN = [
    "select",
    "from",
    "c0",
    "v1",
    "row",
    "key",
    "value",
    "element",
    "list",
    "item",
    "order",
    "group",
    "table",
    "_",
    "x__y",
    "NULL",
]
"""Names that Avro allows: a letter or underscore, then letters, digits and underscores."""


# ---- the same records in each format
def write_parquet(folder: Path, records: list[dict[str, Any]], types: dict[str, str]) -> None:
    arrow = {"long": pa.int64(), "string": pa.string(), "record": None}
    fields = []
    for name, kind in types.items():
        inner = pa.struct([pa.field(n, pa.int64()) for n in record_names(records, name)]) if kind == "record" else arrow[kind]
        fields.append(pa.field(name, inner))
    table = pa.Table.from_pylist(records, pa.schema(fields))
    pq.write_table(table, folder / "a.parquet")


def write_avro(folder: Path, records: list[dict[str, Any]], types: dict[str, str]) -> None:
    fields: list[dict[str, Any]] = []
    for i, (name, kind) in enumerate(types.items()):
        inner: Any = kind
        if kind == "record":
            names = record_names(records, name)
            inner = {"type": "record", "name": f"Inner{i}", "fields": [{"name": n, "type": ["null", "long"]} for n in names]}
        fields.append({"name": name, "type": ["null", inner]})
    schema = {"type": "record", "name": "Odd", "fields": fields}
    with (folder / "a.avro").open("wb") as file:
        fastavro.writer(file, fastavro.parse_schema(schema), records, codec="deflate")


def write_json(folder: Path, records: list[dict[str, Any]], types: dict[str, str]) -> None:
    (folder / "a.ndjson").write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in records), encoding="utf-8")


def record_names(records: list[dict[str, Any]], name: str) -> list[str]:
    return list(next(r[name] for r in records if r[name] is not None))


def read(folder: Path) -> list[dict[str, Any]]:
    """All records of the dataset, by libraries that know nothing of Instar."""
    out: list[dict[str, Any]] = []
    for path in sorted(folder.iterdir()):
        if path.suffix == ".parquet":
            table = pq.ParquetFile(path).read()
            out += [dict(zip(table.column_names, row, strict=True)) for row in zip(*(c.to_pylist() for c in table), strict=True)]
        elif path.suffix == ".avro":
            with path.open("rb") as file:
                out += fastavro.reader(file)  # type: ignore[arg-type]
        else:
            out += [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return out


WRITERS: dict[str, Callable[[Path, list[dict[str, Any]], dict[str, str]], None]] = {
    "parquet": write_parquet, "avro": write_avro, "json": write_json,
}  # fmt: skip


def names_for(format: str) -> list[str]:
    return PLAIN if format == "avro" else [*ODD, *PLAIN[10:]]


def p(*names: str) -> str:
    """A path as a script's text."""
    return repr(".".join(map(quoted_name, names)))


def sql(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@pytest.mark.parametrize("format", sorted(WRITERS))
def test_every_operation_on_every_odd_name_up_down_and_back(format: str, author: Author) -> None:
    """Four steps over all names, fused into one pass: rename and cast; derive, add and drop; move; require and allow_null."""
    names = names_for(format)
    types = {**dict.fromkeys(names, "long"), "inner": "record"}
    records = [
        {**{n: (None if row == 1 + i % 2 else row * 1000 + i) for i, n in enumerate(names)},
         "inner": None if row == 1 else {n: row * 10 + i for i, n in enumerate(names)}}
        for row in range(3)
    ]  # fmt: skip
    data = author.data("odd")
    WRITERS[format](data, records, types)
    before = tree(data)
    adopted = author.adopt("odd")
    assert adopted["files"] == 1

    def fresh(name: str) -> str:
        return name + ("_new" if format == "avro" else " 'new\"")

    casts = names[::2]
    rename = [f"op.rename({p(n)}, to={p(fresh(n))})" for n in names]
    cast = [f"op.cast({p(fresh(n))}, 'string')" for n in casts]
    inner = [f"op.rename({p('inner', n)}, to={p(fresh(n))}), op.cast({p('inner', fresh(n))}, 'string')" for n in names[1::2]]
    author.step("odd", ",\n".join([*rename, *cast, *inner]))
    number = [n for n in names if n not in casts]
    derive = [f"op.derive({p(n)}, 'int64', sql={sql(fresh(n)) + ' + 1'!r})" for n in number]
    add = [f"op.add({p(n)}, 'string', default={n!r})" for n in casts]
    deep = [f"op.add({p('inner', n)}, 'string', default={n!r})" for n in names[1::2]]
    author.step("odd", ",\n".join([*derive, *add, *deep]))
    move = [f"op.move({p(n)}, to={p('moved', n)})" for n in names]
    author.step("odd", ",\n".join(move))
    drop = [f"op.drop({p('moved', n)})" for n in number[1:]]
    require = [f"op.require({p(fresh(n))}, fill={'-1' if n in casts else -1!r})" for n in names]
    author.step("odd", ",\n".join([*drop, *require, *(f"op.allow_null({p('moved', n)})" for n in casts)]))

    report = author.do("upgrade", "odd", "--proof", "full")
    assert report["proof"]["verdict"] == "proved"
    assert list(report["from"]) == ["1"]
    found = read(data)
    for old, new in zip(records, found, strict=True):
        for n in names:
            value = old[n]
            if n in casts:
                assert new[fresh(n)] == ("-1" if value is None else str(value)), n
                assert new["moved"][n] == n
            else:
                assert new[fresh(n)] == (-1 if value is None else value), n
        assert new["moved"][number[0]] == (None if old[number[0]] is None else old[number[0]] + 1)
        if old["inner"] is None:
            assert new["inner"] is None
        else:
            assert [new["inner"][n] for n in names[1::2]] == names[1::2]
            assert [new["inner"][fresh(n)] for n in names[1::2]] == [str(old["inner"][n]) for n in names[1::2]]
            assert [new["inner"][n] for n in names[::2]] == [old["inner"][n] for n in names[::2]]
    upgraded = tree(data)
    assert author.do("upgrade", "odd")["status"] == "nothing to do"
    author.do("rollback", "odd")
    assert tree(data) == before

    author.do("upgrade", "odd", "+3")
    author.do("downgrade", "odd", "1")
    assert read(data) == records
    author.do("upgrade", "odd")
    if format != "json":
        assert tree(data) == upgraded
    report = author.do("downgrade", "odd", "1")
    assert report["losses"]
    assert [{n: r[n] for n in names} for r in read(data)] == [{n: -1 if r[n] is None else r[n] for n in names} for r in records]


@pytest.mark.parametrize("format", ["parquet", "json"])
def test_names_that_differ_only_by_case_are_different_fields(format: str, author: Author) -> None:
    """DuckDB takes them for one; the proof must not."""
    records = [
        {"a": 1, "A": 10, "Ab": "x", "aB": "y", "r": {"k": 1, "K": 2}},
        {"a": 2, "A": 20, "Ab": "z", "aB": None, "r": {"k": 3, "K": 4}},
    ]
    data = author.data("case")
    WRITERS[format](data, records, {"a": "long", "A": "long", "Ab": "string", "aB": "string", "r": "record"})
    author.adopt("case")
    author.step("case", 'op.cast("A", "string"), op.rename("Ab", to="AB"), op.derive("ab", "int64", sql="a + 1")')
    author.step("case", 'op.rename("a", to="b"), op.rename("A", to="a"), op.rename("b", to="A"), op.cast("r.K", "string")')
    report = author.do("upgrade", "case")
    assert report["proof"]["verdict"] == "proved"
    found = read(data)
    assert [(r["A"], r["a"], r["AB"], r["aB"], r["ab"]) for r in found] == [(1, "10", "x", "y", 2), (2, "20", "z", None, 3)]
    assert [r["r"] for r in found] == [{"k": 1, "K": "2"}, {"k": 3, "K": "4"}]
    author.do("downgrade", "case", "1")
    assert read(data) == records


def test_names_that_differ_only_by_case_in_avro(author: Author) -> None:
    records = [{"a": 1, "A": 10, "aB": "x", "Ab": "y"}]
    data = author.data("case")
    write_avro(data, records, {"a": "long", "A": "long", "aB": "string", "Ab": "string"})
    author.adopt("case")
    author.step("case", 'op.cast("A", "string"), op.derive("AB", "int64", sql="a + 1"), op.rename("Ab", to="ab")')
    assert author.do("upgrade", "case")["proof"]["verdict"] == "proved"
    assert read(data) == [{"a": 1, "A": "10", "aB": "x", "ab": "y", "AB": 2}]
    author.do("downgrade", "case", "1")
    assert read(data) == records


# ---- nested data
def nested_records() -> list[dict[str, Any]]:
    return [
        {"id": 1, "items": [{"price": 1, "tags": ["a", "b"]}, {"price": 2, "tags": []}], "site": {"geo": {"lat": 1.5, "lon": 2.5}}},
        {"id": 2, "items": [], "site": {"geo": None}},
        {"id": 3, "items": None, "site": None},
        {"id": 4, "items": [{"price": None, "tags": None}], "site": {"geo": {"lat": None, "lon": -0.0}}},
    ]


def write_nested(format: str, folder: Path, records: list[dict[str, Any]]) -> None:
    if format == "parquet":
        item = pa.struct([("price", pa.int64()), ("tags", pa.list_(pa.string()))])
        geo = pa.struct([("lat", pa.float64()), ("lon", pa.float64())])
        schema = pa.schema([("id", pa.int64()), ("items", pa.list_(item)), ("site", pa.struct([("geo", geo)]))])
        if records:
            schema = schema.append(pa.field("counts", pa.map_(pa.string(), pa.int64())))
        pq.write_table(pa.Table.from_pylist(records, schema), folder / "a.parquet")
    elif format == "avro":
        nullable = lambda t: ["null", t]  # noqa: E731
        field = lambda name, t: {"name": name, "type": t}  # noqa: E731
        item = {"type": "record", "name": "Item", "fields": [
            field("price", nullable("long")), field("tags", nullable({"type": "array", "items": "string"}))]}  # fmt: skip
        geo = {"type": "record", "name": "Geo", "fields": [field("lat", nullable("double")), field("lon", nullable("double"))]}
        fields = [field("id", nullable("long")), field("items", nullable({"type": "array", "items": item})),
                  field("site", nullable({"type": "record", "name": "Site", "fields": [field("geo", nullable(geo))]})),
                  field("counts", nullable({"type": "map", "values": nullable("long")}))]  # fmt: skip
        with (folder / "a.avro").open("wb") as file:
            fastavro.writer(file, {"type": "record", "name": "Order", "fields": fields}, records)
    else:
        write_json(folder, records, {})


@pytest.mark.parametrize("format", sorted(WRITERS))
def test_lists_maps_and_records_below_each_other(format: str, author: Author) -> None:
    counts = [{"x": 1, "y.z": None}, {}, None, {"": 5}]
    records = [{**r, "counts": c} for r, c in zip(nested_records(), counts, strict=True)]
    data = author.data("orders")
    write_nested(format, data, records)
    if format == "json":
        schema = author.folder / "orders.schema.json"
        number, text = {"type": ["integer", "null"]}, {"type": "string"}
        coordinate = {"type": ["number", "null"]}
        geo = {"type": ["object", "null"], "properties": {"lat": coordinate, "lon": coordinate}, "required": ["lat", "lon"]}
        tags = {"type": ["array", "null"], "items": text}
        item = {"type": "object", "properties": {"price": number, "tags": tags}, "required": ["price", "tags"]}
        schema.write_text(json.dumps({
            "$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object",
            "properties": {
                "id": number, "items": {"type": ["array", "null"], "items": item},
                "site": {"type": ["object", "null"], "properties": {"geo": geo}, "required": ["geo"]},
                "counts": {"type": ["object", "null"], "additionalProperties": number},
            },
            "required": ["id", "items", "site", "counts"],
        }))  # fmt: skip
        author.do("init")
        author.do("register", "orders", str(schema))
    author.adopt("orders")
    author.step("orders", """
    op.rename("items", to="lines"), op.cast("lines[].price", "string"), op.rename("lines[].tags", to="labels"),
    op.derive("lines[].shown", "string", sql="coalesce(price, 'none') || '!'"), op.add("lines[].currency", "string", default="EUR"),
    op.cast("counts{}", "string"), op.rename("site.geo.lat", to="latitude"), op.move("site.geo.lon", to="site.lon"),
    op.add("site.kind", "string", default="shop"),
    """)  # fmt: skip
    report = author.do("upgrade", "orders")
    assert report["proof"]["verdict"] == "proved"
    found = read(data)
    lines = [
        {"price": "1", "labels": ["a", "b"], "shown": "1!", "currency": "EUR"},
        {"price": "2", "labels": [], "shown": "2!", "currency": "EUR"},
    ]
    assert [r["lines"] for r in found] == [lines, [], None, [{"price": None, "labels": None, "shown": "none!", "currency": "EUR"}]]
    expected_counts: list[Any] = [{"x": "1", "y.z": None}, {}, None, {"": "5"}]
    assert [c if c is None else dict(c) for c in (r["counts"] for r in found)] == expected_counts
    sites = [r["site"] for r in found]
    assert sites[0] == {"geo": {"latitude": 1.5}, "lon": 2.5, "kind": "shop"}
    assert sites[1] == {"geo": None, "lon": None, "kind": "shop"}
    assert sites[2] is None
    assert sites[3] == {"geo": {"latitude": None}, "lon": -0.0, "kind": "shop"}
    author.do("downgrade", "orders", "1")
    back = read(data)
    assert [{**r, "counts": c if (c := r["counts"]) is None else dict(c)} for r in back] == records


@pytest.mark.parametrize("format", sorted(WRITERS))
def test_zero_rows(format: str, author: Author) -> None:
    data = author.data("empty")
    full = [{"n": 1, "s": "x", "r": {"k": 1}}]
    types = {"n": "long", "s": "string", "r": "record"}
    WRITERS[format](data, full, types)
    suffix = {"parquet": "parquet", "avro": "avro", "json": "ndjson"}[format]
    author.adopt("empty")
    author.step("empty", 'op.cast("n", "string"), op.rename("s", to="t"), op.derive("m", "int64", sql="r.k + 1")')
    path = data / f"a.{suffix}"
    if format == "parquet":
        pq.write_table(pq.ParquetFile(path).read().slice(0, 0), path)
    elif format == "avro":
        with path.open("rb") as file:
            schema: Any = fastavro.reader(file).writer_schema
        with path.open("wb") as file:
            fastavro.writer(file, schema, [])
    else:
        path.write_bytes(b"")
        (data / "array.json").write_text("[]\n")
        (data / "blank.ndjson").write_text("\n\n")
    before = tree(data)
    answer = author.do("upgrade", "empty", "--proof", "full")
    assert answer["rows_in"] == answer["rows_out"] == 0
    assert author.do("current", "empty")[0]["versions"] == {"2": 3 if format == "json" else 1}
    author.do("downgrade", "empty", "1")
    assert author.do("current", "empty")[0]["versions"] == {"1": 3 if format == "json" else 1}
    if format == "parquet":
        assert pq.read_schema(path).names == ["n", "s", "r"]
    if format != "json":
        author.do("rollback", "empty")
        author.do("rollback", "empty")
    assert tree(data) == before


def test_an_odd_dataset_name_folder_and_file_name(author: Author) -> None:
    name = "odd 'name\" 😀 [x]"
    data = author.data(name)
    file = data / "day=2024 01%3A01" / "pårt 0 [x]{y}'\"*.parquet"
    file.parent.mkdir()
    pq.write_table(pa.table({"n": [1]}), file)
    before = tree(data)
    author.do("init", "--from", f"data/{name}", "--subject", "plain", "--name", name)
    author.step("plain", 'op.rename("n", to="number"), op.derive("m", "int64", sql="number + 1")')
    assert author.do("plan", name)["actions"][0]["path"] == file.relative_to(data).as_posix()
    assert author.do("upgrade", name, "--proof", "full")["proof"]["verdict"] == "proved"
    assert pq.ParquetFile(file).read().to_pylist() == [{"number": 1, "m": 2}]
    assert name in author.instar("status", at=author.folder).out
    author.do("rollback", name)
    assert tree(data) == before


VERY_ODD = ["", "new\nline", " leading", "trailing ", "'", "``", "\u200b", "x" * 300, "😀.😀", "a\u0301", "\u00e1"]
ODD_IN_JSON = ["", "new\nline", "'", "😀.😀", "a\u0301"]
"""Those that its texts may spell in several ways, or not hold; the others are for `make test-all` there."""


@pytest.mark.parametrize(
    ("format", "name"),
    [
        *(("parquet", name) for name in VERY_ODD),
        *(pytest.param("json", name, marks=() if name in ODD_IN_JSON else pytest.mark.slow) for name in VERY_ODD),
    ],
)
def test_one_very_odd_name(name: str, format: str, author: Author) -> None:
    data = author.data("odd")
    records = [{name: 1, "r": {name: 2}}, {name: None, "r": None}]
    WRITERS[format](data, records, {name: "long", "r": "record"})
    before = tree(data)
    author.adopt("odd")
    author.step("odd", f"op.rename({p(name)}, to='plain'), op.cast({p('r', name)}, 'string')")
    author.step("odd", f"op.derive({p(name)}, 'int64', sql='plain * 2'), op.derive('twice', 'int64', sql={sql(name) + ' + 1'!r})")
    assert author.do("upgrade", "odd", "--proof", "full")["proof"]["verdict"] == "proved"
    assert read(data) == [
        {"plain": 1, "r": {name: "2"}, name: 2, "twice": 3},
        {"plain": None, "r": None, name: None, "twice": None},
    ]
    author.do("downgrade", "odd", "1")
    assert read(data) == records
    author.do("rollback", "odd")
    author.do("rollback", "odd")
    assert tree(data) == before


def test_a_file_name_that_is_no_valid_utf_8_is_refused_unless_it_is_no_data(author: Author) -> None:
    data = author.data("sales")
    odd = os.fsdecode(b"caf\xe9")
    pq.write_table(pa.table({"n": [1]}), data / "a.parquet")
    author.adopt("sales")
    author.step("sales", 'op.rename("n", to="number")')
    try:
        (data / f"_{odd}").write_bytes(b"carried over")
    except OSError as error:
        pytest.skip(f"this file system wants valid names: {error}")
    shutil.copy(data / "a.parquet", data / "b.parquet")
    (data / "b.parquet").rename(data / f"{odd}.parquet")
    before = tree(data)
    assert author.do("status", "sales")["problems"][0]["path"] == f"{odd}.parquet"
    error = author.refused("upgrade", "sales")
    assert "UTF-8" in error["message"]
    command = [sys.executable, "-m", "instar", "-C", str(author.folder), "status", "sales", "-v"]
    spoken = subprocess.run(command, capture_output=True, env={**os.environ, "PYTHONIOENCODING": "ascii"}, check=False)
    assert spoken.returncode == 0
    assert rb"caf\udce9.parquet" in spoken.stdout
    assert tree(data) == before
    (data / f"{odd}.parquet").unlink()
    author.do("upgrade", "sales")
    assert (data / f"_{odd}").read_bytes() == b"carried over"
    author.do("rollback", "sales")


def test_variants_of_a_version_are_taken_as_they_are(author: Author) -> None:
    """Column order, large and dictionary strings, storage of decimals: one version, each file in its own form."""
    data = author.data("sales")
    words = ["x", None, "z"]
    forms: dict[str, pa.Table] = {
        "plain": pa.table({"n": [1, 2, 3], "word": pa.array(words), "note": pa.array(words)}),
        "turned": pa.table({"note": pa.array(words), "word": pa.array(words), "n": [1, 2, 3]}),
        "large": pa.table({"n": [1, 2, 3], "word": pa.array(words, pa.large_string()), "note": pa.array(words, pa.large_string())}),
        "coded": pa.table(
            {"n": [1, 2, 3], "word": pa.array(words).dictionary_encode(), "note": pa.array(words).dictionary_encode()}
        ),
        "view": pa.table({"n": [1, 2, 3], "word": pa.array(words, pa.string_view()), "note": pa.array(words, pa.string_view())}),
    }
    for name, table in forms.items():
        pq.write_table(table, data / f"{name}.parquet")
    assert author.adopt("sales")["files"] == len(forms)
    author.step("sales", 'op.rename("note", to="remark"), op.derive("loud", "string", sql="upper(remark)"), op.cast("n", "string")')
    assert author.do("upgrade", "sales", "--proof", "full")["proof"]["verdict"] == "proved"
    for name, table in forms.items():
        new = pq.ParquetFile(data / f"{name}.parquet").read()
        assert new.select(["n", "word", "remark", "loud"]).to_pylist() == [
            {"n": str(i + 1), "word": w, "remark": w, "loud": w and w.upper()} for i, w in enumerate(words)
        ]
        assert new.schema.field("word").type == table.schema.field("word").type, name
        assert new.schema.field("remark").type == table.schema.field("note").type, name
    author.do("downgrade", "sales", "1")
    for name, table in forms.items():
        back = pq.ParquetFile(data / f"{name}.parquet").read()
        assert back.select(["n", "word", "note"]).to_pylist() == table.select(["n", "word", "note"]).to_pylist()
        assert back.schema.field("note").type == table.schema.field("note").type, name
