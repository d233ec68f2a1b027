"""Signals at every effect of a command, as people and schedulers send them: what it says, and what became of the data."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
from pathlib import Path
from typing import Any

import crash_lake as lake
from crash_effects import Counting
from crash_scene import Scene, problems_after
from killing import Quick

from instar.cli.interruption import CODES


class Signalling(Counting):
    """Sends this process a signal right before effect number `at`."""

    def __init__(self, log: Path, at: int, number: int) -> None:
        super().__init__(log)
        self.at, self.number = at, number

    def _asked(self, name: str, *arguments: Any) -> None:
        if self._number(name, arguments) == self.at:
            os.kill(os.getpid(), self.number)
        getattr(Quick(), name)(*arguments)


def signalled(scene: Scene, verb: str, at: int, name: str) -> tuple[int, dict[str, Any]]:
    """In a child: the command line as people call it, in one process; its exit code and its answer."""
    import instar.transforms.migrate
    import instar.transforms.restore
    from instar.cli.interruption import Interruption
    from instar.cli.main import run

    effects = Signalling(scene.log, at, signal.Signals[name])
    for module in (instar.transforms.migrate, instar.transforms.restore):
        module.PosixEffects = lambda: effects  # type: ignore[misc, assignment]
    interruption, said = Interruption(), io.StringIO()
    signal.signal(effects.number, signal.SIG_DFL)  # a test run in the background has some of them switched off
    interruption.listen()
    more = ["--method", scene.settings["method"], "--workers", "1"] if verb == "upgrade" else []
    with contextlib.redirect_stdout(said):
        code = run(["-C", str(scene.box), verb, lake.NAME, "--json", *more], interruption)
    return code, json.loads(said.getvalue())


def interrupted_by(scene: Scene, verb: str, at: int, name: str) -> list[str]:
    """What is wrong after a signal: it must have stopped the command with the dataset as it was, or have come too late for that."""
    before = scene.stands()
    scene.log.unlink(missing_ok=True)
    ended = scene.fork(signalled, scene, verb, at, name)
    if ended.fault or ended.signal:
        return [ended.fault or f"killed by signal {ended.signal}"]
    code, answer = ended.value
    wanted = CODES[signal.Signals[name]]
    if code not in (0, wanted):
        return [f"it exits with {code}: {answer}"]
    problems = [] if code == 0 or "again" in answer["error"]["hint"] else [f"it does not say how to go on: {answer}"]
    problems += lake.differences(scene.wanted[verb].tree if code == 0 else before, scene.stands())
    problems += [f"{run} is half-published" for run in lake.looks(scene.box)["runs"] if run[1] == "half-published"]
    return problems or ([] if code == 0 else problems_after(scene, verb))  # said after its end, a rollback means the run before
