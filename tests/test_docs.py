"""The documentation, held to the code: its commands, files and Python are run, its lists and links are complete.

INSTAR_WRITE_DOCS=1 writes what the commands print into the pages; look at the difference before you commit it.
"""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
from pathlib import Path

import pytest
from pages import PageError, blocks_of, commands_of, matches, rewritten, run_page

from instar.formats import typetext
from instar.formats.errors import SchemaError
from instar.formats.format import FORMATS, format_named
from instar.formats.schema import MISSING, Field, Record, Schema, type_text
from instar.formats.typetext import parse_type
from instar.transforms import configuration
from instar.transforms import operations as op
from instar.transforms.configuration import parse_configuration
from instar.transforms.tolerance import ESSENTIAL

CHECKOUT = Path(__file__).resolve().parents[1]
DOCS = CHECKOUT / "docs"
SAMPLE = CHECKOUT / "samples" / "project"
RUN = ("guide", "operations", "configuration", "formats", "fidelity", "guarantees")


@pytest.fixture
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Where a page's commands run: the guide has the samples' data, before there is a project; the others start with nothing."""
    made = tmp_path / "flying"
    made.mkdir()
    if request.node.callspec.params["page"] == "guide":
        shutil.copytree(SAMPLE / "data", made / "data", ignore=shutil.ignore_patterns(".instar"))
    return made


@pytest.mark.parametrize("page", RUN)
def test_a_page_shows_what_happens(page: str, folder: Path) -> None:
    path = DOCS / f"{page}.md"
    if os.environ.get("INSTAR_WRITE_DOCS"):
        shown = tuple(commands_of(path, folder))
        path.write_text(rewritten(path.read_text(), shown, folder))
        wrong = [s for s in shown if s.code != s.expected_code]
        assert not wrong, wrong
        return
    run_page(path, folder)


def test_the_block_runner_tells_when_a_page_is_wrong(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```console\n$ instar status\nall is well\n$ echo $?\n2\n```\n")
    with pytest.raises(PageError, match="all is well"):
        run_page(page, tmp_path)
    page.write_text("```console\n$ instar status\n…\n```\n")
    with pytest.raises(PageError, match="exit 2"):
        run_page(page, tmp_path)
    page.write_text("```console\n$ instar status\nError: …\n```\n\n```python\nprint(1 + 1)\n```\n\n```text\n3\n```\n")
    with pytest.raises(PageError, match="the Python above"):
        run_page(page, tmp_path)


def test_outputs_are_compared_in_what_does_not_differ_from_run_to_run() -> None:
    said = "run      20261121-222141-972090\ntime     plan 0.11 s, stage 1 min 3 s\nsize     1.2 kB → 3 B\n/home/a/x: 3 files\n"
    later = "run  20270101-000000-000001-2\n time plan 7 s, stage 2 h\nsize 99.0 GB → 1 kB\n/tmp/y/z: 3 files\n"
    assert matches(said, later)
    assert not matches(said, said.replace("3 files", "4 files"))
    assert matches("a\n…\nz\n", "a\nb\nc\nz\n")
    assert not matches("a\n…\nz\n", "a\nb\n")


# ---- TOML, links
PAGES = sorted([*DOCS.glob("*.md"), *CHECKOUT.glob("*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_toml_is_a_valid_configuration(page: Path, tmp_path: Path) -> None:
    """All but the one that the page shows to be refused."""
    for block in blocks_of(page.read_text()):
        if block.language == "toml" and "exlude" not in block.text:
            assert parse_configuration(block.text, tmp_path).datasets, block.text


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_links_within_the_project_resolve(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target:
            continue
        file, _, anchor = target.partition("#")
        found = (page.parent / file).resolve() if file else page
        assert found.exists(), f"{page.name}: {target}"
        if anchor:
            assert anchor in anchors(found), f"{page.name}: {target}"


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as code hosts make them: lower case, words joined by hyphens, no punctuation."""
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}


