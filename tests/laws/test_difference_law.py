"""A law of `diff`: every line of either schema stands in the tree, once, whatever the scripts do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from hypothesis import given

from instar.formats.path import Path
from instar.transforms.difference import Difference, difference
from instar.transforms.mapping import chain
from instar.transforms.outline import Node, outline
from tests.laws.cases import Case, cases
from tests.laws.test_laws import law


def paths(nodes: Iterable[Node]) -> Counter[Path]:
    found: Counter[Path] = Counter()
    for node in nodes:
        found[node.path] += 1
        found += paths(node.children)
    return found


def named(found: Counter[Path]) -> Counter[Path]:
    """Without elements, which may have a line because they have one in the other version."""
    return Counter({path: times for path, times in found.items() if isinstance(path[-1], str)})


@law
@given(cases(most=6))
def test_every_line_of_either_schema_stands_in_the_difference_once(case: Case) -> None:
    mapping = chain(case.schema, case.operations)
    for given_chain in (mapping, None):
        tops, _ = difference(mapping.source, mapping.target, given_chain)
        every: list[Difference] = [line for top in tops for line in top.every() if line.old_path != ()]
        for shown, schema in (("old_path", mapping.source), ("new_path", mapping.target)):
            found = Counter(place for line in every if (place := getattr(line, shown)) is not None)
            assert named(found) == named(paths(outline(schema)))
        assert all(line.kind == "same" or line.what or None in (line.old, line.new) for line in every)
