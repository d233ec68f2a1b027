"""The schema document of a Parquet subject: an Arrow schema as JSON, in the form of Arrow's integration tests.

    {"schema": {"fields": [{"name", "type": {"name": …}, "nullable", "children"}, …], "metadata"?: [{"key", "value"}]}}

The source of the form is the Arrow project's docs/source/format/Integration.rst.
"""

from __future__ import annotations

import json
from typing import Any

from instar.formats.arrow_metadata import held_as
from instar.formats.arrow_nodes import read_node, write_node
from instar.formats.arrow_types import Node
from instar.formats.errors import SchemaError
from instar.formats.logical import TYPE, contradicts, type_named
from instar.formats.schema import Field, Schema, children, type_text

_ROOT = ("fields", "metadata")


def parse(text: str) -> Schema:
    """The logical schema of a document.

    Raises:
        SchemaError: not JSON, or not an Arrow schema; names the place.
    """
    document = _loaded(text)
    if not isinstance(document, dict) or not isinstance(document.get("schema"), dict):
        raise SchemaError('an Arrow schema document is an object {"schema": {"fields": […]}}', hint=_HINT)
    if extra := sorted(set(document) - {"schema"}):
        raise SchemaError(f"an Arrow schema document holds 'schema' only, not {', '.join(map(repr, extra))}", hint=_HINT)
    body = document["schema"]
    if not isinstance(body.get("fields"), list):
        raise SchemaError("not a valid Arrow schema: 'schema' has no array 'fields'", hint=_HINT)
    struct = {"name": "", "nullable": False, "type": {"name": "struct"}, "children": body["fields"]}
    root = read_node(struct | ({"metadata": body["metadata"]} if "metadata" in body else {}), "")
    rest = {key: value for key, value in body.items() if key not in _ROOT}
    _refuse_contradictions(root, "")
    return Schema(root.with_(extra={**root.extra, **({"arrow.schema": rest} if rest else {})}))


_HINT = "`instar register SUBJECT FILE.parquet` makes a document of a data file's own schema."


def _loaded(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_no_constant, object_pairs_hook=_no_duplicates)
    except ValueError as error:
        raise SchemaError(f"not a JSON document: {error}", hint=_HINT) from None


def _no_constant(word: str) -> None:
    raise ValueError(f"{word} is not JSON")


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(name for name in names if names.count(name) > 1)!r} is given twice")
    return found


def render(schema: Schema) -> str:
    """The document of a logical schema; pretty-printed, with a final newline. Defaults have no place in Arrow and are left out.

    Raises:
        SchemaError: Arrow has no such type; names the field and what to take instead.
    """
    whole = write_node(schema.root)
    body: Node = {"fields": whole["children"], **schema.root.extra.get("arrow.schema", {})}
    for source in (whole, schema.root.extra.get("arrow.rest", {})):
        if "metadata" in source:
            body.setdefault("metadata", source["metadata"])
    _number_dictionaries(body["fields"], _used_ids(body["fields"]))
    return json.dumps({"schema": body}, indent=2, ensure_ascii=_has_surrogates(body)) + "\n"


def _refuse_contradictions(field: Field, place: str) -> None:
    """A document must mean what it says; where a data file's metadata is stale, its Arrow type counts (`arrow_metadata`)."""
    written = dict(field.extra.get("metadata", ())).get(TYPE)
    if written is not None and (meant := type_named(written, place)) != field.type:
        held = held_as(meant)
        raise contradicts(meant, type_text(field.type), held and type_text(held), place)
    for step, inner in children(field.type):
        _refuse_contradictions(inner, f"{place}.{step}" if place and step[:1] not in "[{<" else place + step)


def _has_surrogates(body: Node) -> bool:
    """Metadata that is not UTF-8 is kept as lone surrogates, which a file cannot hold unless they are escaped."""
    try:
        json.dumps(body, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False


def _used_ids(nodes: list[Node]) -> set[int]:
    here = {node["dictionary"]["id"] for node in nodes if "id" in node.get("dictionary", {})}
    return here.union(*(_used_ids(node.get("children", [])) for node in nodes))


def _number_dictionaries(nodes: list[Node], used: set[int]) -> None:
    """Gives each dictionary that came from a data file, which has no numbers, the next free one."""
    for node in nodes:
        if "dictionary" in node and "id" not in node["dictionary"]:
            free = next(i for i in range(len(used) + 1) if i not in used)
            used.add(free)
            node["dictionary"] = {"id": free, **node["dictionary"]}
        _number_dictionaries(node.get("children", []), used)
