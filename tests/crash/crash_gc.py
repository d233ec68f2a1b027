"""Removals and copies of snapshots, interrupted: what is left is whole or not used, and the repeated command comes to its end."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import crash_lake as lake
from crash_effects import Counting, Killing, Point, points_of
from crash_forking import Ended
from crash_power import PowerCut, Recording, Variant
from crash_scene import Scene, good, load
from killing import Quick

from instar.transforms.run.removed import has_snapshot
from instar.transforms.run.state import list_runs

NAS = "nas"


def gc_killed(folder: Path, format: str, method: str, every: int, first: int) -> dict[str, Any]:
    """SIGKILL before and within every effect (or every so many of them) of `gc --keep 0 --last --backup nas`."""
    scene = upgraded(folder, format, method)

    def kill(point: Point) -> Ended:
        scene.log.unlink(missing_ok=True)
        return scene.fork(lake.command, scene.box, "gc", scene.settings, Killing(scene.log, *point, True))

    points = points_of(scene.log)
    failures = interrupted_at(scene, points[first % every :: every], kill, signal.SIGKILL)
    return {"points": len(points[first % every :: every]), "of": len(points), "failures": failures}


def gc_cut(folder: Path, format: str, method: str, variant: Variant, every: int, first: int) -> dict[str, Any]:
    """The same with power cuts, of both disks."""
    scene = upgraded(folder, format, method)

    def cut(after: int) -> Ended:
        shutil.rmtree(folder / "kept", ignore_errors=True)
        return scene.fork(cut_off, scene, after, variant)

    effects = sum(part is None for _, part in points_of(scene.log))
    points = range(effects + 1)[first % every :: every]
    return {"points": len(points), "of": effects + 1, "failures": interrupted_at(scene, points, cut, 0)}


def cut_off(scene: Scene, after: int, variant: Variant) -> str:
    """In a child: the command until the power is off, and what both disks show afterwards."""
    effects = Recording(scene.box, scene.folder / "kept", after, torn=variant == "kept")
    try:
        said, _ = lake.command(scene.box, "gc", scene.settings, effects)
    except PowerCut:
        said = "cut"
    effects.lose(variant, seed=after)
    return said


def upgraded(folder: Path, format: str, method: str) -> Scene:
    """A project whose last run has just finished, as the template; the log has the effects of removing its snapshot."""
    scene = Scene(folder, format, {"method": method, "workers": 1})
    folder.mkdir(parents=True)
    good(scene.fork(lake.make_project, folder / "template", format, method))
    scene.fresh()
    load(good(scene.run("upgrade", Quick()))["modules"])
    (scene.box / NAS).mkdir()
    shutil.rmtree(folder / "template")
    shutil.copytree(scene.box, folder / "template")
    load(good(scene.run("gc", Counting(scene.log)))["modules"])
    return scene


def interrupted_at(scene: Scene, points: Any, interrupt: Callable[[Any], Ended], wanted_signal: int) -> list[str]:
    """What was wrong after an interruption at each of the points, and after the command was repeated."""
    failures: list[str] = []
    for point in points:
        scene.fresh()
        data, old = scene.stands(), lake.standing(snapshot_of(scene.box))
        ended = interrupt(point)
        if ended.fault or ended.signal != wanted_signal:
            problems = [ended.fault or f"it ended with signal {ended.signal} and says {ended.value}"]
        else:
            problems = lake.differences(data, scene.stands()) + problems_with(scene.box, old)
            again = scene.run("gc", Quick())
            problems += [again.fault] if again.fault else [] if again.value["status"] == "removed" else [str(again.value)]
            problems += lake.differences(data, scene.stands()) + [f"it is still there: {p}" for p in old_files(scene.box)]
            problems += lake.differences(old, lake.standing(copy_of(scene.box)))
        failures += [f"{point}: {problem}" for problem in problems]
    return failures


def problems_with(box: Path, old: lake.Standing) -> list[str]:
    """The snapshot is whole, or it is not used and the copy is whole; what bears a copy's name is whole in any case."""
    run, copy = list_runs(lake.job_of(box).state)[-1], copy_of(box)
    problems = lake.differences(old, lake.standing(copy)) if copy.exists() else []
    if has_snapshot(run):
        return problems + lake.differences(old, lake.standing(run.run.snapshot))
    return problems if copy.exists() else ["neither the snapshot nor a copy of it is there"]


def snapshot_of(box: Path) -> Path:
    return max((lake.state_of(box) / "runs").iterdir()) / "snapshot"


def old_files(box: Path) -> list[str]:
    return [str(path) for path in snapshot_of(box).rglob("*")]


def copy_of(box: Path) -> Path:
    return box / NAS / lake.NAME / snapshot_of(box).parent.name / "snapshot"
