"""What somebody who changes a schema does, by the commands: adopt a directory, draft a step, edit it, register it."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support import Answer


def said(*arguments: str, at: Path) -> Answer:
    """A command in this process, where the fixtures of one test are not to be had."""
    from instar.cli.main import run

    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run(["-C", str(at), *arguments])
    return Answer(code, out.getvalue(), err.getvalue())


@dataclass(frozen=True)
class Author:
    """A project in `folder`, whose data lie in `folder/data/NAME`."""

    folder: Path
    instar: Callable[..., Answer]

    def data(self, name: str) -> Path:
        """The folder of a dataset, made where it is missing."""
        path = self.folder / "data" / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def run(self, *arguments: str) -> Answer:
        return self.instar(*arguments, "--json", at=self.folder)

    def do(self, *arguments: str) -> Any:
        """A command that must work; its answer."""
        answer = self.run(*arguments)
        assert answer.code == 0, answer.out + answer.err
        assert not answer.err
        return answer.json

    def refused(self, *arguments: str, code: int = 1) -> dict[str, Any]:
        """A command that must be refused; its error."""
        answer = self.run(*arguments)
        assert answer.code == code, answer.out + answer.err
        error = answer.json["error"]
        assert error["exit"] == code
        assert error["hint"], error
        return error

    def adopt(self, name: str, *more: str, workers: int = 1) -> Any:
        """Adopt `data/NAME`; its runs work in this process unless more workers are asked for."""
        answer = self.do("init", "--from", f"data/{name}", *more)
        with (self.folder / "instar.toml").open("a", encoding="utf-8") as file:
            file.write(f"workers = {workers}\n")
        return answer

    def step(self, subject: str, upgrade: str, downgrade: str = "{}") -> int:
        """Draft, edit and register one step; the version it made. `upgrade` is the text between the list's brackets."""
        script = Path(self.do("revision", subject, "-m", "one step")["path"])
        draft = script.read_text(encoding="utf-8")
        assert draft.startswith('"""one step"""')
        script.write_text(
            f'"""One step."""\n\nfrom instar import op\n\nupgrade = [\n{upgrade}\n]\ndowngrade = {downgrade}\n', encoding="utf-8"
        )
        version = self.do("register", subject)["version"]
        assert self.do("check", subject)["ok"]
        return version