# ---- lists that must be complete
def test_fidelity_names_every_code_and_no_other() -> None:
    page = (DOCS / "fidelity.md").read_text()
    rows = dict(re.findall(r"^\| `([a-z]+\.[a-z-]+)` \|.*\| ([^|]*) \|$", page, re.MULTILINE))
    known = {code for format in FORMATS for code in format_named(format).codes}
    assert set(rows) == known
    assert {code for code, advice in rows.items() if advice.startswith("never")} == {
        code for code in known if code.partition(".")[2] in ESSENTIAL
    }


def test_every_code_in_the_source_is_declared() -> None:
    """`Unlike("…")` with a code that is not in its format's `codes` could not be allowed, nor looked up."""
    found = set()
    for format in FORMATS:
        source = "".join(file.read_text() for file in (CHECKOUT / "formats" / format).glob("*.py"))
        used = set(re.findall(rf'(?:Unlike|compare)\(\s*"({format}\.[a-z-]+)"', source))
        assert used <= set(format_named(format).codes)
        found |= used
    assert found == {code for format in FORMATS for code in format_named(format).codes}


def test_configuration_names_every_key() -> None:
    page = (DOCS / "configuration.md").read_text()
    for key in configuration._KEYS:
        assert re.search(rf"^\| `{key}[`.]", page, re.MULTILINE), key


@pytest.mark.parametrize("name", op.__all__)
def test_operations_have_their_signature_and_every_parameter(name: str) -> None:
    """The section of each has the call with all its defaults."""
    page = (DOCS / "operations.md").read_text()
    section = re.split(r"^## ", page, flags=re.MULTILINE)
    text = next(s for s in section if s.startswith(f"{name}\n"))
    given = dataclasses.fields(getattr(op, name))
    keywords = [f.name + ("" if f.default is dataclasses.MISSING else f"={default(f.default)}") for f in given if f.kw_only]
    positional = [f.name for f in given if not f.kw_only]
    assert f"op.{name}({', '.join([*positional, *(['*'] if keywords else []), *keywords])})" in text


def default(value: object) -> str:
    return "MISSING" if value is MISSING else repr(value).replace("'", '"')


ARROW_ONLY = {("union<string, int32>", "parquet")}
"""An Arrow schema document can have it, a Parquet file cannot."""


def test_types_are_there_for_the_formats_that_the_page_says() -> None:
    """Each type of the table becomes a schema document where the page says it can, and none where it says no."""
    page = (DOCS / "operations.md").read_text()
    table = page[page.index("| type | values |") : page.index("*Carried*")].splitlines()[2:]
    seen = set()
    for row in filter(None, table):
        types, _, *cells = (cell.strip() for cell in row.strip("|").split("|"))
        for shown in re.findall(r"`([^`]+)`", types):
            seen.add(re.split(r"[(<{]", shown)[0])
            for format, cell in zip(FORMATS, cells, strict=True):
                for text, wanted in examples(shown, cell):
                    if (text, format) not in ARROW_ONLY:
                        assert renders(text, format) == wanted, (text, format)
    assert seen == {*typetext._PLAIN, *(re.split(r"[(<{]", text)[0] for text in typetext._WITH_ARGUMENTS)}


def examples(shown: str, cell: str) -> list[tuple[str, bool]]:
    """Types of a row's kind, with whether the cell says that the format has them."""
    text = {"decimal(p,s)": "decimal(10,2)", "fixed(n)": "fixed(4)"}.get(shown, re.sub(r"\b[TAB]\b", "string", shown))
    text = "union<string, int32>" if shown.startswith("union") else text
    units = re.findall(r"`(\w+)`", cell)
    if "(u" not in shown:
        return [(text, cell != "no")]
    return [(text.replace("(u", f"({unit}"), cell != "no") for unit in (units or ["ms", "us"])]


def renders(text: str, format: str) -> bool:
    schema = Schema(Field("", Record((Field("x", parse_type(text)),))))
    try:
        back = format_named(format).parse(format_named(format).render(schema))
    except SchemaError:
        return False
    return type_text(back.record["x"].type) == type_text(parse_type(text))
