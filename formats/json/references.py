"""`$ref`: what each one means, found within the document and the registry only, never over the network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from instar.formats.errors import SchemaError, suggestion

from .keywords import DEFINITIONS, DRAFT_7, REFERENCES, Node, draft_of, everywhere, pointer_text, subschemas
from .text import loads

Definition = tuple[str, str]
"""A definition at the document's root: ("$defs", "Address")."""


@dataclass(frozen=True)
class References:
    """Every `$ref` of one document with its target.

    `targets` is keyed by the identity of the node that has the `$ref`, `definitions` by that of a root definition's node.
    `library` is the registered documents, by URI and by name, where the document reaches beyond itself.
    """

    document: Node
    definitions: Mapping[int, Definition]
    targets: dict[int, Any] = field(default_factory=dict)
    texts: dict[int, str] = field(default_factory=dict)
    uses: Counter[int] = field(default_factory=Counter)
    library: dict[str, Any] = field(default_factory=dict)

    def target(self, node: Mapping[str, Any]) -> Any:
        """What the node's `$ref` points at."""
        return self.targets[id(node)]

    def definition(self, target: Any) -> Definition | None:
        """The root definition that a target is, if it is one."""
        return self.definitions.get(id(target))

    def used(self, target: Any) -> int:
        """How often anything points at it."""
        return self.uses[id(target)]

    def by_text(self) -> list[tuple[str, Any]]:
        """Each reference's text and target."""
        return [(text, self.targets[node]) for node, text in self.texts.items()]

    def reached(self, nodes: list[Node]) -> list[Mapping[str, Any]]:
        """Every node with a `$ref` in `nodes`, and in whatever those point at, and so on."""
        found: dict[int, Mapping[str, Any]] = {}
        waiting = list(nodes)
        while waiting:
            for _, node in everywhere(waiting.pop()):
                if id(node) in self.targets and id(node) not in found and isinstance(node, dict):
                    found[id(node)] = node
                    waiting.append(self.targets[id(node)])
        return list(found.values())


def resolved(document: Node, library: Mapping[str, Any]) -> References:
    """All references of a document; `library` is other documents (text or JSON) by name.

    Raises:
        SchemaError: a reference that leads nowhere; names its place.
    """
    import referencing
    from jsonschema_specifications import REGISTRY
    from referencing.exceptions import Unresolvable
    from referencing.jsonschema import DRAFT7, DRAFT202012

    definitions = {id(node): (container, name)
                   for container in DEFINITIONS if isinstance(document, dict)
                   for name, node in document.get(container, {}).items() if isinstance(node, dict)}  # fmt: skip
    out = References(document, definitions)
    if not any(isinstance(node, dict) and REFERENCES & node.keys() for _, node in everywhere(document)):
        return out

    others = {name: loads(text, what=f"the document {name!r}") if isinstance(text, str) else text for name, text in library.items()}
    by_name: dict[str, Any] = dict(others)
    by_name.update({other["$id"].rstrip("#"): other for other in others.values() if isinstance(other, dict) and "$id" in other})

    def resource(node: Any) -> referencing.Resource[Any]:
        return (DRAFT7 if draft_of(node) == DRAFT_7 else DRAFT202012).create_resource(node)

    root = resource(document)
    own = DRAFT7 if draft_of(document) == DRAFT_7 else DRAFT202012
    registry = REGISTRY.with_resources((name, resource(other)) for name, other in by_name.items())
    waiting: list[tuple[tuple[str, ...], Node, Any]] = [((), document, registry.resolver_with_root(root))]
    while waiting:
        place, node, resolver = waiting.pop()
        if isinstance(node, dict):
            for keyword in REFERENCES & node.keys():
                text = node[keyword]
                try:
                    target = resolver.lookup(text).contents
                except Unresolvable:
                    target = _in_library(text, registry, by_name, place)
                if keyword == "$ref":
                    out.targets[id(node)] = target
                    out.texts[id(node)] = text
                out.uses[id(target)] += 1
                if not text.startswith("#"):
                    out.library.update(by_name)
        for step, sub in subschemas(node):
            waiting.append((place + step, sub, resolver.in_subresource(own.create_resource(sub))))
    return out


def _in_library(text: str, registry: Any, by_name: Mapping[str, Any], place: tuple[str, ...]) -> Any:
    """A reference by the bare name of a registered document, whatever the base URI at that place."""
    from referencing.exceptions import Unresolvable

    try:
        return registry.resolver().lookup(text).contents
    except Unresolvable:
        local = text.startswith("#")
        raise SchemaError(
            f"the $ref {text!r} at {pointer_text(place)} leads nowhere",
            hint="There is no such definition in the document."
            if local
            else "References are looked up in the document and among the registered ones, never over the network. "
            + suggestion(text.partition("#")[0], list(by_name)),
        ) from None
