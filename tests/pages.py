"""Documentation pages, run: the commands of a page do what the page says they do, in the order in which it says so.

What a block means:

- ```console: each `$ instar …` is run, and what follows it is what it must print; `…` alone in a line stands for any lines. It
  must exit with 0, or with what a following `$ echo $?` shows. `$ cat`, `cp`, `mv`, `rm` and `mkdir` are run, too; other
  commands (installing, building) are not.
- ```python and ```toml with a path in a comment as their first line are files, and written. Other ```python is executed, with
  one namespace a page; a ```text right after it is what it must print.
- `<!-- file: data/people/people.ndjson -->` right above a block writes it to that file.
- `<!-- run: instar register people -->` runs what would only bore the reader; `<!-- not run: why -->` right above a block
  leaves it out.
"""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SHELL = ("cat", "cp", "mv", "rm", "mkdir")
REWRITING = ("plan", "upgrade", "downgrade")

_BLOCK = re.compile(
    r"(?:^<!-- (?P<note>not run|file): (?P<said>[^\n]*) -->\n\n?)?^```(?P<language>\w+)\n(?P<text>.*?)^```$"
    r"|^<!-- run: (?P<run>[^\n]*?) -->$",
    re.MULTILINE | re.DOTALL,
)
_FILE = re.compile(r"# ([\w./-]+\.(?:py|toml))\n")
_ALIKE = (
    (re.compile(r"(?<![\w.])/(?!\s)[\w@+.,=/-]*[\w/-]"), "<path>"),
    (re.compile(r"\b\d{8}-\d{6}-[\w-]+"), "<run>"),
    (re.compile(r"\b\d{4}-\d\d-\d\d[ T]\d\d:\d\d(?::\d\d(?:[.+:\d]*|Z))?"), "<time>"),
    (re.compile(r"(?<=snapshot removed )\d{4}-\d\d-\d\d|(?<=removed by `instar gc` \()\d{4}-\d\d-\d\d"), "<day>"),
    (re.compile(r"\b[\w.-]+@[\w.-]+"), "<who>"),
    (re.compile(r"~?\b\d[\d.,]* (?:B|kB|MB|GB|TB)\b"), "<size>"),
    (re.compile(r"\b\d[\d.,]* (?:s|min|h)\b(?: \d+ (?:s|min)\b)?"), "<duration>"),
    (re.compile(r"(?<=<duration>,)\n +(?=[a-z]+ <duration>)"), " "),  # folded where it became too long
    (re.compile(r"[ \t]+"), " "),
)


@dataclass(frozen=True)
class Block:
    """A fenced block, or a hidden command (`language` "run"). `start` and `end`: where `text` stands in the page; `file`: what
    file it is said to be."""

    language: str
    text: str
    start: int
    end: int
    line: int
    file: str = ""


@dataclass(frozen=True)
class Shown:
    """One command of a page: what the page says it prints and exits with, and what it does."""

    command: str
    expected: str
    expected_code: int
    printed: str
    code: int
    start: int
    end: int
    where: str
    hidden: bool = False

    @property
    def as_said(self) -> bool:
        return self.code == self.expected_code and (self.hidden or matches(self.expected, self.printed))


class PageError(AssertionError):
    """A page does not say what happens."""


def blocks_of(page: str) -> Iterator[Block]:
    """The fenced blocks and hidden commands of a page, in its order."""
    for found in _BLOCK.finditer(page):
        line = page.count("\n", 0, found.start()) + 1
        if found["run"] is not None:
            yield Block("run", f"$ {found['run']}\n", found.start("run"), found.end("run"), line)
        elif found["note"] != "not run":
            file = found["said"] if found["note"] == "file" else ""
            yield Block(found["language"], found["text"], found.start("text"), found.end("text"), line, file)


def run_page(path: Path, project_folder: Path, *, workers: int = 1) -> tuple[Shown, ...]:
    """Run a page's commands, files and Python in a folder, in the page's order.

    `workers` processes a run where the command does not say: on samples, starting more costs more than they save.

    Raises:
        PageError: something is not as the page says; shows both.
    """
    shown = tuple(commands_of(path, project_folder, workers=workers))
    wrong = [s for s in shown if not s.as_said]
    if wrong:
        raise PageError("\n\n".join(map(_difference, wrong)))
    return shown


