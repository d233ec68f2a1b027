"""Records that a proof found to differ, under the line that says so: where each is, and both values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from instar.transforms.run.unit import Example

_WIDTH = 100


def example_lines(examples: Sequence[Example]) -> list[str]:
    """A line or two for each; none where the line above says it all."""
    return told_lines([example.as_json() for example in examples])


def told_lines(examples: Sequence[Mapping[str, object]]) -> list[str]:
    """The same of examples as reports have them."""
    if len(examples) == 1 and examples[0]["group"] is None:
        return []
    return [line for example in examples for line in _lines(example)]


def _lines(example: Mapping[str, object]) -> list[str]:
    group = "" if example["group"] is None else f"{example.get('unit', 'group')} {example['group']}, "
    place = f"    {group}record {example['row']}"
    if example["old"] is None:
        return [place]
    whole = f"{place}: {example['new']}, must be {example['old']}"
    return [whole] if len(whole) <= _WIDTH else [f"{place}: {example['new']}", f"{' ' * (len(place) - 7)}must be: {example['old']}"]
