"""A user's own command as a gate: the application's tests, run against the dataset as it would be, before it is published.

The command gets no shell, nothing to read, and the project's folder to work in. What it says goes into `test.log` in the run's
folder. It sees the new tree in `preview/` there, in symbolic links, which go when it ends.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from instar.formats.errors import ConfigurationError
from instar.transforms.execution import Run
from instar.transforms.gate_result import GateResult
from instar.transforms.job import Job
from instar.transforms.outcome import ProvedRun
from instar.transforms.run.changes import change_set
from instar.transforms.run.disk import disk_error
from instar.transforms.run.listing import is_folder
from instar.transforms.run.snapshot import discard

SHOWN_LINES = 20
"""Of what a command said at its end."""
_SHOWN_BYTES = 4000
_OWN_GROUP = 0 if sys.platform != "win32" else None
"""What the command has started itself ends with it."""
_PATIENCE = ((signal.SIGINT, 5.0), (signal.SIGTERM, 5.0)) if sys.platform != "win32" else ()
"""How a command is asked to end, and how long (s) that is waited for, before it is killed."""


def command_of(job: Job) -> list[str]:
    """The test command, its program found: in the project's folder where it is a path, else on PATH.

    Raises:
        ConfigurationError: it is not there, or may not be run.
    """
    program, *arguments = job.settings.test
    found = shutil.which(job.project / program if os.path.dirname(program) else program)
    if found is None:
        raise ConfigurationError(
            f"the test command of [datasets.{job.name}] is not there, or is no program: {program}",
            hint='It is run without a shell, in the project\'s folder: test = ["PROGRAM", "ARGUMENT", …]. Give its path, put it on '
            "PATH, or take `test` out.",
        )
    return [found, *arguments]


def run_command(proved: ProvedRun, versions: tuple[int, ...]) -> GateResult:
    """Run the dataset's test command; `versions` are those that files come from.

    Raises:
        ConfigurationError: it is gone. RunError: the disk says no.
    """
    run, began = proved.staged.run, time.perf_counter()
    command = command_of(run.job)
    with _previewed(proved) as new:
        before = _stamps(proved)
        code = _ended(command, run, _environment(run, new, versions))
        changed = sorted(path for path, stamp in _stamps(proved).items() if stamp != before[path])
    log, name = run.folder.test_log, shlex.join(run.job.settings.test)
    detail = {"command": list(run.job.settings.test), "exit": code, "log": str(log)}
    seconds = time.perf_counter() - began
    if code:
        message = "\n".join([f"`{name}` {_how(code)}; all that it said is in {log}", *_end_of(log)])
    elif changed:
        message = f"`{name}` changed what was staged: {', '.join(changed[:5])}"
    else:
        return GateResult("command", name, "passed", seconds, detail)
    return GateResult("command", name, "failed", seconds, detail, message)


def _how(code: int) -> str:
    if code > 0:
        return f"ended with exit code {code}"
    with contextlib.suppress(ValueError):
        return f"was ended by {signal.Signals(-code).name}"
    return f"was ended by signal {-code}"


# ---- what it sees
@contextmanager
def _previewed(proved: ProvedRun) -> Iterator[Path]:
    """The new tree in symbolic links, or the one that a dataset of one file has, while the command runs."""
    run = proved.staged.run
    written = change_set(run.before, proved.staged.receipts).written
    try:
        try:
            _link_all(proved)
        except OSError as error:
            raise disk_error("the preview for the test command could not be made", error) from error
        yield run.folder.preview if run.job.location.is_dir() else run.folder.preview / next(iter(written))
    finally:
        with contextlib.suppress(OSError):  # then it goes with the stage, or when the run goes on
            discard(run.folder.preview, run.effects)


def _link_all(proved: ProvedRun) -> None:
    run, changes = proved.staged.run, change_set(proved.staged.run.before, proved.staged.receipts)
    effects, preview = run.effects, run.folder.preview
    base = run.job.location if run.job.location.is_dir() else run.job.location.parent
    changed = {*changes.removed, *changes.written}
    kept = [path for path in run.before if not is_folder(path) and path not in changed]
    discard(preview, effects)
    effects.make_folder(preview)
    for path in sorted({*filter(is_folder, run.before), *_folders(changes.written)} - {"./"}):
        effects.make_folder(preview / path)
    for path in kept:
        effects.symlink(base / path, preview / path)
    for path in changes.written:
        effects.symlink(run.folder.staged(path), preview / path)


def _folders(paths: Mapping[str, str]) -> set[str]:
    return {f"{folder.as_posix()}/" for path in paths for folder in Path(path).parents if folder != Path()}


def _stamps(proved: ProvedRun) -> dict[str, tuple[int, int]]:
    """Size and time of each staged file: one that somebody has written to is not what was proved."""
    folder = proved.staged.run.folder
    found = {}
    for receipt in proved.staged.receipts:
        try:
            known = os.stat(folder.staged(receipt.new_path))
            found[receipt.new_path] = (known.st_size, known.st_mtime_ns)
        except FileNotFoundError:
            found[receipt.new_path] = (-1, 0)
    return found


def _environment(run: Run, new: Path, versions: tuple[int, ...]) -> dict[str, str]:
    return {
        **os.environ,
        "INSTAR_OLD": str(run.job.location),
        "INSTAR_NEW": str(new),
        "INSTAR_DATASET": run.job.name,
        "INSTAR_FROM": ",".join(map(str, versions)),
        "INSTAR_TO": str(run.plan.target),
        "INSTAR_RUN": run.folder.id,
    }


# ---- running it
def _ended(command: list[str], run: Run, environment: Mapping[str, str]) -> int:
    """Its exit code, below 0 the signal that ended it. Whoever interrupts this interrupts the command."""
    log = run.folder.test_log
    try:
        if log.exists():
            run.effects.unlink(log)
        run.effects.create(log, b"")
    except OSError as error:
        raise disk_error(f"{log} could not be made", error) from error
    with open(log, "ab") as said:
        try:
            process = subprocess.Popen(
                command,
                cwd=run.job.project,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                process_group=_OWN_GROUP,
            )
        except OSError as error:
            raise ConfigurationError(
                f"the test command {command[0]} cannot be run: {error.strerror}", hint="Try it in the project's folder."
            ) from error
        try:
            return process.wait()
        except BaseException:
            _end(process)
            raise


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask it to end, as Ctrl-C does, then plainly; and kill it where it does not."""
    for number, seconds in _PATIENCE:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
            break
    if sys.platform != "win32":
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()


def _end_of(log: Path) -> list[str]:
    """The last lines that it said."""
    with open(log, "rb") as file:
        file.seek(max(0, os.stat(log).st_size - _SHOWN_BYTES))
        lines = file.read().decode("utf-8", "replace").splitlines()
    return [f"    {line}" for line in lines[-SHOWN_LINES:]]
