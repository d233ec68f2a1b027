"""Law 5 on files: a splice gives what the full rewrite gives, refusals included, and keeps the bytes of what it leaves alone.

Avro and JSON files must be the same in every byte, Avro's blocks once they are decompressed. Of Parquet, whose encoders may cut
pages elsewhere, pyarrow and DuckDB must find the same, and the chunks of untouched leaves are those of the source.
"""

from __future__ import annotations

import gzip
import json
import math
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import reject
from hypothesis import strategies as st

from instar.formats.avro.container import block_bytes, header_bytes, opened
from instar.formats.avro.physical import layout
from instar.formats.avro.render import header_text
from instar.formats.avro.values import AvroValues
from instar.formats.avro.walk import values_walker
from instar.formats.errors import DataError, InstarError, SchemaError
from instar.formats.format import Format, Rewrite, Stamp, format_named
from instar.formats.json.rewrite import records
from instar.formats.path import EACH_ITEM, EACH_VALUE, path_text
from instar.formats.path import Path as Place
from instar.formats.schema import MISSING, Field, List, Map, Record, Schema, Type, Union
from instar.transforms.mapping import Mapping, Operation, chain
from instar.transforms.run.request import rewrite_request
from instar.transforms.shared_types import resolved
from tests.conformance import parquet_pages
from tests.conformance.parquet_readers import by_duckdb, by_pyarrow, same

from .cases import Case
from .drawn import operations
from .interpreters import to_batch

STAMP = Stamp("law", 2)
MEMORY = 1 << 24
SYNC = bytes(range(16))
BLANKS = ("", "", "", " ", "  ", "\t")


@dataclass(frozen=True)
class Form:
    """How a file is written: so many records in a block or row group, compressed or not; the rest is drawn from `seed`."""

    together: int
    compressed: bool
    seed: int


FORMS = st.builds(Form, st.integers(1, 3), st.booleans(), st.integers(0, 1 << 16))


def splices(case: Case, name: str, form: Form) -> str:
    """(5) The law, of files of a format; which way it went."""
    format = format_named(name)
    write, compare = FILES[name]
    with TemporaryDirectory() as folder:
        source, new, whole = (Path(folder) / each for each in ("source", "spliced", "rewritten"))
        try:
            write(case, source, form)
            mapping = chain(case.schema, case.operations).rebased(format.inspect(source).schema or case.schema)
            requests = [  # two: a request counts the records that pass through it
                rewrite_request(format, mapping, source, path, memory=MEMORY, stamp=STAMP, progress=_silent)
                for path in (new, whole)
            ]
        except (SchemaError, DataError):
            reject()  # an operation brought a type that the format has not, or such a value
        found, way = _outcome(format, requests[0])
        assert found == _outcome(format, replace(requests[1], splice=None))[0], "the splice ends otherwise than the rewrite"
        if way != "refused":
            compare(source, new, whole, mapping, way)
        return way


def _silent(rows: int, size: int) -> None:
    pass


def _outcome(format: Format, request: Rewrite) -> tuple[tuple[Any, ...], str]:
    """The records in and out, or the refusal and its place; and which way it went."""
    try:
        done = format.rewrite(request)
    except InstarError as error:
        return (type(error).__name__, str(error), error.where), "refused"
    return (done.rows_in, done.rows_out), done.way


# ---- Parquet
def write_parquet(case: Case, path: Path, form: Form) -> None:
    table = pa.Table.from_batches([to_batch(case.rows, case.schema.root)])
    more = {"write_page_index": bool(form.seed & 1), "data_page_version": "2.0" if form.seed & 2 else "1.0"}
    try:
        pq.write_table(
            table, path, row_group_size=form.together, compression="zstd" if form.compressed else "none",
            use_dictionary=bool(form.seed & 4), store_schema=True, write_page_checksum=bool(form.seed & 8), **more,
        )  # fmt: skip
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        reject()


