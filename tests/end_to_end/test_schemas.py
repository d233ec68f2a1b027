"""`show` and `diff`: registered schemas as trees, and what differs between two."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from authoring import Author
from rich.console import Console
from support import Answer

import instar as library
from instar.cli.console import render
from instar.formats.errors import InstarError
from instar.formats.format import format_named
from instar.transforms.outline import outline
from instar.transforms.schemas import SchemaReport

SUBJECTS = ("events", "flights", "weather")


@pytest.fixture(scope="module")
def samples() -> Path:
    """The sample project as it lies there: nothing here writes."""
    return Path(__file__).resolve().parents[2] / "samples" / "project"


@pytest.mark.parametrize("subject", SUBJECTS)
@pytest.mark.parametrize("arguments", [["show"], ["diff"], ["diff", "1"], ["diff", "3", "1", "-v"], ["show", "1"]], ids=" ".join)
def test_trees_fit_100_columns_and_are_plain_in_a_pipe(
    subject: str, arguments: list[str], samples: Path, instar: Callable[..., Answer]
) -> None:
    verb, *rest = arguments
    answer = instar(verb, subject, *rest, at=samples)
    assert (answer.code, answer.err) == (0, "")
    assert "\x1b" not in answer.out
    assert max(map(len, answer.out.splitlines())) <= 100
    assert subject in answer.out.splitlines()[0]


def test_show_is_a_line_a_field(samples: Path, instar: Callable[..., Answer]) -> None:
    said = [" ".join(line.split()) for line in instar("show", "weather", at=samples).out.splitlines()]
    assert said[0] == "weather version 3 (newest), avro"
    assert "pressure double default -1.0" in said
    assert "station record" in said
    assert "code string Weather station: the airport." in said
    assert instar("show", "weather", "1", at=samples).out.startswith("weather version 1, newest is 3, avro")


def test_show_as_json_has_paths_and_whole_types(samples: Path, instar: Callable[..., Answer]) -> None:
    shown = instar("show", "events", "--json", at=samples).json
    assert (shown["subject"], shown["version"], shown["newest"], shown["format"]) == ("events", 3, 3, "json")
    fields = {field["path"]: field for field in shown["fields"]}
    assert fields["actor"]["type"].startswith("record{login: string, id: string")
    assert [field["path"] for field in fields["actor"]["fields"]][:2] == ["actor.login", "actor.id"]
    assert fields["source"]["default"] == "github"


def test_diff_follows_the_scripts(samples: Path, instar: Callable[..., Answer]) -> None:
    said = [" ".join(line.split()) for line in instar("diff", "flights", "1", at=samples).out.splitlines()]
    assert said[0] == "flights 1 → 3"
    for line in (
        "~ dep_delay → departure_delay int32? renamed",
        "~ flight int64 → string",
        "- distance int64",
        "+ distance_km double from distance",
        "+ route record",
        "~ origin string moved from origin",
        "~ dest → destination string renamed, moved from dest",
        "11 fields unchanged",
    ):
        assert line in said, said
    back = [" ".join(line.split()) for line in instar("diff", "flights", "3", "1", at=samples).out.splitlines()]
    assert "~ departure_delay → dep_delay int32? renamed" in back
    assert "+ distance int64 from distance_km" in back
    answer = instar("diff", "flights", "1", "2", "--json", at=samples).json
    assert (answer["from"], answer["to"], answer["by"], answer["reason"]) == (1, 2, "scripts", None)
    renamed = next(change for change in answer["changes"] if "renamed" in change["what"])
    assert renamed == {
        "kind": "changed", "from": {"path": "dep_delay", "type": "int32?"}, "to": {"path": "departure_delay", "type": "int32?"},
        "what": ["renamed"], "sources": [],
    }  # fmt: skip
    assert len(instar("diff", "flights", "1", "-v", at=samples).out) > len(instar("diff", "flights", "1", at=samples).out)


def test_diff_goes_by_default_to_the_newest_version(samples: Path, instar: Callable[..., Answer]) -> None:
    for arguments, expected in (([], (2, 3)), (["1"], (1, 3)), (["2", "1"], (2, 1)), (["2", "2"], (2, 2))):
        found = instar("diff", "flights", *arguments, "--json", at=samples).json
        assert (found["from"], found["to"]) == expected
    assert "no field differs" in instar("diff", "flights", "2", "2", at=samples).out
    report = library.open(samples).diff("flights")
    assert (report.old, report.new, report.by) == (2, 3, "scripts")
    assert library.open(samples).show("flights").version == 3


def test_without_scripts_diff_goes_by_names_and_says_so(project: Path, instar: Callable[..., Answer]) -> None:
    next((project / "migrations" / "flights").glob("0002*")).unlink()
    said = instar("diff", "flights", "1", "2", at=project)
    assert said.code == 0
    assert "compared by names" in said.out
    kinds = {
        (c["kind"], (c["from"] or c["to"])["path"])
        for c in instar("diff", "flights", "1", "2", "--json", at=project).json["changes"]
    }
    assert {("removed", "dep_delay"), ("added", "departure_delay")} <= kinds


def test_what_is_not_there_is_refused(author: Author) -> None:
    (author.data("sales") / "a.ndjson").write_text('{"n": 1}\n')
    author.adopt("sales")
    assert "no version before 1" in author.refused("diff", "sales", code=2)["message"]
    for arguments in (["show", "sales", "7"], ["diff", "sales", "7"], ["diff", "sales", "1", "7"]):
        assert "no version 7" in author.refused(*arguments, code=2)["message"]
    for verb in ("show", "diff"):
        assert author.refused(verb, "sale", code=2)["hint"] == "Did you mean 'sales'?"


def test_a_terminal_has_colours(samples: Path) -> None:
    out = io.StringIO()
    render(
        Console(file=out, force_terminal=True, color_system="standard", width=80),
        library.open(samples).diff("flights"),
        verbose=False,
    )
    assert "\x1b[32m+" in out.getvalue()
    assert "\x1b[31m-" in out.getvalue()


def test_a_narrow_terminal_is_not_overrun(samples: Path) -> None:
    for subject in SUBJECTS:
        out = io.StringIO()
        render(Console(file=out, width=40), library.open(samples).show(subject), verbose=False)
        assert max(map(len, out.getvalue().splitlines())) <= 40


def test_neither_needs_the_data_nor_pyarrow(samples: Path) -> None:
    """Of an Avro or JSON subject; an Arrow schema is read by pyarrow's own rules."""
    code = (
        "import sys; from instar.cli.main import run; assert run(['show', 'weather']) == 0; assert run(['show', 'events']) == 0\n"
        "assert not {'duckdb', 'pyarrow', 'fastavro'} & set(sys.modules), set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=samples, env=os.environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_schema_of_other_projects_is_shown(conformance: Path) -> None:
    """All 46 .avsc of Avro's own, whether recursive, shared or a union: each is shown, or refused as a document."""
    files = sorted(conformance.rglob("*.avsc"))
    assert len(files) >= 40
    shown = 0
    for file in files:
        try:
            schema = format_named("avro").parse(file.read_text(encoding="utf-8"))
        except InstarError:
            continue
        out = io.StringIO()
        report = SchemaReport(file.stem, 1, 1, "avro", str(file), outline(schema), {})
        render(Console(file=out, width=100), report, verbose=False)
        json.dumps(report.as_json(), allow_nan=False)
        assert max(map(len, out.getvalue().splitlines())) <= 100, file
        shown += 1
    assert shown >= 40
