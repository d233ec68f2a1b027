"""Schema documents as text, whatever their format: which format one is, and a fingerprint that reformatting leaves alone."""

from __future__ import annotations

import hashlib
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

from .errors import SchemaError, UsageError

SUFFIXES = {"parquet": ".arrow.json", "avro": ".avsc", "json": ".schema.json"}
"""What a format's schema documents end in; the same as `Format.suffix`, known without importing the format."""

_AVRO_TYPES = {"record", "enum", "fixed", "array", "map", "error"}
_JSON_KEYWORDS = {"$schema", "$id", "$ref", "$defs", "definitions", "properties", "allOf", "anyOf", "oneOf"}


def document_text(path: Path) -> str:
    """The text of a schema document that a user names.

    Raises:
        UsageError: there is no such file. SchemaError: it is not text.
    """
    if not path.is_file():
        raise UsageError(f"there is no file {path}", hint="Name a schema document (.avsc, .schema.json, .arrow.json).")
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise SchemaError(f"{path} is no schema document: {error}", hint="It is JSON text, in UTF-8.") from None


def document_fingerprint(text: str) -> str:
    """A digest of what a JSON document says: not of its spacing, order of keys, or how it spells a number.

    Raises:
        SchemaError: the text is not JSON, or gives a key twice.
    """
    canonical = json.dumps(read_document(text), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:32]


def read_document(text: str) -> Any:
    """The JSON document, each number in one canonical spelling: an int, else ["number", digits, exponent]."""
    try:
        return json.loads(text, parse_float=_number, object_pairs_hook=_object, parse_constant=_constant)
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise SchemaError(
            f"the schema document is not valid JSON: {error}", hint="A schema document is .avsc, JSON Schema or Arrow schema JSON."
        ) from None


def format_of(name: str, text: str) -> str:
    """Which format a schema document is of: by the end of its name, else by what it holds.

    Raises:
        SchemaError: neither tells.
    """
    for format, suffix in SUFFIXES.items():
        if name.lower().endswith(suffix):
            return format
    document = read_document(text)
    if isinstance(document, dict):
        body = document.get("schema")
        if isinstance(body, dict) and isinstance(body.get("fields"), list):
            return "parquet"
        kind = document.get("type")
        if isinstance(kind, str) and kind in _AVRO_TYPES and _names_avro(document):
            return "avro"
        if _JSON_KEYWORDS & set(document) or "type" in document:
            return "json"
    if isinstance(document, str | list):
        return "avro"
    raise SchemaError(
        f"{name or 'the document'} is neither an Avro schema, a JSON Schema nor an Arrow schema",
        hint=f"Name it v1{', v1'.join(SUFFIXES.values())}, or say which format it is of.",
    )


def _names_avro(document: dict[str, Any]) -> bool:
    """JSON Schema has a type "array", too, but then no "items" that is a mere name, and never "fields" or "symbols"."""
    return bool({"name", "fields", "symbols", "values"} & set(document)) or isinstance(document.get("items"), str | list)


def _number(text: str) -> Any:
    """`1.50` and `15e-1` are one number; a whole one is the integer it is, unless it is written to be huge."""
    number = Decimal(text)
    sign, digits, exponent = number.as_tuple()
    if not isinstance(exponent, int):
        raise ValueError(f"{text} is not a number of JSON")
    shown = "".join(map(str, digits)).lstrip("0")
    stripped = shown.rstrip("0")
    exponent += len(shown) - len(stripped)
    if not stripped:
        return 0
    if 0 <= exponent <= 400:
        return int(stripped + "0" * exponent) * (-1 if sign else 1)
    return ["number", ("-" if sign else "") + stripped, exponent]


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} is given twice in one object")
    return found


def _constant(word: str) -> Any:
    raise ValueError(f"{word} is not JSON")
