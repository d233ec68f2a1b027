"""What a schema document may refer to: other registered documents, by the names under which they can be found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

from .documents import read_document

_ADDRESSES = ("$ref", "$dynamicRef", "$recursiveRef")
_TYPES = ("type", "items", "values", None)


@dataclass(frozen=True)
class Library:
    """Registered documents by name: their texts, and which "subject/vN" each name means."""

    texts: Mapping[str, str]
    targets: Mapping[str, str]

    def references(self, text: str) -> dict[str, str]:
        """The names that a document uses, by itself or through what it uses, each with its "subject/vN".

        A reference is completed in each way that its format allows: a name too many only ties the document to a version that it
        does not need.
        """
        found: dict[str, str] = {}
        waiting = [text]
        while waiting:
            for name in _candidates(read_document(waiting.pop())):
                if name in self.targets and name not in found:
                    found[name] = self.targets[name]
                    waiting.append(self.texts[name])
        return dict(sorted(found.items()))


def own_names(text: str) -> tuple[str, ...]:
    """What a document calls itself: an Avro full name, a JSON Schema `$id` (draft-04: `id`)."""
    document: Any = read_document(text)
    if not isinstance(document, dict):
        return ()
    if isinstance(name := document.get("name"), str) and isinstance(document.get("type"), str):
        space = document.get("namespace")
        return (f"{space}.{name}" if isinstance(space, str) and space and "." not in name else name,)
    names = (document.get("$id"), document.get("id"))
    return tuple(name.rstrip("#") for name in names if isinstance(name, str) and name.rstrip("#"))


def _candidates(document: Any) -> set[str]:
    """What the document's references may mean: a `$ref` below each `$id` (JSON Schema), a type's name in each namespace (Avro)."""
    texts = list(_texts(document, None))
    bases = {text for key, text in texts if key == "$id"}
    spaces = {text if key == "namespace" else text.rpartition(".")[0] for key, text in texts if key in ("namespace", "name")}
    addresses = {text.partition("#")[0] for key, text in texts if key in _ADDRESSES}
    types = {text for key, text in texts if key in _TYPES}
    return addresses | types | {_joined(b, a) for b in bases for a in addresses} | {f"{s}.{t}" for s in spaces for t in types}


def _joined(base: str, address: str) -> str:
    try:
        return urljoin(base, address)
    except ValueError:  # a base that is no address
        return address


def _texts(node: Any, key: str | None) -> Iterator[tuple[str | None, str]]:
    """Each text of a document with the key it stands under; those of a list stand under the list's key."""
    if isinstance(node, str):
        yield key, node
    elif isinstance(node, dict):
        for name, value in node.items():
            yield from _texts(value, name)
    elif isinstance(node, list):
        for value in node:
            yield from _texts(value, key)