def commands_of(path: Path, folder: Path, *, workers: int = 1) -> Iterator[Shown]:
    """As `run_page`, yielding each command with what it did, whether that is as the page says or not."""
    page, run = path.read_text(encoding="utf-8"), _Run(path.name, folder, workers)
    for block in blocks_of(page):
        yield from run.block(block)


@dataclass
class _Run:
    """A page on its way: `said` is what the last Python block printed."""

    name: str
    folder: Path
    workers: int
    namespace: dict[str, Any] = field(default_factory=dict)
    said: str | None = None

    def block(self, block: Block) -> Iterator[Shown]:
        where = f"{self.name}, line {block.line}"
        file = _FILE.match(block.text)
        said, self.said = self.said, None
        if block.file:
            self.write(block.file, block.text)
        elif block.language in ("console", "run"):
            yield from self.console(block, where)
        elif file and block.language in ("python", "toml"):
            self.write(file[1], block.text[file.end() :].lstrip("\n"))
        elif block.language == "python":
            self.said = self.python(block, where)
        elif block.language == "text" and said is not None:
            yield Shown("the Python above", block.text, 0, said, 0, block.start, block.end, where)

    def write(self, path: str, text: str) -> None:
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")

    def python(self, block: Block, where: str) -> str:
        out = io.StringIO()
        with contextlib.chdir(self.folder), contextlib.redirect_stdout(out):
            exec(compile(block.text, where, "exec"), self.namespace)
        return out.getvalue()

    def console(self, block: Block, where: str) -> Iterator[Shown]:
        for command, expected, code, start, end in _commands(block):
            words = shlex.split(command.replace("\\\n", " "), comments=True)
            if words[0] in ("instar", *SHELL):
                said, printed = self.run(words)
                yield Shown(command, expected, code, printed, said, start, end, where, block.language == "run")

    def run(self, words: list[str]) -> tuple[int, str]:
        """The exit code, and what was printed on both streams."""
        if words[0] != "instar":
            done = subprocess.run(words, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
            return done.returncode, done.stdout
        from instar.cli.main import run

        arguments = words[1:]
        if arguments and arguments[0] in REWRITING and "--workers" not in arguments:
            arguments += ["--workers", str(self.workers)]
        out = io.StringIO()
        with contextlib.chdir(self.folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            code = run(arguments)
        return code, out.getvalue()


def _commands(block: Block) -> Iterator[tuple[str, str, int, int, int]]:
    """Each command of a console block, what it shall print and exit with, and where in the page that output stands."""
    found = list(re.finditer(r"^\$ ((?:.*\\\n)*.*)\n", block.text, re.MULTILINE))
    ends = [*(m.start() for m in found[1:]), len(block.text)]
    shown = [(m[1], block.text[m.end() : end], m.end(), end) for m, end in zip(found, ends, strict=True)]
    for (command, expected, start, end), after in zip(shown, [*shown[1:], None], strict=True):
        if command != "echo $?":
            code = int(after[1]) if after is not None and after[0] == "echo $?" else 0
            yield command, expected, code, block.start + start, block.start + end


def normalised(text: str) -> list[str]:
    """The lines of an output without what differs from run to run: paths, run ids, times, users, sizes, spacing."""
    for pattern, name in _ALIKE:
        text = pattern.sub(name, text)
    return [line.strip() for line in text.splitlines() if line.strip()]


def matches(expected: str, printed: str) -> bool:
    """Is the output what the page shows? `…` alone in a line stands for any number of lines."""
    pattern = "".join(r"(?:.*\n)*?" if line == "…" else re.escape(line) + r"\n" for line in normalised(expected))
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in normalised(printed))) is not None


def _difference(shown: Shown) -> str:
    codes = f" (exit {shown.expected_code})", f" (exit {shown.code})"
    return f"{shown.where}: {shown.command}\nthe page says{codes[0]}:\n{shown.expected}\nit says{codes[1]}:\n{shown.printed}"


def rewritten(page: str, shown: tuple[Shown, ...], folder: Path, elsewhere: str = "/home/ada/flying") -> str:
    """The page with what its commands really print, where that is something else; for authors."""
    for s in sorted(shown, key=lambda s: -s.start):
        if not s.hidden and not matches(s.expected, s.printed):
            printed = re.sub(r"\b\w+@[\w.-]+", "ada@lake", s.printed.replace(str(folder), elsewhere))
            page = page[: s.start] + "".join(f"{line.rstrip()}\n" for line in printed.splitlines()) + page[s.end :]
    return page