def same_tables(source: Path, new: Path, whole: Path, mapping: Mapping, way: str) -> None:
    same("pyarrow", by_pyarrow(whole), by_pyarrow(new))
    expected, found = _by_duckdb(whole), _by_duckdb(new)
    assert (expected is None) == (found is None), "DuckDB reads one of the two alone"
    if expected is not None:
        same("DuckDB", expected, found)
    parquet_pages.check(new)
    if way == "spliced":
        parquet_pages.check_copied(source, new, dict(mapping.untouched()))


def _by_duckdb(path: Path) -> pa.Table | None:
    """None where the file has a type that DuckDB has not."""
    try:
        return by_duckdb(path)
    except duckdb.Error:
        return None


# ---- Avro
def write_avro(case: Case, path: Path, form: Form) -> None:
    raws = [_encoded(AvroValues(case.schema, case.schema), case.schema, case.schema.root, row) for row in case.rows]
    blocks = [raws[i : i + form.together] for i in range(0, len(raws), form.together)]
    metadata = {"avro.schema": header_text(case.schema).encode(), "avro.codec": b"deflate" if form.compressed else b"null"}
    parts = [block_bytes(len(block), _stored(b"".join(block), form), SYNC) for block in blocks]
    path.write_bytes(header_bytes(metadata, SYNC) + b"".join(parts))


def _encoded(values: AvroValues, schema: Schema, field: Field, value: Any) -> Any:
    """A value's bytes, without the index of its null; None for null."""
    if value is None:
        return None
    match resolved(field.type, schema.definitions):
        case Record(fields):
            return values.sealer(field)(None, {f.name: _encoded(values, schema, f, value[f.name]) for f in fields})
        case List(item):
            return values.sealer(field)(None, [_encoded(values, schema, item, inner) for inner in value])
        case Map(inner):
            return values.sealer(field)(None, {key: _encoded(values, schema, inner, x) for key, x in value.items()})
        case Union(branches):
            number = [branch.name for branch in branches].index(value[0])
            return values.branch_sealer(field)(None, number, _encoded(values, schema, branches[number], value[1]))
        case _:
            return values.encoder(field)(value)


def _stored(data: bytes, form: Form) -> bytes:
    return zlib.compress(data, wbits=-15) if form.compressed else data


def same_avro(source: Path, new: Path, whole: Path, mapping: Mapping, way: str) -> None:
    assert _unpacked(new) == _unpacked(whole), "the spliced file differs from the rewritten one"
    before = AvroValues(mapping.source, mapping.source), AvroValues(mapping.target, mapping.target)
    keeps_raws(mapping, _avro_raws(source, mapping.source), _avro_raws(new, mapping.target), *before)


def _unpacked(path: Path) -> tuple[Any, ...]:
    """Everything in the file; blocks without compression, for one that is copied keeps that of its writer."""
    with opened(path) as container:
        blocks = [(block.rows, container.data(block)) for block in container.blocks()]
        return list(container.header.metadata.items()), container.header.sync, blocks


def _avro_raws(path: Path, schema: Schema) -> list[bytes]:
    """Each record's bytes."""
    found: list[bytes] = []
    walk = values_walker(layout(schema.root), AvroValues(schema, schema).source_layouts)
    with opened(path) as container:
        for block in container.blocks():
            data = container.data(block)
            walk(data, 0, block.rows, len(data), found)
    return found


def nameable(draw: st.DrawFn, schema: Schema) -> Operation:
    """An operation after which Avro still has a name for everything.

    Raises:
        SchemaError: it has not.
    """
    drawn = operations(draw, schema)
    header_text(chain(schema, [drawn]).target)
    return drawn


def renamed(type: Type) -> Type:
    """The type with names that Avro has, in place of those that it has not."""
    match type:
        case Record(fields):
            return replace(type, fields=tuple(f.with_(name=_avro_name(f.name), type=renamed(f.type)) for f in fields))
        case List(item):
            return List(item.with_(type=renamed(item.type)))
        case Map(value):
            return replace(type, value=value.with_(type=renamed(value.type)))
        case _:
            return type


