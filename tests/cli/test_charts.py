"""Charts by themselves: whatever a field is called, the drawing has its name."""

from __future__ import annotations

import pytest

pytest.importorskip("matplotlib", reason="charts are drawn by matplotlib, of the extra `report`")


@pytest.mark.parametrize("name", [r"a\b", r"a\1", r"a\g<0>", 'a"<b>&'])
def test_a_chart_is_named_as_it_was_told(name: str) -> None:
    from xml.etree import ElementTree

    from instar.cli.report_page import charts

    bins = [{"from": "0", "to": "1", "count": 2}, {"from": "1", "to": "2", "count": 1}]
    drawn = charts.histogram({"bins": bins}, new=True, label=name)
    assert ElementTree.fromstring(drawn.replace("xlink:href", "href")).attrib["aria-label"] == name
