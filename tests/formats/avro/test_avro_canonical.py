"""Is a schema understood as the Avro project understands it? Its parsing canonical form, made of nothing but the logical schema.

Avro 1.12, "Parsing Canonical Form for Schemas": full names, attributes in one order, defaults, docs and logical types left out.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import fastavro.schema

from instar.formats.avro import FORMAT
from instar.formats.avro.physical import NAME, null_at, storage
from instar.formats.schema import Enum, Field, List, Map, Null, Record, Reference, Schema, Union


def test_canonical_forms_and_fingerprints_agree(conformance: Path) -> None:
    cases = json.loads((conformance / "avro-schema-parse" / "canonical_form_cases.json").read_text())
    forms = fingerprints = 0
    for case in cases:
        text = case["input"].partition(" -- ")[0].replace('"size":015', '"size":15')  # a remark, and a number that is not JSON's
        made = canonical(FORMAT.parse(text))
        assert made == case["canonical"], text
        forms += 1
        if case.get("fingerprint") is not None:
            crc = bytes.fromhex(fastavro.schema.fingerprint(made, "CRC-64-AVRO"))
            assert int.from_bytes(crc, "little", signed=True) == int(case["fingerprint"]), text
            fingerprints += 1
    assert (forms, fingerprints) == (34, 26)


def canonical(schema: Schema) -> str:
    return json.dumps(_form(schema.root, set()), separators=(",", ":"), ensure_ascii=False)


def _form(field: Field, written: set[str]) -> Any:
    """The field's type with its union; `written`: the names that are defined already."""
    if isinstance(field.type, Null):
        return ["null"] if isinstance(field.type, Union) else "null"
    if isinstance(field.type, Union):
        forms = [_value(branch, written) for branch in field.type.branches]
    elif field.nullable:
        forms = [_value(field, written)]
    else:
        return _value(field, written)
    at = null_at(field)
    if at is not None:
        forms.insert(at, "null")
    return forms


def _value(field: Field, written: set[str]) -> Any:
    kind, size = storage(field)
    name = getattr(field.type, "name", "") or field.extra.get(NAME, "")
    if isinstance(field.type, Reference) or name in written:
        return name
    if name:
        written.add(name)
    match field.type:
        case Record(fields):
            inner = [{"name": f.name, "type": _form(f, written)} for f in fields]
            return {"name": name, "type": field.extra["avro.type"]["type"], "fields": inner}
        case Enum(symbols):
            return {"name": name, "type": kind, "symbols": list(symbols)}
        case List(item):
            return {"type": kind, "items": _form(item, written)}
        case Map(value):
            return {"type": kind, "values": _form(value, written)}
    return {"name": name, "type": kind, "size": size} if kind == "fixed" else kind
