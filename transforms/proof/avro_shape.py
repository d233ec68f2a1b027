"""The binary form of an Avro schema: all that decides how bytes are read, and nothing of what the values are called.

Source: Avro 1.12, "Binary Encoding", and "Names" for what a name means.
"""

from __future__ import annotations

from typing import Any

from .avro_header import PRIMITIVES, full_name

Shape = tuple[Any, ...]
"""Two schemas of one shape take the same bytes for the same numbers, texts and branches, in the same order."""


def shape_of(document: Any) -> Shape:
    """The shape of a schema, given as JSON.

    Raises:
        ValueError: it is no Avro schema.
    """
    return _Reader().shape(document, "")


class _Reader:
    """One walk over the document; `numbers` are those of the named types, in the order in which they are defined."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def shape(self, node: Any, space: str) -> Shape:
        while isinstance(node, dict) and isinstance(node.get("type"), dict | list):
            node = node["type"]
        if isinstance(node, list):
            return ("union", *(self.shape(branch, space) for branch in node))
        kind = node if isinstance(node, str) else node["type"]
        if kind in PRIMITIVES:
            return (kind,)
        if isinstance(node, str) or kind not in ("array", "map", "record", "error", "enum", "fixed"):
            return self._meant(kind, space)
        if kind in ("array", "map"):
            return (kind, self.shape(node["items" if kind == "array" else "values"], space))
        return self._defined(node, kind, space)

    def _meant(self, name: str, space: str) -> Shape:
        known = next((full for full in (full_name(name, space), name) if full in self.numbers), None)
        if known is None:
            raise ValueError(f"the header's schema speaks of {name}, which it does not define")
        return ("named", self.numbers[known])

    def _defined(self, node: dict[str, Any], kind: str, space: str) -> Shape:
        full = full_name(node["name"], node.get("namespace", space) or "")
        self.numbers[full] = len(self.numbers)
        match kind:
            case "enum":
                return ("enum", *node["symbols"])
            case "fixed":
                return ("fixed", node["size"])
            case _:
                inside = full.rpartition(".")[0]
                return ("record", *(self.shape(field["type"], inside) for field in node["fields"]))
