"""The page of a run in a real browser: drawn, readable, reachable by keyboard, and in its numbers what report.json says."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from authoring import Author, said
from browsing import chromium, opened

SAMPLE = Path(__file__).resolve().parents[2] / "samples" / "project"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def flights(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """The page of the sample's flights, from version 1 to 3, and what `--json` says of the run."""
    folder = tmp_path_factory.mktemp("flights") / "project"
    shutil.copytree(SAMPLE, folder, ignore=shutil.ignore_patterns(".instar"))
    page = folder / "page.html"
    for arguments in (("upgrade", "flights", "--workers", "1"), ("report", "flights", "--html", str(page))):
        answer = said(*arguments, at=folder)
        assert answer.code == 0, answer.err
    return page, said("report", "flights", "--json", at=folder).json


def number(text: str) -> int:
    return int(text.replace(",", ""))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_opens_without_an_error_or_the_network_and_says_the_verdict_first(
    browser: Any, flights: tuple[Path, Any], scheme: Any
) -> None:
    with opened(browser, flights[0], scheme=scheme) as (page, seen):
        headline = page.locator("h1")
        assert headline.inner_text() == "Proved: every record and value is as it must be"
        assert headline.is_visible()
        assert headline.bounding_box()["y"] < 200
        assert "14,400 records in 12 files" in page.locator("#verdict").inner_text()
        assert seen.nothing, seen
    assert not re.search(r"https?://(?!www\.w3\.org)", flights[0].read_text(encoding="utf-8"))


def test_the_charts_are_drawn(browser: Any, flights: tuple[Path, Any]) -> None:
    _, told = flights
    with opened(browser, flights[0]) as (page, _):
        drawn = page.locator("svg[role=img]").evaluate_all(
            """charts => charts.map(chart => ({
                 box: [chart.getBoundingClientRect().width, chart.getBoundingClientRect().height],
                 label: chart.getAttribute("aria-label"),
                 bars: [...chart.querySelectorAll("path")].map(path => [getComputedStyle(path).fill, path.getBBox().height])
                   .filter(([fill, height]) => fill.startsWith("rgb") && height > 0).length,
                 ids: [...chart.querySelectorAll("[id]")].map(each => each.id)}))"""
        )
    binned = [side for column in told["profile"]["columns"] for side in (*column["sources"], column["after"]) if side["bins"]]
    assert len(drawn) == len(binned) + 1
    for chart, side in zip(drawn, binned, strict=False):
        assert side["path"] in chart["label"]
        assert chart["bars"] == sum(bin["count"] > 0 for bin in side["bins"])
    assert drawn[-1]["bars"] == len(told["written"])
    assert all(box > 60 for chart in drawn for box in chart["box"])
    ids = [id for chart in drawn for id in chart["ids"]]
    assert len(ids) == len(set(ids))


def test_its_numbers_are_those_of_report_json(browser: Any, flights: tuple[Path, Any]) -> None:
    _, told = flights
    with opened(browser, flights[0]) as (page, _):
        data = dict(page.locator("data").evaluate_all("all => all.map(each => [each.dataset.key, [each.value, each.innerText]])"))
        schema = page.locator("#changes table tbody tr").evaluate_all(ROWS)
        proof = page.locator("#proof > .scroll tbody tr").evaluate_all(ROWS)
        checks = page.locator("#proof details tbody tr").evaluate_all(ROWS)
        written = page.locator("#files details tbody tr").evaluate_all(ROWS)
        facts = page.locator(".side dl").evaluate_all(
            "all => all.map(each => [...each.querySelectorAll('dd')].map(dd => dd.textContent))"
        )
        steps = page.locator("#course > .scroll tbody tr").evaluate_all(ROWS)
    assert data["rows.before"] == [str(told["rows_in"]), f"{told['rows_in']:,}"]
    assert data["rows.after"] == [str(told["rows_out"]), f"{told['rows_out']:,}"]
    assert [data["bytes.before"][0], data["bytes.after"][0]] == [str(told["bytes_in"]), str(told["bytes_out"])]
    assert data["files.after"] == [str(told["files"]["rewritten"]), "12"]
    assert float(data["seconds.after"][0]) == pytest.approx(sum(told["seconds"].values()), abs=0.001)

    fields = told["schema"][0]["fields"]
    assert [(row[0], row[3]) for row in schema] == [
        tuple((f[end] or {"path": ""})["path"] for end in ("from", "to")) for f in fields
    ]
    assert [(row[1], row[4]) for row in schema] == [
        tuple((f[end] or {"type": ""})["type"] for end in ("from", "to")) for f in fields
    ]

    assert sum(number(row[2]) for row in proof) == sum(told["proof"]["ways"].values())
    by_bytes = [row for row in proof if row[1] == "byte for byte"]
    assert sum(number(row[2]) for row in by_bytes) == told["proof"]["ways"]["bytes"]
    assert [(row[0], number(row[1]), number(row[2])) for row in checks] == [
        (c["file"], *c["rows"]) for c in told["proof"]["checks"]
    ]
    assert [(row[0], number(row[2]), number(row[3])) for row in written] == [(f["path"], *f["bytes"]) for f in told["written"]]
    sides = [side for column in told["profile"]["columns"] for side in (*column["sources"], column["after"])]
    assert [[number(f[0]), number(f[1]), f[2], f[3], number(f[4])] for f in facts] == [
        [side[key] for key in ("count", "nulls", "min", "max", "distinct")] for side in sides
    ]
    assert [row[0] for row in steps] == list(told["seconds"])


