"""A project, and a person who works with its files in every way that a person does."""

from __future__ import annotations

import os
import shutil
import stat
from dataclasses import replace
from pathlib import Path, PurePosixPath
from random import Random

from authoring import Author, said
from machine import records as data
from machine.world import (
    Done,
    Files,
    Held,
    base_of,
    parents,
)

from instar.transforms.job import Job
from instar.transforms.project import open_project

NAME = "events"
FOLDERS = ("", "", "", "m=1/", "m=2/", "deep/er/")
NAMES = ("a", "b", "B", "a b", "it's", 'q"', "100%", "-x", "é😀", "x" * 200, "a.parquet", "new\nline", "\udce9", "a.ndjson.part")
OTHERS = ("README", "_SUCCESS", "_metadata", "m=1/_common_metadata", ".hidden", "deep/.x", "m=1/\udce9")


def make_template(folder: Path, format: str, *, one: bool) -> None:
    """A project with three registered versions, its dataset empty, or one file."""
    place = folder / "data" / (NAME + (data.SUFFIX[format] if one else ""))
    first = place if one else place / f"first{data.SUFFIX[format]}"
    first.parent.mkdir(parents=True)
    data.write(first, format, data.fresh(0, 2, 1))
    author = Author(folder, lambda *arguments, at: said(*arguments, at=at))
    author.do("init", "--from", f"data/{place.name}")
    with (folder / "instar.toml").open("a", encoding="utf-8") as file:
        file.write("workers = 1\n")
    for upgrade, downgrade in data.STEPS.values():
        author.step("events", upgrade, downgrade)
    if not one:
        first.unlink()
    shutil.rmtree(folder / "data" / ".instar", ignore_errors=True)


