"""JSON Schema's keywords: where subschemas are, which types a keyword speaks of, which only annotate.

Sources: https://json-schema.org/draft/2020-12/json-schema-core and …/json-schema-validation, and the same of the drafts before it;
https://json-schema.org/draft-06/json-schema-release-notes for what became of draft-04's keywords.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from instar.formats.errors import SchemaError

Node = dict[str, Any] | bool

DRAFT_2020 = "https://json-schema.org/draft/2020-12/schema"
DRAFT_2019 = "https://json-schema.org/draft/2019-09/schema"
DRAFT_7 = "http://json-schema.org/draft-07/schema"
DRAFT_6 = "http://json-schema.org/draft-06/schema"
DRAFT_4 = "http://json-schema.org/draft-04/schema"
DRAFTS = (DRAFT_2020, DRAFT_2019, DRAFT_7, DRAFT_6, DRAFT_4)
LONE_REFERENCES = frozenset({DRAFT_7, DRAFT_6, DRAFT_4})
"""Drafts that ignore whatever stands beside a `$ref` (draft-07, section 8.3 of its core)."""

DEFINITIONS = ("$defs", "definitions")

_ONE = ("items", "additionalProperties", "additionalItems", "not", "if", "then", "else", "contains", "propertyNames",
        "unevaluatedItems", "unevaluatedProperties", "contentSchema")  # fmt: skip
_BY_NAME = ("properties", "patternProperties", "dependentSchemas", "dependencies", *DEFINITIONS)
_MANY = ("allOf", "anyOf", "oneOf", "prefixItems", "items")

COMBINATORS = frozenset({"allOf", "anyOf", "oneOf", "not", "if", "then", "else"})
FIXED_VALUES = frozenset({"enum", "const"})
BY_GROUP: dict[str, frozenset[str]] = {
    "string": frozenset({"minLength", "maxLength", "pattern", "format", "contentEncoding", "contentMediaType", "contentSchema"}),
    "number": frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "format"}),
    "array": frozenset({"items", "prefixItems", "additionalItems", "contains", "minContains", "maxContains", "minItems", "maxItems",
                        "uniqueItems", "unevaluatedItems"}),
    "object": frozenset({"properties", "required", "additionalProperties", "patternProperties", "propertyNames", "minProperties",
                         "maxProperties", "dependentRequired", "dependentSchemas", "dependencies", "unevaluatedProperties"}),
}  # fmt: skip
REFERENCES = frozenset({"$ref", "$dynamicRef", "$recursiveRef"})
CONSTRAINTS = frozenset({"type"}) | COMBINATORS | FIXED_VALUES | REFERENCES | frozenset().union(*BY_GROUP.values())
"""Every keyword that limits which values are valid; whatever else a node has only annotates it."""


def only_annotates(node: dict[str, Any], *, but: str) -> bool:
    """Does the keyword `but` alone decide which values the node takes?"""
    return not any(name in CONSTRAINTS and name != but for name in node)


def applies(keyword: str, group: str) -> bool:
    """Does a keyword still mean something on a node of this group ("string", "number", "array", "object", "boolean", "null")?"""
    groups = [name for name, keywords in BY_GROUP.items() if keyword in keywords]
    return not groups or group in groups


def subschemas(node: Node) -> Iterator[tuple[tuple[str, ...], Node]]:
    """The schemas one level down, each with the pointer to it from `node`."""
    if not isinstance(node, dict):
        return
    for keyword, value in node.items():
        if keyword in _ONE and isinstance(value, dict | bool):
            yield (keyword,), value
        elif keyword in _MANY and isinstance(value, list):
            yield from (((keyword, str(i)), sub) for i, sub in enumerate(value))
        elif keyword in _BY_NAME and isinstance(value, dict):
            yield from (((keyword, name), sub) for name, sub in value.items() if isinstance(sub, dict | bool))


def everywhere(node: Node, pointer: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Node]]:
    """The node and every schema in it, each with its pointer."""
    waiting = [(pointer, node)]
    while waiting:
        place, current = waiting.pop()
        yield place, current
        waiting.extend((place + step, sub) for step, sub in subschemas(current))


def pointer_text(pointer: tuple[str, ...]) -> str:
    """A JSON pointer as a URI fragment: `#/properties/a~1b`."""
    return "#" + "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in pointer)


def reference_to(container: str, name: str) -> str:
    """The `$ref` text of a definition at the document's root."""
    return f"#/{quote(container, safe='$')}/" + quote(name.replace("~", "~0").replace("/", "~1"), safe="~$!*'()+,;=:@")


def draft_of(document: Any) -> str:
    """Which of DRAFTS a document is of; DRAFT_2020 where it says nothing.

    Raises:
        SchemaError: another draft.
    """
    said = document.get("$schema", DRAFT_2020) if isinstance(document, dict) else DRAFT_2020
    plain = str(said).rstrip("#").replace("https://", "http://")
    for draft in DRAFTS:
        if plain == draft.replace("https://", "http://"):
            return draft
    raise SchemaError(
        f"the JSON Schema is of {said!r}, which Instar does not read",
        hint=f'Say "$schema": "{DRAFT_2020}", or that of an earlier draft from 04 on, after checking that the document means the '
        "same there.",
    )