ROWS = "rows => rows.map(row => [...row.cells].map(cell => cell.textContent.trim()))"


def test_landmarks_and_headings_are_in_order(browser: Any, flights: tuple[Path, Any]) -> None:
    with opened(browser, flights[0]) as (page, _):
        for role in ("banner", "navigation", "main", "contentinfo"):
            assert page.get_by_role(role).count() == 1, role
        levels = page.get_by_role("heading").evaluate_all("all => all.map(each => Number(each.tagName[1]))")
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert all(after <= before + 1 for before, after in pairwise(levels))
        linked = page.locator("nav a").evaluate_all("all => all.map(each => each.getAttribute('href').slice(1))")
        assert linked == page.locator("main section").evaluate_all("all => all.map(each => each.id)")
        named = page.locator("main section").evaluate_all(
            "all => all.map(each => document.getElementById(each.getAttribute('aria-labelledby')))"
        )
        assert None not in named
        for table in page.locator("table").all():
            assert table.locator("caption").count() == 1
            assert table.locator("thead th:not([scope=col])").count() == 0
        assert page.locator("html").get_attribute("lang") == "en"
        tree = page.locator("body").aria_snapshot()
        order = [
            tree.index(text)
            for text in ('heading "Proved', 'heading "What changed', 'heading "How it was proved', 'heading "How to go back')
        ]
        assert order == sorted(order)


def test_the_keyboard_reaches_and_opens_what_is_closed(browser: Any, flights: tuple[Path, Any]) -> None:
    with opened(browser, flights[0]) as (page, _):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        page.keyboard.press("Enter")
        assert page.evaluate("location.hash") == "#main"
        for _ in range(60):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.tagName") == "SUMMARY":
                break
        assert page.evaluate("document.activeElement.parentElement.open") is False
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.parentElement.open") is True
        scrolling = page.locator(".scroll").evaluate_all(
            "all => all.map(each => [each.tabIndex, each.getAttribute('role'), each.ariaLabel])"
        )
        assert all(each[:2] == [0, "region"] and each[2] for each in scrolling)