class Person:
    """What is done to the files, and what they must hold. `trace` tells what was done."""

    def __init__(self, box: Path, format: str, seed: int, *, one: bool = False) -> None:
        self.box, self.format, self.one = box, format, one
        self.random = Random(seed)
        self.project = open_project(box)
        self.opened = self.project.dataset(NAME).job()
        self.dataset = box / "data" / (NAME + (data.SUFFIX[format] if one else ""))
        self.files: Files = {}
        self.done: dict[str, Done] = {}
        self.gone: set[str] = set()
        self.later: dict[str, tuple[Held | None, Held | None]] = {}
        self.half: tuple[str, dict[str, tuple[Held | None, Held | None]]] | None = None
        self.number = 100
        self.trace: list[str] = []
        self.refusals: list[str] = []
        if one:
            self.put(self.dataset.name, data.fresh(0, 2, 1), 1)
        else:
            pool = [f"{folder}{name}" for folder in set(FOLDERS) for name in NAMES]
            self.pool = self.random.sample([self.named(p) for p in pool], 7)
            self.pool += [self.named("a"), "a" if self.random.random() < 0.3 else self.named("b")]
            if self.random.random() < 0.4:
                self.pool += [f"{self.pool[-1]}/under{data.SUFFIX[format]}"] * 2  # a folder where a file may stand
            if format == "parquet":
                self.pool = [path for path in self.pool if not _undecodable(path)]
            for _ in range(3):
                self.add()

    # ---- the person
    def named(self, path: str) -> str:
        return path + data.SUFFIX[self.format]

    def job(self) -> Job:
        return self.opened

    def say(self, text: str) -> None:
        self.trace.append(text)

    def at(self, path: str) -> Path:
        return base_of(self.dataset) / path

    def fits(self, path: str) -> bool:
        """May a file stand there, no folder or file being in its way?"""
        target = self.at(path)
        return not target.is_dir() and all(not p.exists() or p.is_dir() for p in target.parents)

    def put(self, path: str, records: data.Records, version: int) -> None:
        target, part = self.at(path), self.box / "part"
        target.parent.mkdir(parents=True, exist_ok=True)
        data.write(part, self.format, records)
        if self.random.random() < 0.3:
            part.chmod(0o640)
        if self.random.random() < 0.3:
            os.utime(part, ns=(10**18, 10**18 + self.random.randrange(10**9)))
        os.replace(part, target)
        known = os.stat(target)
        self.files[path] = Held(records, version, target.read_bytes(), known.st_mtime_ns, stat.S_IMODE(known.st_mode), known.st_ino)

    def fresh(self, version: int) -> data.Records:
        self.number += 10
        return data.fresh(self.number, self.random.randint(1, 3), version)

    def add(self) -> None:
        """A new file, or a new one in an old one's place."""
        path = self.dataset.name if self.one else self.random.choice(self.pool)
        version = self.random.choice((1, 1, 1, 2, 3))
        if self.fits(path):
            self.say(f"put {path!r} v{version}")
            self.put(path, self.fresh(version), version)

    def change(self) -> None:
        if path := self.some_data():
            version = self.files[path].version if self.random.random() < 0.8 else self.random.randint(1, 3)
            self.say(f"change {path!r} v{version}")
            self.put(path, self.fresh(version), version)

    def some_data(self) -> str | None:
        found = sorted(path for path, held in self.files.items() if held.records is not None)
        return self.random.choice(found) if found else None

    def other_kind(self) -> None:
        """A file gives way to a folder of its name, or the other way about."""
        for path in self.random.sample(self.pool, len(self.pool)) if not self.one else ():
            above = next((p for p in parents(path) if p in self.pool), None)
            if above is None:
                continue
            self.say(f"other kind at {above!r}")
            if above in self.files:
                self.at(above).unlink()
                del self.files[above]
                self.put(path, self.fresh(1), 1)
            elif self.at(above).is_dir():
                shutil.rmtree(self.at(above))
                self.files = {p: held for p, held in self.files.items() if not p.startswith(f"{above}/")}
                self.put(above, self.fresh(2), 2)
            return

    def remove(self) -> None:
        if self.files and not self.one:
            path = self.random.choice(sorted(self.files))
            self.say(f"remove {path!r}")
            self.at(path).unlink()
            del self.files[path]
            if self.random.random() < 0.5:
                self.prune(self.at(path).parent)

    def prune(self, folder: Path) -> None:
        while folder != self.dataset and not any(folder.iterdir()):
            folder.rmdir()
            folder = folder.parent

    def rename(self) -> None:
        if (path := self.some_data()) and not self.one:
            target = self.random.choice(self.pool)
            if target != path and self.fits(target) and not target.startswith(f"{path}/"):
                self.say(f"rename {path!r} to {target!r}")
                self.at(target).parent.mkdir(parents=True, exist_ok=True)
                os.replace(self.at(path), self.at(target))
                self.files[target] = self.files.pop(path)

    def copy_over(self) -> None:
        """The same bytes in another file, as a backup tool does it; with its time or not."""
        if path := self.some_data():
            self.say(f"copy {path!r} over itself")
            (shutil.copy2 if self.random.random() < 0.5 else shutil.copy)(self.at(path), self.box / "part")
            os.replace(self.box / "part", self.at(path))
            self.files[path] = replace(
                self.files[path], mtime_ns=os.stat(self.at(path)).st_mtime_ns, inode=os.stat(self.at(path)).st_ino
            )

    def copy_beside(self) -> None:
        if (path := self.some_data()) and not self.one:
            target = self.random.choice(self.pool)
            if target not in self.files and self.fits(target):
                self.say(f"copy {path!r} to {target!r}")
                self.at(target).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(self.at(path), self.at(target))
                self.files[target] = replace(self.files[path], inode=os.stat(self.at(target)).st_ino)

    def dress(self) -> None:
        """Another mode or time, on the file itself; what snapshots share with it changes with it, and so it is made its own."""
        if path := self.some_data():
            self.say(f"dress {path!r}")
            mode = self.random.choice((0o600, 0o644, 0o660, 0o444))
            shutil.copy(self.at(path), self.box / "part")
            os.replace(self.box / "part", self.at(path))
            self.at(path).chmod(mode)
            self.files[path] = replace(
                self.files[path], mode=mode, mtime_ns=os.stat(self.at(path)).st_mtime_ns, inode=os.stat(self.at(path)).st_ino
            )

    def put_other(self) -> None:
        if self.one:
            return
        path = self.random.choice(OTHERS)
        if self.random.random() < 0.4 and (of := self.some_data()) and len(of) < 190:
            path = str(PurePosixPath(of).with_name(f".{PurePosixPath(of).name}.crc"))
        if self.fits(path):
            self.say(f"other {path!r}")
            self.at(path).parent.mkdir(parents=True, exist_ok=True)
            self.number += 1
            (self.box / "part").write_text(f"other {self.number}\n")
            os.replace(self.box / "part", self.at(path))
            known = os.stat(self.at(path))
            self.files[path] = Held(
                None, 0, self.at(path).read_bytes(), known.st_mtime_ns, stat.S_IMODE(known.st_mode), known.st_ino
            )

    def folder(self) -> None:
        if not self.one:
            path = self.at(self.random.choice(("empty", "m=1/none", "m=3", "deep")))
            if not path.exists() and all(not p.is_file() for p in path.parents):
                self.say(f"folder {path.name}")
                path.mkdir(parents=True)

    def tree_moves(self) -> None:
        """The whole directory in another one's place: restored from a backup, say."""
        if not self.one:
            self.say("the whole dataset is copied")
            shutil.copytree(self.dataset, self.box / "copy")
            shutil.rmtree(self.dataset)
            os.rename(self.box / "copy", self.dataset)
            self.files = {p: replace(held, inode=os.stat(self.at(p)).st_ino) for p, held in self.files.items()}


def _undecodable(path: str) -> bool:
    return any("\udc80" <= letter <= "\udcff" for letter in path)
