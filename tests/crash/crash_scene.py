"""One cell of the matrix: a project in a folder of its own, what uninterrupted runs make of it, and what a repeated one made."""

from __future__ import annotations

import contextlib
import importlib
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import crash_lake as lake
from crash_effects import Counting, Point, names_of, points_of
from crash_forking import Ended, forked
from killing import Quick

from instar.transforms.run.effects import Effects

SETTINGS: dict[str, dict[str, Any]] = {
    "exchange": {"method": "exchange"},
    "replace": {"method": "replace"},
    "names": {"method": "exchange"},
    "shadow": {"method": "shadow"},
    "batches": {"method": "replace", "batch_files": 1},
    "quarantine": {"method": "exchange", "on_error": "quarantine", "max_errors": 4},
    "quarantine-batches": {"method": "replace", "batch_files": 1, "on_error": "quarantine", "max_errors": 4},
}
"""The options of a run, by what the tests call its method."""
TABLES = {"names": 'name = "{stem}.v{version}{suffix}"\n', "shadow": 'shadow = "data/next"\n'}
"""What instar.toml says of the dataset then."""

LOOKS = ("versions", "interrupted", "problems", "quarantined")
"""What `status`, `runs` and the runs' folders must say again."""


@dataclass(frozen=True)
class Wanted:
    """What an uninterrupted command leaves behind; the points at which it can be killed, and what its effects are called."""

    tree: lake.Standing
    looks: dict[str, Any]
    points: list[Point] = field(default_factory=list)
    names: list[str] = field(default_factory=list)

    @property
    def effects(self) -> int:
        return len(self.names)


@dataclass(frozen=True)
class Scene:
    """`settings` are the options of its upgrades; `wanted` is by verb. `arrived`: a file of the newest version comes after the
    upgrade, which the rollback converts."""

    folder: Path
    format: str
    settings: dict[str, Any]
    arrived: bool = False
    wanted: dict[str, Wanted] = field(default_factory=dict)

    @property
    def box(self) -> Path:
        return self.folder / "box"

    @property
    def log(self) -> Path:
        return self.folder / "effects.log"

    def fork(self, work: Callable[..., Any], *arguments: Any) -> Ended:
        return forked(self.folder / "answer", work, *arguments)

    def run(self, verb: str, effects: Effects) -> Ended:
        """A command, and what there is afterwards, in a child."""
        return self.fork(run_and_look, self.box, verb, self.settings, effects)

    def fresh(self) -> None:
        """The project as it was before the first run."""
        shutil.rmtree(self.box, ignore_errors=True)
        shutil.copytree(self.folder / "template", self.box)

    def upgrade(self) -> None:
        """Nobody disturbs it."""
        good(self.run("upgrade", Quick()))
        self.after_upgrade()

    def after_upgrade(self) -> None:
        if self.arrived:
            lake.arrive(self.box, self.format)

    def stands(self) -> lake.Standing:
        return lake.standing(lake.place_of(self.box))


def run_and_look(box: Path, verb: str, settings: dict[str, Any], effects: Effects) -> dict[str, Any]:
    staged = lake.receipts(box)
    status, used = lake.command(box, verb, settings, effects)
    return {"status": status, "staged": staged, "used": used, "looks": lake.looks(box), "leftovers": lake.leftovers(box),
            "modules": list(sys.modules)}  # fmt: skip


def prepared(folder: Path, format: str, method: str, arrived: bool = False) -> Scene:
    """Make the project, and upgrade and roll it back once, without any interruption."""
    scene = Scene(folder, format, {**SETTINGS[method], "workers": 1}, arrived)
    folder.mkdir(parents=True)
    first = "replace" if SETTINGS[method]["method"] == "replace" else "exchange"
    good(scene.fork(lake.make_project, folder / "template", format, first, TABLES.get(method, ""), "quarantine" in method))
    scene.fresh()
    before = scene.stands()
    scene.wanted["upgrade"] = did(scene, "upgrade", before)
    scene.after_upgrade()
    scene.wanted["rollback"] = did(scene, "rollback", before)
    came = scene.stands().keys() - before.keys()
    beside = {*came, *(str(PurePosixPath(path).parent) for path in came)}
    now, then = ({path: known for path, known in tree.items() if path not in beside} for tree in (scene.stands(), before))
    left = lake.differences(then, now)
    if left or bool(came) != arrived:
        raise AssertionError(f"the rollback was not exact: {left}, {came}")
    return scene


def did(scene: Scene, verb: str, before: lake.Standing) -> Wanted:
    """What a command that nobody disturbs leaves behind, `before` having stood there."""
    scene.log.unlink(missing_ok=True)
    done = good(scene.run(verb, Counting(scene.log)))
    load(done.pop("modules"))
    if done["status"] != "done" or done["leftovers"]:
        raise AssertionError(done)
    return Wanted(lake.promised(before, scene.stands()), done["looks"], points_of(scene.log), names_of(scene.log))


def load(modules: list[str]) -> None:
    """Import here what a child had to, so that the next ones find it loaded."""
    for name in modules:
        if name not in sys.modules and not name.startswith(("instar_", "_")):
            with contextlib.suppress(ImportError):
                importlib.import_module(name)


def good(ended: Ended) -> Any:
    """What a child answered that nobody disturbed."""
    if ended.fault or ended.signal:
        raise AssertionError(ended.fault or f"killed by signal {ended.signal}")
    return ended.value


def problems_after(scene: Scene, verb: str) -> list[str]:
    """Run the command again, undisturbed: what is otherwise than if it had never been interrupted."""
    return problems_of(scene, verb, scene.run(verb, Quick()))


def problems_of(scene: Scene, verb: str, again: Ended) -> list[str]:
    """The same of a repeated command that has ended."""
    problems = unlike(scene, scene.wanted[verb], verb, again)
    if again.value and verb == "upgrade" and again.value["used"] != again.value["staged"]:
        problems.append(f"of {again.value['staged']} staged files {again.value['used']} were used")
    return problems


def unlike(scene: Scene, wanted: Wanted, verb: str, again: Ended) -> list[str]:
    """What is otherwise than wanted after a command that has ended."""
    if again.fault or again.signal:
        return [again.fault or f"the repeated command was killed by signal {again.signal}"]
    said, looks = again.value["status"], again.value["looks"]
    problems = [] if well(verb, said) else [f"the repeated command says: {said}"]
    problems += lake.differences(wanted.tree, scene.stands())
    problems += [f"left over: {path}" for path in again.value["leftovers"]]
    problems += [f"{key} is {looks[key]}" for key in LOOKS if looks[key] != wanted.looks[key]]
    return problems + [f"runs: {run}" for run in looks["runs"] if run[1] in ("half-published", "running")]


def well(verb: str, said: str) -> bool:
    """Either it did the work, or found that all had been done, or that nothing had."""
    return said in ("done", "nothing to do") or (verb == "rollback" and said == "discarded")
