"""A source's slots as the compiled part knows them: a graph of nodes, in which a recursive type is a node that leads to itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from instar.formats.avro.physical import Definitions, Layout
from instar.formats.avro.walk import least_size

if TYPE_CHECKING:
    from instar.formats.avro.pieces import Slot

_FIXED_SIZES = {"boolean": 1, "float": 4, "double": 8}
_NUMBERS, _TEXTS = ("int", "long", "enum"), ("bytes", "string")
MOST_BRANCHES = 64
"""Of a union: so many have an index of one byte."""


class TooManyBranches(ValueError):
    """A union that the compiled part does not know."""


def compiled_layout(module: Any, slots: tuple[Slot, ...], known: Definitions) -> Any:
    """
    Raises:
        TooManyBranches: a union of more than `MOST_BRANCHES`.
    """
    graph = _Graph(module, known)
    nodes = [graph.node(slot.layout) for slot in slots]
    return module.layout([number for node in graph.nodes for number in node], graph.children, nodes)


class _Graph:
    """`nodes`: (kind, size, first, count) each, its children being `children[first : first + count]`."""

    def __init__(self, module: Any, known: Definitions) -> None:
        self.module = module
        self.known = known
        self.nodes: list[tuple[int, int, int, int]] = []
        self.children: list[int] = []
        self.named: dict[str, int] = {}

    def node(self, layout: Layout) -> int:
        """The number of the layout's node, made with all below it."""
        if layout.kind == "reference" and layout.null is None:
            return self._definition(layout.name)
        number = len(self.nodes)
        self.nodes.append((0, 0, 0, 0))
        self.nodes[number] = self._made(layout)
        return number

    def _definition(self, name: str) -> int:
        if name not in self.named:
            number = self.named[name] = len(self.nodes)
            self.nodes.append((0, 0, 0, 0))
            self.nodes[number] = self._made(self.known[name].value)
        return self.named[name]

    def _made(self, layout: Layout) -> tuple[int, int, int, int]:
        m, null = self.module, layout.null
        if layout.kind == "union":
            branches = [*layout.of[: null if null is not None else None]]
            branches += [] if null is None else [Layout("null"), *layout.of[null:]]
            if len(branches) > MOST_BRANCHES:
                raise TooManyBranches
            return (m.UNION, 0, *self._below(branches))
        if null is not None:
            return (m.OPTIONAL, null, *self._below([layout.value]))
        match layout.kind:
            case "null":
                return (m.NOTHING, 0, 0, 0)
            case "fixed":
                return (m.FIXED, layout.size, 0, 0)
            case "record":
                return (m.RECORD, 0, *self._below(list(layout.of)))
            case "array" | "map":
                keyed = layout.kind == "map"
                least = least_size(layout.of[0], self.known) + keyed
                return (m.MAP if keyed else m.ARRAY, least, *self._below([layout.of[0]]))
            case "reference":  # to a named type by another name
                return (m.RECORD, 0, *self._below([layout]))
            case kind if kind in _NUMBERS:
                return (m.NUMBER, 0, 0, 0)
            case kind if kind in _TEXTS:
                return (m.TEXT, 0, 0, 0)
            case kind:
                return (m.FIXED, _FIXED_SIZES[kind], 0, 0)

    def _below(self, layouts: list[Layout]) -> tuple[int, int]:
        nodes = [self.node(layout) for layout in layouts]
        first = len(self.children)
        self.children += nodes
        return first, len(nodes)
