"""Shell completion, in real shells: commands, options, and the names that a project has."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from instar.cli.completion import VARIABLE
from instar.cli.main import COMMANDS, run

RUNS = ("20261121-222141-166230", "20261121-222141-972090")


@pytest.fixture
def environment(project: Path, tmp_path: Path) -> dict[str, str]:
    """With `instar` as a program, two runs of flights, and a folder `other` beside the project."""
    for run_id in RUNS:
        (project / "data" / ".instar" / "flights" / "runs" / run_id).mkdir(parents=True)
    (tmp_path / "other").mkdir()
    program = tmp_path / "bin" / "instar"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m instar "$@"\n')
    program.chmod(0o755)
    return {**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}"}


def shell(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"there is no {name} here")
    return found


def script(name: str, capfd: pytest.CaptureFixture[str]) -> str:
    capfd.readouterr()
    assert run(["completion", name]) == 0
    said = capfd.readouterr()
    assert not said.err
    return said.out


def in_bash(line: str, source: str, folder: Path, environment: dict[str, str]) -> list[str]:
    """What bash offers for a line whose last word is being typed ("" after a space)."""
    words = line.split(" ")
    code = f"{source}\nCOMP_WORDS=({' '.join(repr(w) for w in words)}); COMP_CWORD={len(words) - 1}\n"
    code += f'_instar_completion instar {words[-1]!r} {words[-2]!r}\nprintf "%s\\n" "${{COMPREPLY[@]}}"\n'
    return answered([shell("bash"), "--norc", "-c", code], folder, environment).split()


def answered(command: list[str], folder: Path, environment: dict[str, str]) -> str:
    """What a command that must work, and complain of nothing, prints."""
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.parametrize(
    ("line", "offers"),
    [
        ("instar ", list(COMMANDS)),
        ("instar up", ["upgrade"]),
        ("instar upgrade ", ["events", "flights", "weather"]),
        ("instar upgrade fl", ["flights"]),
        ("instar upgrade flights ", ["1", "2", "3"]),
        ("instar upgrade --to ", ["1", "2", "3"]),
        ("instar plan --to 2 we", ["weather"]),
        ("instar plan flights --me", ["--memory", "--method"]),
        ("instar plan flights --method ", ["exchange", "replace", "shadow"]),
        ("instar show e", ["events"]),
        ("instar diff flights 1 ", ["1", "2", "3"]),
        ("instar history ", ["events", "flights", "weather"]),
        ("instar verify 2", list(reversed(RUNS))),
        ("instar verify flights ", list(reversed(RUNS))),
        ("instar verify weather ", []),
        ("instar gc fl", ["flights"]),
        ("instar gc flights --ke", ["--keep"]),
        ("instar upgrade nothing ", []),
        ("instar -C ../other current ", []),
        ("instar convert fl", ["flights"]),
        ("instar convert flights out --version ", ["1", "2", "3"]),
        ("instar completion ", ["bash", "zsh", "fish"]),
    ],
)
def test_bash_offers_what_there_is(
    line: str, offers: list[str], project: Path, environment: dict[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    assert in_bash(line, script("bash", capfd), project, environment) == offers


@pytest.mark.parametrize("text", ["", "[datasets.flights\n", "[datasets.flights]\npath = 1\n", None])
def test_a_broken_or_missing_project_offers_nothing_and_is_silent(
    text: str | None, project: Path, environment: dict[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    if text is None:
        (project / "instar.toml").unlink()
    else:
        (project / "instar.toml").write_text(text)
    shutil.rmtree(project / "schemas")
    source = script("bash", capfd)
    for line in ("instar upgrade ", "instar show ", "instar verify ", "instar upgrade flights "):
        assert in_bash(line, source, project, environment) == []
    assert in_bash("instar upg", source, project, environment) == ["upgrade"]


def test_a_tab_in_an_interactive_bash_completes(
    project: Path, environment: dict[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    rc = project / "rc"
    rc.write_text(f"PS1='ready> '\nbind 'set enable-bracketed-paste off'\n{script('bash', capfd)}")
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [shell("bash"), "--rcfile", str(rc), "-i"], cwd=project, env={**environment, "TERM": "dumb"},
        stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    try:
        heard(ours, b"ready> ")
        os.write(ours, b"echo instar; instar his\tfl\t-v\n")
        said = heard(ours, b"Distances in kilometres")
        assert b"instar history flights -v" in said
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def heard(terminal: int, wanted: bytes, seconds: float = 60) -> bytes:
    """What the terminal says until it says that."""
    said, end = b"", time.monotonic() + seconds
    while wanted not in said:
        assert time.monotonic() < end, said
        if select.select([terminal], [], [], 0.2)[0]:
            said += os.read(terminal, 4096)
    return said


def test_fish_offers_what_there_is(project: Path, environment: dict[str, str], capfd: pytest.CaptureFixture[str]) -> None:
    source = project / "instar.fish"
    source.write_text(script("fish", capfd))
    for line, offers in (("instar upgrade fl", ["flights"]), ("instar show flights ", ["1", "2", "3"])):
        said = answered([shell("fish"), "-c", f"source {source}; complete -C '{line}'"], project, environment)
        assert [item.split("\t")[0] for item in said.splitlines()] == offers


def test_zsh_takes_the_script(project: Path, environment: dict[str, str], capfd: pytest.CaptureFixture[str]) -> None:
    source = project / "_instar"
    source.write_text(script("zsh", capfd))
    subprocess.run([shell("zsh"), "-n", str(source)], check=True)
    code = f"autoload -U compinit; compinit -u; source {source}; print ${{_comps[instar]}}"
    assert answered([shell("zsh"), "-f", "-c", code], project, environment).strip() == "_instar_completion"


@pytest.mark.parametrize(("kind", "answer"), [("zsh", "plain\nflights\n_"), ("fish", "plain,flights")])
def test_other_shells_are_answered_in_their_form(kind: str, answer: str, project: Path, environment: dict[str, str]) -> None:
    asked = {VARIABLE: f"{kind}_complete", "COMP_WORDS": "instar upgrade fl", "COMP_CWORD": "2" if kind == "zsh" else "fl"}
    assert answered(["instar"], project, {**environment, **asked}).strip() == answer


def test_completing_loads_nothing_heavy(project: Path) -> None:
    code = (
        "import sys\nfrom instar.cli.main import run\n"
        "try:\n    run([])\nexcept SystemExit:\n    pass\n"
        "heavy = {'pyarrow', 'duckdb', 'fastavro', 'rich', 'sqlglot', 'msgspec', 'jsonschema_rs'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    asked = {VARIABLE: "bash_complete", "COMP_WORDS": "instar upgrade flights ", "COMP_CWORD": "3"}
    said = answered([sys.executable, "-c", code], project, {**os.environ, **asked})
    assert said.split() == ["plain,1", "plain,2", "plain,3"]


def test_the_script_can_be_had_as_json(capfd: pytest.CaptureFixture[str]) -> None:
    import json

    source = script("bash", capfd)
    assert run(["completion", "bash", "--json"]) == 0
    assert json.loads(capfd.readouterr().out) == {"shell": "bash", "script": source}
    assert run(["completion", "tcsh"]) == 2
