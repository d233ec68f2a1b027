"""Avro records field by field: fastavro reads all values of one field at a time, which is far quicker than one record at a time.

A compiled walk (`_avro_split.c`) finds where each field of each record ends, and puts the bytes of one field behind one another.
They are then one array of Avro's, which fastavro reads.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path as FilePath
from types import ModuleType
from typing import Any

from .avro_blocks import DECODING, Damaged, blocks, bounded, decompressor, header_of, told_apart
from .avro_header import PRIMITIVES, full_name

PART = "instar.transforms.proof._avro_split"
INTERFACE = 2
"""What the part's INTERFACE must be: in a checkout it may have been built from an older source."""

_NOTHING, _FIXED, _LONG, _TEXT, _UNION, _LIST, _MAP, _RECORD, _ENUM = range(9)
_PRIMITIVE = {
    "null": (_NOTHING, 0), "boolean": (_FIXED, 1), "float": (_FIXED, 4), "double": (_FIXED, 8), "int": (_LONG, 0),
    "long": (_LONG, 0), "bytes": (_TEXT, 0), "string": (_TEXT, 0),
}  # fmt: skip
_ROWS = 4096

Node = tuple[int, int, tuple[int, ...]]
"""The kind of a value, its size where that is fixed, and the numbers of the nodes of what is in it."""


class NotSplitError(ValueError):
    """The records are better read one by one: they are damaged, or of a form that this is not for."""


def compiled_part() -> ModuleType | None:
    """The part; None where it was not built, or for another machine, or from another source."""
    try:
        part = import_module(PART)
    except ImportError:
        return None
    return part if getattr(part, "INTERFACE", None) == INTERFACE else None


def columns(path: FilePath, names: Sequence[str], part: ModuleType) -> Iterator[dict[str, list[Any]]]:
    """The values of these fields of some records at a time, as `avro_blocks.records` gives them.

    Raises:
        NotSplitError: the records must be read one by one. OSError: the file cannot be read.
    """
    try:
        yield from _columns(path, names, part)
    except (*DECODING, ValueError) as error:
        raise NotSplitError(str(error)) from error


def misnaming(schema: Any) -> Callable[[int, bytes], bool]:
    """Has a block of so many records, which fastavro reads, a symbol of an enum or a branch of a union that there is not? It takes
    a negative number for one counted from the end. Without the compiled part nobody knows."""
    part = compiled_part()
    try:
        form = part and part.form(nodes_of(schema))
    except NotSplitError:
        form = None
    if part is None or form is None:
        return lambda count, data: False
    unwanted = bytes(len(schema["fields"]))
    return lambda count, data: part.split(form, count, data, unwanted) is False


def _columns(path: FilePath, names: Sequence[str], part: ModuleType) -> Iterator[dict[str, list[Any]]]:
    import fastavro

    with path.open("rb") as file:
        metadata, sync = header_of(file)
        schema = told_apart(json.loads(metadata["avro.schema"]), iter(range(1 << 30)))
        form, decompress = part.form(nodes_of(schema)), decompressor(metadata.get("avro.codec", b"null").decode())
        fields = [field["name"] for field in schema["fields"]]
        if len(set(names)) < len(names) or not set(names) <= set(fields):
            raise NotSplitError("it has no such fields")
        arrays, wanted = fastavro.parse_schema(_of_arrays(schema)), bytes(name in names for name in fields)
        parts, rows = _emptied(fields), 0
        for count, data in blocks(file, sync):
            split = part.split(form, count, bounded(count, decompress(data)), wanted)
            if split is None or split is False:
                raise NotSplitError("a block is not of whole records")
            if not count:
                continue
            for each, is_wanted, values in zip(parts, wanted, split, strict=True):
                if is_wanted:
                    each += (_number(count), values)
            rows += count
            if rows >= _ROWS:
                yield _read(arrays, parts, names, rows)
                parts, rows = _emptied(fields), 0
        if rows:
            yield _read(arrays, parts, names, rows)


def _emptied(fields: Sequence[str]) -> list[list[bytes]]:
    return [[] for _ in fields]


def _read(schema: Any, parts: Sequence[Sequence[bytes]], names: Sequence[str], rows: int) -> dict[str, list[Any]]:
    """Each field's values: a record of arrays, of which those that are not asked for are empty."""
    import fastavro

    block = io.BytesIO(b"".join(piece for each in parts for piece in (*each, b"\0")))
    found: Any = fastavro.schemaless_reader(block, schema, None)  # type: ignore[arg-type]
    if block.read(1) or any(len(found[name]) != rows for name in names):
        raise Damaged("a field holds more or fewer values than there are records")
    return {name: found[name] for name in names}


def _of_arrays(schema: Any) -> dict[str, Any]:
    """The record with arrays of its fields' values. A field that holds such records itself cannot be read so."""
    space = full_name(schema["name"], schema.get("namespace", "") or "").rpartition(".")[0]
    fields = [{"name": field["name"], "type": {"type": "array", "items": field["type"]}} for field in schema["fields"]]
    return {"type": "record", "name": "instar_columns", **({"namespace": space} if space else {}), "fields": fields}


def _number(value: int) -> bytes:
    """A count as Avro writes it."""
    value, written = 2 * value, bytearray()
    while value >= 0x80:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*written, value))


# ---- what the part is told
def nodes_of(document: Any) -> tuple[Node, ...]:
    """The binary form of a schema that is a record: its node, and all others.

    Raises:
        NotSplitError: it is no record, or speaks of a type that it does not define.
    """
    found = _Nodes()
    found.number(document, "")
    if found.nodes[0][0] != _RECORD:
        raise NotSplitError("it holds no records")
    return tuple(found.nodes)


class _Nodes:
    """One walk over the document; `named` are the nodes of the types that have names."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.named: dict[str, int] = {}

    def number(self, node: Any, space: str) -> int:
        """The number of a schema's node."""
        while isinstance(node, dict) and isinstance(node.get("type"), dict | list):
            node = node["type"]
        kind = "union" if isinstance(node, list) else node if isinstance(node, str) else node["type"]
        if kind not in PRIMITIVES and (isinstance(node, str) or kind not in _DEFINING):
            return self._meant(kind, space)
        number = len(self.nodes)
        self.nodes.append((_NOTHING, 0, ()))
        self.nodes[number] = self._node(node, kind, space, number)
        return number

    def _node(self, node: Any, kind: str, space: str, number: int) -> Node:
        if kind in PRIMITIVES:
            return *_PRIMITIVE[kind], ()
        if kind == "union":
            return _UNION, 0, tuple(self.number(branch, space) for branch in node)
        if kind in ("array", "map"):
            return (_LIST if kind == "array" else _MAP), 0, (self.number(node["items" if kind == "array" else "values"], space),)
        full = full_name(node["name"], node.get("namespace", space) or "")
        self.named[full] = number
        if kind == "fixed":
            return _FIXED, node["size"], ()
        if kind == "enum":
            return _ENUM, len(node["symbols"]), ()
        inside = full.rpartition(".")[0]
        return _RECORD, 0, tuple(self.number(field["type"], inside) for field in node["fields"])

    def _meant(self, name: str, space: str) -> int:
        known = next((full for full in (full_name(name, space), name) if full in self.named), None)
        if known is None:
            raise NotSplitError(f"the header's schema speaks of {name}, which it does not define")
        return self.named[known]


_DEFINING = ("union", "array", "map", "record", "error", "enum", "fixed")