CONTRAST = """() => {
  const parse = text => { const m = text.match(/[\\d.]+/g).map(Number); return {rgb: m.slice(0, 3), a: m[3] ?? 1}; };
  const light = rgb => { const [r, g, b] = rgb.map(v => v / 255).map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b; };
  const under = node => { for (let at = node; at; at = at.parentElement) { const c = parse(getComputedStyle(at).backgroundColor);
    if (c.a === 1) return c.rgb; } return [255, 255, 255]; };
  const found = [];
  for (const node of document.querySelectorAll("body *")) {
    const text = [...node.childNodes].some(child => child.nodeType === 3 && child.textContent.trim());
    if (!text || node.closest(".skip")) continue;
    const svg = node.closest("svg");
    const ink = light(parse(svg ? getComputedStyle(node).fill : getComputedStyle(node).color).rgb), paper = light(under(node));
    const ratio = (Math.max(ink, paper) + .05) / (Math.min(ink, paper) + .05);
    found.push([ratio, node.tagName + "." + node.className + ": " + node.textContent.trim().slice(0, 40)]);
  }
  return found; }"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_what_it_stands_on(browser: Any, flights: tuple[Path, Any], scheme: Any) -> None:
    with opened(browser, flights[0], scheme=scheme) as (page, _):
        found = page.evaluate(CONTRAST)
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert len(found) > 200
    assert not [each for each in found if each[0] < 4.5]  # WCAG 2.2, 1.4.3, level AA
    assert (sum(map(int, re.findall(r"\d+", paper))) > 600) == (scheme == "light")


def test_a_phone_need_not_be_scrolled_sideways(browser: Any, flights: tuple[Path, Any]) -> None:
    with opened(browser, flights[0], width=390) as (page, _):
        for summary in page.locator("summary").all():
            summary.click()
        assert page.evaluate("[document.documentElement.scrollWidth, innerWidth]") == [390, 390]
        assert page.locator("h1").is_visible()


def test_it_prints_with_everything_open(browser: Any, flights: tuple[Path, Any]) -> None:
    with opened(browser, flights[0], scheme="dark") as (page, _):
        page.emulate_media(media="print")
        assert page.locator("details table").first.bounding_box()["height"] > 100
        assert not page.locator("nav").is_visible()
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        pdf = page.pdf(format="A4")
    assert pdf[:5] == b"%PDF-"
    assert len(pdf) > 20_000


# ---- what people put into names and values
ODD = ("<script>alert(1)</script>", '"><img src=x onerror=alert(2)>', "{{ 7*7 }}", "$x^2$", "naïve ✈ 名前", "n" * 120)


def test_odd_names_and_values_are_shown_as_they_are(browser: Any, author: Author) -> None:
    data = author.data("sales")
    values = {name: pa.array([f"<b>{name}</b>", "&amp;", None]) for name in ODD}
    pq.write_table(pa.table({**values, "n": [1, 2, 3]}), data / "<i>a&b.parquet")
    author.adopt("sales")
    quoted = ['"' + name.replace('"', '""') + '"' for name in ODD]
    operations = [f"op.require({path!r}, fill='<u>none</u>')" for path in quoted] + ["op.cast('n', 'string')"]
    author.step("sales", ", ".join(operations))
    author.do("upgrade", "sales")
    file = author.folder / "page.html"
    author.do("report", "sales", "--html", str(file))
    with opened(browser, file, width=390) as (page, seen):
        text = page.locator("main").text_content()
        for name in ODD:
            assert name in text
            assert f"<b>{name}</b>"[:50] in text
        assert "<i>a&b.parquet" in text
        assert "<u>none</u>" in text
        assert page.locator("main script, main img, main b:has-text('alert'), main u, main i").count() == 0
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        assert seen.nothing, seen


def test_a_failed_proof_has_a_page_that_leads_to_the_records(browser: Any, author: Author, monkeypatch: pytest.MonkeyPatch) -> None:
    from instar.transforms.proof import standing

    data = author.data("sales")
    pq.write_table(pa.table({"n": [1, 2, 3], "text": ["a", "b", "c"]}), data / "a.parquet")
    author.adopt("sales")
    author.step("sales", 'op.cast("n", "string")')
    true = standing.prove_file

    def prove_another(unit: Any, receipt: Any, **more: Any) -> Any:
        table = pq.read_table(unit.staged)
        pq.write_table(table.set_column(0, table.schema.field(0), pa.array(["1", "<7>", "3"])), unit.staged)
        return true(unit, receipt, **more)

    monkeypatch.setattr(standing, "prove_file", prove_another)
    author.refused("upgrade", "sales")
    file = author.folder / "page.html"
    author.do("report", "sales", "--html", str(file))
    with opened(browser, file) as (page, seen):
        assert page.locator("h1").inner_text() == "The proof failed: nothing was published"
        problem = page.locator("details.problem")
        assert problem.get_attribute("open") is not None
        assert "a.parquet" in problem.locator("summary").inner_text()
        assert "<7>" in problem.inner_text()
        assert page.locator("#error").is_visible()
        assert [each for each in page.evaluate(CONTRAST) if each[0] < 4.5] == []
        assert seen.nothing, seen
    answer = author.instar("report", "sales", at=author.folder)
    assert "✕ a.parquet: n: " in answer.out
    assert json.loads(author.run("report", "sales").out)["status"] == "failed"


def test_a_check_that_failed_is_told_with_its_rows(browser: Any, author: Author) -> None:
    data = author.data("sales")
    pq.write_table(pa.table({"n": [1, 2, 3], "text": ["a", "<b>", "c"]}), data / "a.parquet")
    author.adopt("sales")
    author.step("sales", 'op.cast("n", "string")')
    checks = author.folder / "checks" / "sales"
    checks.mkdir(parents=True)
    (checks / "letters.sql").write_text("-- Only letters.\nselect text from new where not regexp_full_match(text, '[a-z]')\n")
    (checks / "rows.sql").write_text("select 1 from new having count(*) <> 3\n")
    author.refused("upgrade", "sales")
    file = author.folder / "page.html"
    author.do("report", "sales", "--html", str(file))
    told = author.do("report", "sales")
    with opened(browser, file) as (page, seen):
        assert page.locator("h1").inner_text() == "A check failed: nothing was published"
        rows = page.locator("#gates > .scroll tbody tr").evaluate_all(ROWS)
        assert [(row[1], row[2]) for row in rows] == [
            (gate["name"], f"{'✓✕'[gate['verdict'] == 'failed']} {gate['verdict']}") for gate in told["gates"]
        ]
        assert page.locator("#gates details[open] td").all_inner_texts() == ["<b>"]
        assert "Only letters." in page.locator("#gates").inner_text()
        assert page.locator("#proof .mark-proved").count() == 2
        assert seen.nothing, seen


def test_query_times_are_drawn_with_their_spread(browser: Any, author: Author, tmp_path: Path) -> None:
    from instar.cli.report_page.page import run_page

    data = author.data("sales")
    pq.write_table(pa.table({"n": list(range(1000)), "text": ["a"] * 1000}), data / "a.parquet")
    author.adopt("sales")
    author.step("sales", 'op.rename("n", to="number")')
    author.do("upgrade", "sales")
    audit = author.do("audit", "sales", "--seconds", "0.2", "--max-slowdown", "1000")
    file = tmp_path / "page.html"
    file.write_text(run_page({**author.do("report", "sales"), "audit": audit}), encoding="utf-8")
    timed = [query for query in audit["queries"] if query["times"]["old"] or query["times"]["new"]]
    assert timed
    with opened(browser, file) as (page, seen):
        rows = page.locator("#queries tbody tr").evaluate_all(ROWS)
        assert [(row[1], row[5]) for row in rows] == [(query["name"], query["verdict"]) for query in audit["queries"]]
        assert [float(row[2]) for row in rows[: len(timed)]] == [
            pytest.approx(query["times"]["old"]["median_ms"], rel=0.01) for query in timed
        ]
        strokes = page.locator("#queries svg path").evaluate_all("all => all.map(each => getComputedStyle(each).stroke)")
        for variable in ("--old", "--new"):
            colour = page.evaluate("name => { const it = document.createElement('i'); it.style.color = `var(${name})`;"
                                   "document.body.append(it); return getComputedStyle(it).color; }", variable)  # fmt: skip
            assert strokes.count(colour) >= 2 * sum("range_ms" in query["times"]["old"] for query in timed)
        assert [each for each in page.evaluate(CONTRAST) if each[0] < 4.5] == []
        assert seen.nothing, seen


def test_the_index_leads_to_the_page_of_every_run(browser: Any, project: Path) -> None:
    for verb in ("upgrade", "rollback"):
        assert said(verb, "events", at=project).code == 0
    answer = said("report", "--all", "--html", str(project / "pages"), "--json", at=project)
    index = Path(answer.json["path"])
    assert sorted(path.name[:7] for path in index.parent.iterdir()) == ["events-", "events-", "index.h"]
    with opened(browser, index, width=390) as (page, seen):
        rows = page.locator("section").nth(0).locator("tbody tr").evaluate_all(ROWS)
        assert [(row[1], row[2][:13], row[6]) for row in rows] == [
            ("rollback to version 1", "✓ Rolled back", "finished"), ("upgrade to version 3", "– Rolled back", "rolled back"),
        ]  # fmt: skip
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        assert seen.nothing, seen
        page.get_by_role("link", name=re.compile(r"^\d{4}-")).first.click()
        assert page.locator("h1").inner_text() == "Rolled back: every file is as it was"
