"""Writers while a command works, which is then killed: once it has been repeated, what they wrote is there exactly once."""

from __future__ import annotations

import os
import random
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import crash_lake as lake
from crash_effects import Counting
from crash_scene import Scene, Wanted, good, prepared, run_and_look, unlike, well
from killing import Quick

Deed = Callable[[], None]
DEEDS = ("lands", "lands in the old tree", "is replaced", "grows", "is removed")
"""A new file comes to its path, or into the folder that stood there at the beginning; a file gives way to a new one, is written to
by a program that has had it open since the beginning, or goes."""
RECORDS: list[dict[str, Any]] = [{"n": n, "words": "written meanwhile", "note": "-"} for n in range(100, 105)]


class Accompanied(Counting):
    """The writer does its deed right before effect number `when`; the process is killed right before number `at`, if any."""

    def __init__(self, log: Path, when: int, deed: Deed, at: int | None) -> None:
        super().__init__(log)
        self.when, self.deed, self.at = when, deed, at

    def _asked(self, name: str, *arguments: Any) -> None:
        number = self._number(name, arguments)
        if number == self.when:
            self.deed()
        if number == self.at:
            os.kill(os.getpid(), signal.SIGKILL)
        getattr(Quick(), name)(*arguments)


def with_a_writer(folder: Path, format: str, method: str, deed: str, every: int, first: int) -> dict[str, Any]:
    """The deed before every effect (or every so many of them) of an upgrade, and of a rollback where it can be told what of it is
    to be there afterwards; a kill soon after it, or none. Then the same command, and an upgrade."""
    scene, drawn = prepared(folder, format, method), random.Random(first)
    lake.write(new_file(scene), format, RECORDS)
    verbs = ("upgrade",) if deed in ("grows", "is removed") else ("upgrade", "rollback")
    moments = {verb: moments_of(scene, verb, deed) for verb in verbs}
    tried = {verb: numbers[first % every :: every] for verb, numbers in moments.items()}
    wanted = wanted_with(scene, deed)
    failures: list[str] = []
    for verb, numbers in tried.items():
        for when in numbers:
            later = drawn.choice((0, 1, 2, 3, 5, 8, 13, 21, None))
            problems = tried_at(scene, wanted, verb, deed, when, None if later is None else when + later)
            failures += [f"{verb}, {when}, killed {later} later: {'; '.join(problems)}"] if problems else []
    return {"points": sum(map(len, tried.values())), "of": sum(map(len, moments.values())), "failures": failures}


def moments_of(scene: Scene, verb: str, deed: str) -> list[int]:
    """The numbers of all effects, but for that of replacing a file by `replace`: it is documented that another which somebody puts
    over the old one just then is lost."""
    effects = scene.wanted[verb].names
    numbers, over = list(range(1, len(effects) + 1)), f"replace c{lake.SUFFIX[scene.format]}"
    return [n for n in numbers if deed != "is replaced" or effects[n - 1] != over]


def wanted_with(scene: Scene, deed: str) -> Wanted:
    """What an upgrade makes of a dataset to which the deed was done before."""
    scene.fresh()
    deed_of(scene, deed)()
    before, done = scene.stands(), good(scene.run("upgrade", Quick()))
    return Wanted(lake.promised(before, scene.stands()), done["looks"])


def tried_at(scene: Scene, wanted: Wanted, verb: str, deed: str, when: int, at: int | None) -> list[str]:
    """What is otherwise in the end than if the deed had been done first."""
    scene.fresh()
    if verb == "rollback":
        scene.upgrade()
    ended = scene.fork(accompanied, scene, verb, deed, when, at)
    if verb == "rollback" and not ended.fault and (ended.signal or not well(verb, ended.value["status"])):
        ended = scene.run(verb, Quick())
    if ended.fault:
        return [ended.fault]
    return unlike(scene, wanted, "upgrade", scene.run("upgrade", Quick()))


def accompanied(scene: Scene, verb: str, deed: str, when: int, at: int | None) -> dict[str, Any]:
    """In a child."""
    scene.log.unlink(missing_ok=True)
    return run_and_look(scene.box, verb, scene.settings, Accompanied(scene.log, when, deed_of(scene, deed), at))


# ---- deeds
def new_file(scene: Scene) -> Path:
    return scene.folder / "new"


def deed_of(scene: Scene, deed: str) -> Deed:
    """Opens at once what the writer has open while the command works."""
    dataset, suffix = lake.dataset_of(scene.box), lake.SUFFIX[scene.format]
    folder = os.open(dataset / "month=1", os.O_RDONLY | os.O_DIRECTORY)
    file = os.open(dataset / f"month=2/c{suffix}", os.O_WRONLY | os.O_APPEND)

    def moved_to(path: str | Path, folder: int | None = None) -> None:
        os.rename(shutil.copyfile(new_file(scene), scene.box / "part"), path, dst_dir_fd=folder)

    def written_to() -> None:
        os.write(file, new_file(scene).read_bytes())

    deeds: dict[str, Deed] = {
        "lands": lambda: moved_to(dataset / f"month=1/late{suffix}"),
        "lands in the old tree": lambda: moved_to(f"late{suffix}", folder),
        "is replaced": lambda: moved_to(dataset / f"month=2/c{suffix}"),
        "grows": written_to,
        "is removed": lambda: (dataset / f"month=1/b{suffix}").unlink(),
    }
    return deeds[deed]
