"""`$ref`: what each one means, found within the document and the registry only, never over the network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import urljoin

from instar.formats.errors import SchemaError, suggestion

from .keywords import (
    DEFINITIONS,
    DRAFT_4,
    DRAFT_6,
    DRAFT_7,
    DRAFT_2019,
    DRAFT_2020,
    REFERENCES,
    Node,
    draft_of,
    everywhere,
    pointer_text,
    subschemas,
)
from .text import loads

Definition = tuple[str, str]
"""A definition at the document's root: ("$defs", "Address")."""


@dataclass(frozen=True)
class References:
    """Every `$ref` of one document with its target.

    `targets` and `uris` (the reference made absolute) are keyed by the identity of the node that has the `$ref`, `definitions` by
    that of a root definition's node.
    `library` is the registered documents, by URI and by name, where the document reaches beyond itself.
    """

    document: Node
    definitions: Mapping[int, Definition]
    targets: dict[int, Any] = field(default_factory=dict)
    uris: dict[int, str] = field(default_factory=dict)
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

    def by_uri(self) -> list[tuple[str, Any]]:
        """Each reference and its target."""
        return [(uri, self.targets[node]) for node, uri in self.uris.items()]

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
    """All references of a document; `library` is other documents (text or JSON) by name, read only if one reaches beyond it.

    Raises:
        SchemaError: a reference that leads nowhere; names its place.
    """
    definitions = {id(node): (container, name)
                   for container in DEFINITIONS if isinstance(document, dict)
                   for name, node in document.get(container, {}).items() if isinstance(node, dict)}  # fmt: skip
    out = References(document, definitions)
    if not any(isinstance(node, dict) and REFERENCES & node.keys() for _, node in everywhere(document)):
        return out

    from jsonschema_specifications import REGISTRY
    from referencing.exceptions import Unresolvable

    others = _Library(library)
    root = resource(document)
    base = root.id() or ""
    resolver = REGISTRY.with_resource(base, root).crawl().resolver(base)
    waiting: list[tuple[tuple[str, ...], Node, str, Any]] = [((), document, base, resolver)]
    while waiting:
        place, node, base, resolver = waiting.pop()
        said = node if isinstance(node, dict) else {}
        for keyword in REFERENCES & said.keys():
            text = said[keyword]
            try:
                target = resolver.lookup(text).contents
            except Unresolvable:
                target = others.lookup(text, base, place)
                out.library.update(others.by_name)
            if keyword == "$ref":
                out.targets[id(node)] = target
                out.uris[id(node)] = urljoin(base, text)
            out.uses[id(target)] += 1
        for step, sub in subschemas(node):
            if isinstance(sub, dict):
                inner = resource(sub, draft_of(document))
                waiting.append((place + step, sub, urljoin(base, inner.id() or ""), resolver.in_subresource(inner)))
    return out


def resource(node: Any, draft: str | None = None) -> Any:
    """A document (or with `draft`, a part of one) as `referencing` has it."""
    from referencing.jsonschema import DRAFT4, DRAFT6, DRAFT7, DRAFT201909, DRAFT202012

    known = {DRAFT_4: DRAFT4, DRAFT_6: DRAFT6, DRAFT_7: DRAFT7, DRAFT_2019: DRAFT201909, DRAFT_2020: DRAFT202012}
    return known[draft or draft_of(node)].create_resource(node)


@dataclass(frozen=True)
class _Library:
    """Other registered documents, found by their URI or by the bare name under which they are registered."""

    given: Mapping[str, Any]

    @cached_property
    def by_name(self) -> dict[str, Any]:
        named = {
            name: loads(text, what=f"the document {name!r}") if isinstance(text, str) else text for name, text in self.given.items()
        }
        return named | {uri: other for other in named.values() if isinstance(other, dict) and (uri := resource(other).id())}

    @cached_property
    def registry(self) -> Any:
        from referencing import Registry

        return Registry().with_resources((name, resource(other)) for name, other in self.by_name.items()).crawl()

    def lookup(self, text: str, base: str, place: tuple[str, ...]) -> Any:
        """What a reference means that the document itself does not answer; a bare name counts whatever the base URI there."""
        from referencing.exceptions import Unresolvable

        for resolver in (self.registry.resolver(base), self.registry.resolver()) if not text.startswith("#") else ():
            try:
                return resolver.lookup(text).contents
            except Unresolvable:
                continue
        hint = "There is no such definition in the document."
        if not text.startswith("#"):
            known = suggestion(text.partition("#")[0], list(self.by_name))
            hint = f"References are looked up in the document and among the registered ones, never over the network. {known}"
        raise SchemaError(f"the $ref {text!r} at {pointer_text(place)} leads nowhere", hint=hint)