def _avro_name(name: str) -> str:
    return name if name.isascii() and name.isidentifier() else f"n{name.encode().hex()}"


# ---- JSON
def write_json(case: Case, path: Path, form: Form) -> None:
    """Lines or an array, with texts that no library writes: other blanks, other orders of keys, needless escapes."""
    random = Random(form.seed)
    texts = [_spelled(row, random) for row in case.rows]
    text = "[" + ", ".join(texts) + "]\n" if form.seed & 1 else "\n".join(texts) + "\n" * random.randint(0, 2)
    path.write_bytes(gzip.compress(text.encode(), mtime=0) if form.compressed else text.encode())


def _spelled(value: Any, random: Random) -> str:
    """A value's text, spelled by chance; numbers that JSON has not are others."""

    def spaced(text: str) -> str:
        return random.choice(BLANKS) + text + random.choice(BLANKS)

    match value:
        case None | bool():
            return json.dumps(value)
        case str():
            return '"' + "".join(_character(c, random) for c in value) + '"'
        case float():
            return repr(value if math.isfinite(value) else 0.5)
        case dict():
            pairs = random.sample([*value.items()], len(value))
            inner = (f"{spaced(_spelled(key, random))}:{spaced(_spelled(each, random))}" for key, each in pairs)
            return "{" + ",".join(inner) + "}"
        case list():
            return "[" + ",".join(spaced(_spelled(each, random)) for each in value) + "]"
        case _:
            return str(value)


def _character(char: str, random: Random) -> str:
    return f"\\u{ord(char):04x}" if char.isascii() and not random.randint(0, 5) else json.dumps(char, ensure_ascii=False)[1:-1]


def same_json(source: Path, new: Path, whole: Path, mapping: Mapping, way: str) -> None:
    assert _text(new) == _text(whole), "the spliced file differs from the rewritten one"
    values = format_named("json").values
    before = values(mapping.source, mapping.source), values(mapping.target, mapping.target)
    keeps_raws(mapping, list(records(source)), list(records(new)), *before)


def _text(path: Path) -> bytes:
    """Without compression: that of a file of which nothing changed is its writer's."""
    data = path.read_bytes()
    return gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data


# ---- what is left alone, in Avro and JSON
def keeps_raws(mapping: Mapping, old: list[Any], new: list[Any], before: Any, after: Any) -> None:
    """Asserts that each value which is called untouched has its very bytes."""
    assert len(old) == len(new)
    for target, origin in mapping.untouched().items():
        for a, b in zip(old, new, strict=True):
            theirs = [*_raws(before, mapping.source, mapping.source.root, a, origin)]
            ours = [*_raws(after, mapping.target, mapping.target.root, b, target)]
            assert theirs == ours, f"{path_text(target)} is called untouched, but its bytes differ"


def _raws(values: Any, schema: Schema, field: Field, raw: Any, path: Place) -> Iterator[bytes | None]:
    """The raws at a path; none where something above is null or missing, or a union."""
    if not path or raw is None:
        yield None if raw is None else bytes(raw)
        return
    step, *rest = path
    match resolved(field.type, schema.definitions):
        case Record() as type if isinstance(step, str):
            found = values.opener(field)(raw)
            inner = MISSING if found is None else found.get(step, MISSING)
            if inner is not MISSING:
                yield from _raws(values, schema, type[step], inner, tuple(rest))
        case List(item) if step == EACH_ITEM:
            for inner in values.opener(field)(raw) or ():
                yield from _raws(values, schema, item, inner, tuple(rest))
        case Map(value) if step == EACH_VALUE:
            for inner in (values.opener(field)(raw) or {}).values():
                yield from _raws(values, schema, value, inner, tuple(rest))
        case Union():
            return
        case type:
            raise AssertionError(f"{step} is not below {type}")


FILES: dict[str, tuple[Callable[[Case, Path, Form], None], Callable[[Path, Path, Path, Mapping, str], None]]] = {
    "parquet": (write_parquet, same_tables),
    "avro": (write_avro, same_avro),
    "json": (write_json, same_json),
}
