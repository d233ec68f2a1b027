"""Serves the crash tests: a request is one line of JSON on standard input, its answer one line on standard output.

Each task takes a folder that is not there yet, and answers with `points`, how many interruptions it tried, `of`, how many there
are, `seconds`, and `failures`: what was wrong, in words.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import crash_lake as lake
from crash_effects import Killing, Point
from crash_forking import adopt_orphans, orphans_gone
from crash_gc import gc_cut, gc_killed
from crash_power import PowerCut, Recording, Variant
from crash_scene import Scene, good, prepared, problems_after, problems_of, run_and_look, well
from crash_signals import interrupted_by
from crash_writer import with_a_writer
from killing import Quick


def in_turns(scene: Scene, points: Mapping[str, Sequence[Any]], interrupted: Callable[[str, Any], list[str]]) -> list[str]:
    """An upgrade interrupted at each point and repeated, each followed by a rollback interrupted at one of its own."""
    failures: list[str] = []
    up, down = points["upgrade"], points["rollback"]
    for index in range(max(len(up), len(down))):
        scene.fresh()
        problems: list[str] = []
        if index < len(up):
            problems = interrupted("upgrade", up[index])
            failures += told("upgrade", up[index], problems)
            scene.after_upgrade()
        else:
            scene.upgrade()
        if index < len(down) and not problems:
            failures += told("rollback", down[index], interrupted("rollback", down[index]))
    return failures


def told(verb: str, point: object, problems: list[str]) -> list[str]:
    return [f"{verb}, {point}: {'; '.join(problems)}"] if problems else []


# ---- kills
def kill_everywhere(
    folder: Path,
    format: str,
    method: str,
    workers: int,
    group: bool,
    every: int,
    first: int,
    then: str = "the same",
    arrived: bool = False,
) -> dict[str, Any]:
    """SIGKILL before and within every effect (or every so many of them): the whole group, or the coordinator alone.

    What is killed has so many workers; whatever else runs does all by itself, which is quicker. `then`: "the same" command again;
    "killed again" once more before that, anywhere; "rollback" after a killed upgrade, which leaves all as it was. `arrived`: only
    rollbacks, which convert a file.
    """
    scene, drawn = prepared(folder, format, method, arrived), random.Random(first)

    def interrupted(verb: str, point: Point) -> list[str]:
        ended = scene.fork(killed, scene, verb, point, workers, group)
        if ended.fault or ended.signal != signal.SIGKILL:
            return [ended.fault or f"it was not killed but says {ended.value['status']}"]
        if then == "killed again":
            again = scene.fork(killed, scene, verb, (drawn.randint(1, scene.wanted[verb].effects // 2), None), 1, group)
            if again.signal != signal.SIGKILL:  # it had come to its end before that
                return problems_of(scene, verb, again)
        if then == "rollback" and not on_record(scene, "upgrade"):
            return []
        problems = rolled_back(scene) if then == "rollback" else problems_after(scene, verb)
        return problems if orphans_gone() else [*problems, "workers outlive their coordinator"]

    points = {verb: wanted.points[first % every :: every] for verb, wanted in scene.wanted.items()}
    if then == "rollback":
        points["rollback"] = []
    if arrived:
        points["upgrade"] = []
    failures = in_turns(scene, points, interrupted)
    return {
        "points": sum(map(len, points.values())),
        "of": sum(len(scene.wanted[verb].points) for verb, some in points.items() if some),
        "failures": failures,
    }


def rolled_back(scene: Scene) -> list[str]:
    """What is wrong after a killed upgrade was taken back: a killed batch first, then those that had been published before it."""
    ended = scene.run("rollback", Quick())
    if ended.value and ended.value["status"] == "discarded" and ended.value["looks"]["runs"].count(["upgrade", "finished"]) > 1:
        ended = scene.run("rollback", Quick())
    return problems_of(scene, "rollback", ended)


def on_record(scene: Scene, verb: str) -> bool:
    """Is the killed upgrade one that a rollback means, or the killed rollback at its end, so that another means the run before?"""
    runs = good(scene.fork(lake.looks, scene.box))["runs"]
    return len(runs) > 1 and (runs[-1] == ["rollback", "finished"] if verb == "rollback" else runs[-1][0] == verb)


def come_to_its_end(scene: Scene) -> list[str]:
    """What is otherwise than it should be after a rollback that was done when the kill came."""
    return lake.differences(scene.wanted["rollback"].tree, scene.stands())


def killed(scene: Scene, verb: str, point: Point, workers: int, group: bool) -> dict[str, Any]:
    """In a child, which is the coordinator."""
    scene.log.unlink(missing_ok=True)
    return run_and_look(scene.box, verb, {**scene.settings, "workers": workers}, Killing(scene.log, *point, group))


def kill_at_random(folder: Path, format: str, method: str, kills: int, seed: int) -> dict[str, Any]:
    """SIGKILL of `instar` as people call it, with two workers, at random moments; of every second one the coordinator alone."""
    scene, drawn = prepared(folder, format, method), random.Random(seed)
    seconds = {"upgrade": 1.5, "rollback": 0.3}  # what they take here, roughly; longer ones that come to an end teach it

    def interrupted(verb: str, point: tuple[float, bool]) -> list[str]:
        part, group = point
        child, begun = started(scene, verb)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(part * seconds[verb])
            seconds[verb] = (seconds[verb] + time.monotonic() - begun) / 2
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL) if group else child.kill()
        child.wait()
        problems = come_to_its_end(scene) if verb == "rollback" and on_record(scene, verb) else problems_after(scene, verb)
        return problems if orphans_gone() else [*problems, "workers outlive their coordinator"]

    moments = [(drawn.uniform(0, 1.5), drawn.random() < 0.5) for _ in range(kills)]
    failures = in_turns(scene, {"upgrade": moments[::2], "rollback": moments[1::2]}, interrupted)
    return {"points": kills, "of": kills, "failures": failures}


def started(scene: Scene, verb: str) -> tuple[subprocess.Popen[bytes], float]:
    """The command as a process group of its own, and since when it holds the dataset (or has ended)."""
    more = ["--workers", "2", "--method", scene.settings["method"]] if verb == "upgrade" else []
    child = subprocess.Popen(
        [sys.executable, "-m", "instar", "-C", str(scene.box), verb, lake.NAME, "--json", *more],
        stdout=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    lock = lake.state_of(scene.box) / "lock"
    before = lock.stat().st_mtime_ns if lock.exists() else 0
    while child.poll() is None and not (lock.exists() and lock.stat().st_mtime_ns != before):
        time.sleep(0.001)
    return child, time.monotonic()


# ---- signals
def signals(folder: Path, format: str, method: str, name: str, every: int, first: int) -> dict[str, Any]:
    """A signal before every effect (or every so many of them)."""
    scene = prepared(folder, format, method)
    points = {verb: range(1, wanted.effects + 1)[first % every :: every] for verb, wanted in scene.wanted.items()}
    failures = in_turns(scene, points, lambda verb, at: interrupted_by(scene, verb, at, name))
    return {"points": sum(map(len, points.values())), "of": sum(w.effects for w in scene.wanted.values()), "failures": failures}


# ---- power cuts
def power_cuts(folder: Path, format: str, method: str, variant: Variant, every: int, first: int) -> dict[str, Any]:
    """The power is cut before every effect (or every so many of them) and after the last; a command that was done must stay so."""
    scene = prepared(folder, format, method)
    kept = folder / "kept"

    def interrupted(verb: str, after: int) -> list[str]:
        shutil.rmtree(kept, ignore_errors=True)
        ended = scene.fork(cut, scene, verb, after, variant, kept)
        if ended.fault or ended.signal:
            return [ended.fault or f"killed by signal {ended.signal}"]
        if ended.value == "cut":
            return problems_after(scene, verb)
        lost = lake.differences(scene.wanted[verb].tree, scene.stands()) + lake.leftovers(scene.box)
        return [] if well(verb, ended.value) and not lost else [f"it was {ended.value}, and now: {lost}"]

    points = {verb: range(wanted.effects + 1)[first % every :: every] for verb, wanted in scene.wanted.items()}
    failures = in_turns(scene, points, interrupted)
    return {"points": sum(map(len, points.values())), "of": sum(w.effects + 1 for w in scene.wanted.values()), "failures": failures}


def cut(scene: Scene, verb: str, after: int, variant: Variant, kept: Path) -> str:
    """In a child: the command until the power is off, and what the disk shows afterwards."""
    effects = Recording(scene.box, kept, after, torn=variant == "kept")
    try:
        said, _ = lake.command(scene.box, verb, scene.settings, effects)
    except PowerCut:
        said = "cut"
    effects.lose(variant, seed=after)
    return said


# ---- serving
TASKS: dict[str, Callable[..., dict[str, Any]]] = {
    "kill everywhere": kill_everywhere,
    "kill at random": kill_at_random,
    "power cuts": power_cuts,
    "signals": signals,
    "gc killed": gc_killed,
    "gc cut": gc_cut,
    "with a writer": with_a_writer,
}


def main() -> None:
    """Answer until the input ends."""
    adopt_orphans()
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a command prints is not an answer
    for line in sys.stdin:
        request = json.loads(line)
        begun, folder = time.perf_counter(), Path(request.pop("folder"))
        if threads := other_threads():
            raise AssertionError(f"with the threads {threads} no child may be forked")
        try:
            answer = TASKS[request.pop("task")](folder, **request)
        except Exception:  # is told like any failure, and does not take the other tests along
            answer = {"points": 0, "of": 0, "failures": [traceback.format_exc()]}
        if not answer["failures"]:
            shutil.rmtree(folder)
        answers.write(json.dumps({**answer, "seconds": time.perf_counter() - begun}) + "\n")
        answers.flush()
    answers.close()


def other_threads() -> list[str]:
    """The names of this process' threads but the first; jemalloc's, which pyarrow brings, knows of forks."""
    if sys.platform != "linux":
        return []
    names = [path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm")]
    return [name for name in names[1:] if not name.startswith("jemalloc")]


if __name__ == "__main__":
    main()
