"""A project, a person who works with its files, and the commands, in any order; after each the world is compared with the disk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from killing import Killed, Quick
from machine.faults import Faulty
from machine.person import NAME, Person
from machine.world import (
    Done,
    Files,
    Held,
    Wrong,
    compare,
    compared,
    parents,
    snapshot_of,
)

from instar.formats.errors import InstarError
from instar.transforms.execution import holding
from instar.transforms.gc import gc
from instar.transforms.job import Options
from instar.transforms.migrate import migrate
from instar.transforms.restore import restore
from instar.transforms.run.removed import has_snapshot
from instar.transforms.run.state import RunState, list_runs, receipts_of
from instar.transforms.stamp import stamp
from instar.transforms.status import runs_of, status_of

RECORDS = {"plan.json", "journal.jsonl", "before.json", "after.json", "report.json"}
STATE = ("lock", "manifest.json", "runs", "probe", ".manifest.json.part")


class Play(Person):
    """One sequence."""

    def command(self, text: str, work: Callable[[Any], Any]) -> Any:
        """Run it, now and then with a fault; compare. Answers with its report, None where it did not come to its end."""
        fault = None
        if self.random.random() < 0.4:
            kind = self.random.choice(("interrupt", "kill", "full", "broken"))
            fault = Faulty(kind, int(self.random.choice((8, 25, 60, 120)) * self.random.random()) + 1)
        self.say(f"{text}{f' with {fault.kind} at {fault.at}' if fault else ''}")
        report = None
        try:
            report = work(fault or Quick())
        except InstarError as error:
            self.refused(text, error, fault)
        except (KeyboardInterrupt, Killed):
            if fault is None or not fault.met:
                raise
            self.say(f"  {fault.kind} at {fault.name}")
        self.look(report)
        return report

    def refused(self, text: str, error: InstarError, fault: Faulty | None) -> None:
        self.say(f"  {type(error).__name__}: {error} [{error.hint}]" + (f" ({fault.kind} at {fault.name})" if fault else ""))
        if not error.hint or error.exit_code not in (1, 2):
            raise Wrong(f"{text} is refused with {error.exit_code} and hint {error.hint!r}: {error}")
        if fault is None or not fault.met:
            self.refusals.append(f"{text}: {type(error).__name__}: {error}")

    def upgrade(self) -> None:
        to = self.random.choice((None, None, 2, 3))
        options = self.random.choice(
            (Options(), Options(method="replace"), Options(method="exchange"), Options(batch_files=1), Options(batch_files=2))
        )
        if self.one:
            options = Options()
        self.settle()
        report = self.command(
            f"upgrade {to} {_said(options)}", lambda e: migrate(self.job(), to, options, verb="upgrade", effects=e)
        )
        self.all_at(report, to or 3)

    def downgrade(self) -> None:
        to = self.random.choice((1, 2))
        options = self.random.choice((Options(), Options(method="replace"), Options(batch_files=2)))
        self.settle()
        report = self.command(
            f"downgrade {to} {_said(options)}", lambda e: migrate(self.job(), to, options, verb="downgrade", effects=e)
        )
        self.all_at(report, to)

    def all_at(self, report: Any, version: int) -> None:
        if report is not None:
            wrong = [path for path, held in self.files.items() if held.records is not None and held.version != version]
            if wrong:
                raise Wrong(f"{wrong} are not at version {version}")

    def rollback(self) -> None:
        self.settle()
        runs = list_runs(self.job().state)
        last = [r for r in runs if r.status == "finished" and not r.undoes and r.id in self.done]
        choice, asked = self.random.random(), {}
        if choice < 0.25 and runs:
            asked = {"run": self.random.choice(runs[-3:]).id}
        elif choice < 0.45 and runs:
            asked = {"to": self.random.choice(runs).id}
        elif choice < 0.55 and runs:
            asked = {"run": runs[-1].id}
        options = self.random.choice((None, Options(method="replace")))
        before = len(self.refusals)
        self.command(
            f"rollback {asked}", lambda e: restore(self.job(), asked.get("run"), to=asked.get("to"), options=options, effects=e)
        )
        if len(self.refusals) > before and not asked and last and has_snapshot(last[-1]):
            self.refusals[-1] += " (LAST)"

    def stamp(self) -> None:
        if path := self.some_data():
            self.settle()
            version = self.files[path].version
            self.command(f"stamp {version} {path!r}", lambda e: stamp(self.job(), version, (path,)))

    def gc(self) -> None:
        keep, interrupted = self.random.choice((0, 1, 2)), self.random.random() < 0.3
        last = self.random.random() < 0.2
        self.settle()
        self.command(
            f"gc keep={keep} interrupted={interrupted} last={last}",
            lambda e: gc(self.job(), keep=keep, interrupted=interrupted, last=last, effects=e),
        )
        self.gone |= {r.id for r in list_runs(self.job().state) if not has_snapshot(r)}

    def settle(self) -> None:
        """What the next command would do first: bring a half publish to its end; it may be interrupted at it, too."""
        for _ in range(4):
            if self.half is None:
                return
            self.command("settle", self.hold)
        if self.half is not None:
            raise Wrong(f"the run {self.half[0]} cannot be settled")

    def hold(self, effects: Any) -> None:
        with holding(self.job(), "settle", effects):
            pass

    def read_only(self) -> None:
        """`status`, `runs`, `plan` and `verify` never fail for what a run left, and write nothing."""
        before = snapshot_of(self.box)
        job, dataset = self.job(), self.project.dataset(NAME)
        status = status_of(job)
        runs_of(job)
        try:
            dataset.plan(self.random.choice((1, 2, 3)))
            if any(r.status == "finished" and not r.undoes for r in list_runs(job.state)):
                dataset.verify()
        except InstarError as error:
            self.say(f"  look: {type(error).__name__}: {error}")
        gc(job, keep=0, dry_run=True)
        if self.half is None:
            wanted: dict[int, int] = {}
            for held in self.files.values():
                if held.records is not None:
                    wanted[held.version] = wanted.get(held.version, 0) + 1
            found = {v.version: v.files for v in status.versions if v.files}
            if found != wanted:
                raise Wrong(f"status says {found}, not {wanted}: {[str(p) for p in status.problems][:3]}")
        if (after := snapshot_of(self.box)) != before:
            raise Wrong(f"looking changed {[k for k in {**before, **after} if before.get(k) != after.get(k)]}")

    # ---- comparing
    def look(self, report: Any) -> None:
        """Take over what the journals say became of runs, and hold the disk to it."""
        runs = list_runs(self.job().state)
        for run in runs:
            if run.status in ("finished", "rolled back") and run.id not in self.done:
                self.published(run)
        halves = [run for run in runs if run.status == "half-published"]
        if not halves and self.half is not None:  # undone
            for path, (old, mixed) in self.half[1].items():
                self.take(path, old if self.files.get(path) == mixed else self.files.get(path))
            self.half = None
        if not halves:
            self.files = compared(self.dataset, self.format, self.files)
            for id, done in self.done.items():
                changes = {
                    p: (old, self.files.get(p) if new and new.content is None else new) for p, (old, new) in done.changes.items()
                }
                self.done[id] = replace(done, changes=changes)
            self.leftovers(runs)
            self.snapshots(runs)
        elif self.half is None:
            self.half_published(halves[0])

    def take(self, path: str, held: Held | None) -> None:
        if held is None:
            self.files.pop(path, None)
        else:
            self.files[path] = held

    def published(self, run: RunState) -> None:
        known = set(self.files)
        changes = self.changes_of(run)
        if self.half is not None and self.half[0] == run.id:
            for path, (_, mixed) in self.half[1].items():
                if self.files.get(path) == mixed:
                    self.take(path, self.later[path][1])
            changes = self.later
            self.half = None
        else:
            for path, (_, new) in changes.items():
                self.take(path, new)
        known |= set(self.files) | set(changes)
        self.done[run.id] = Done(run.id, run.facts["verb"], run.facts["to"], changes, run.undoes, frozenset(known))

    def changes_of(self, run: RunState) -> dict[str, tuple[Held | None, Held | None]]:
        """What the run did to the files as they are in the world now."""
        if run.undoes:
            return self.undone(run)
        paths = [receipt.path for receipt in receipts_of(run)]
        target = run.facts["to"]
        changes: dict[str, tuple[Held | None, Held | None]] = {}
        for path in paths:
            if path in self.files:
                changes[path] = (self.files[path], self.files[path].to(target))
        for path in self.sides(self.files, paths):
            changes[path] = (self.files[path], None)
        return changes

    @staticmethod
    def sides(files: Files, paths: list[str]) -> list[str]:
        crcs = {str(PurePosixPath(p).with_name(f".{PurePosixPath(p).name}.crc")) for p in paths}
        above = {str(PurePosixPath(folder) / n) for p in paths for folder in parents(p) for n in ("_metadata", "_common_metadata")}
        return [path for path in files if path in crcs | above]

    def undone(self, run: RunState) -> dict[str, tuple[Held | None, Held | None]]:
        tree: dict[str, Held] = dict(self.files)
        back: set[str] = set()
        for id in run.undoes:
            done, came = self.done[id], dict(tree)
            there = {(h.inode, h.mtime_ns): p for p, h in tree.items() if p not in done.known}
            for path, (old, new) in done.changes.items():
                now = came.get(path)
                if now is not None and (new is None or now.content != new.content):
                    continue
                moved = there.get((new.inode, new.mtime_ns)) if now is None and old is not None and new is not None else None
                if old is None:
                    tree.pop(path, None)
                else:
                    tree[moved or path] = old
                back.add(moved or path)
        converted = {receipt.path for receipt in receipts_of(run)}
        for path in converted:
            tree[path] = tree[path].to(run.facts["to"])
        changed = [p for p in back if p in tree and tree[p].records is not None] + list(converted)
        for path in self.sides({p: h for p, h in tree.items() if p not in back}, changed):
            tree.pop(path)
        return {p: (self.files.get(p), tree.get(p)) for p in {*self.files, *tree} if self.files.get(p) != tree.get(p)}

    def half_published(self, run: RunState) -> None:
        """Each file is the old or the new one."""
        self.later = self.changes_of(run)
        mixed: dict[str, tuple[Held | None, Held | None]] = {}
        for path, (old, new) in self.later.items():
            there = self.at(path).exists()
            now = None
            if there and old is not None and self.at(path).read_bytes() == old.content:
                now = compare(self.at(path), self.format, old)
            elif there:
                if new is None:
                    raise Wrong(f"{path} is neither old nor new")
                now = compare(self.at(path), self.format, new)
                self.later[path] = (old, now)
            elif old is not None and new is not None:
                raise Wrong(f"{path} is gone while half published")
            mixed[path] = (old, now)
            self.take(path, now)
        self.half = (run.id, mixed)
        compared(self.dataset, self.format, self.files)

    def leftovers(self, runs: tuple[RunState, ...]) -> None:
        state = self.job().state
        out = [p.name for p in self.dataset.parent.iterdir() if p.name not in (self.dataset.name, ".instar")]
        if state.folder.is_dir():
            out += [p.name for p in state.folder.iterdir() if p.name not in STATE]
        for run in runs:
            whole = run.status in ("finished", "rolled back")
            if not run.settled:
                continue
            allowed = RECORDS | ({"snapshot"} if whole else set())
            out += [f"{p.name} of a run that is {run.status}" for p in run.run.path.iterdir() if p.name not in allowed]
        if out and not self.trace[-1].startswith("  "):
            raise Wrong(f"left over: {out}")

    def snapshots(self, runs: tuple[RunState, ...]) -> None:
        """What was replaced is in the snapshot of its run, until `gc` was told to remove that."""
        for run in runs:
            if run.id in self.done and run.id not in self.gone:
                if not run.run.snapshot.is_dir():
                    if not any(text.startswith("gc") for text in self.trace):
                        raise Wrong(f"the snapshot of {run.id} is gone")
                    continue
                if not has_snapshot(run):
                    continue
                for path, (old, _) in self.done[run.id].changes.items():
                    if old is not None and (run.run.snapshot / path).read_bytes() != old.content:
                        raise Wrong(f"the snapshot of {run.id} holds another {path}")

    def step(self) -> None:
        step = self.random.choices(list(STEPS), list(STEPS.values()))[0]
        step(self)
        if self.random.random() < 0.3:
            self.read_only()


def _said(options: Options) -> str:
    return f"{options.method or ''} {options.batch_files or ''}"


STEPS: dict[Callable[[Play], None], float] = {
    Play.add: 4,
    Play.change: 2,
    Play.remove: 2,
    Play.other_kind: 1,
    Play.rename: 1,
    Play.copy_over: 1,
    Play.copy_beside: 1,
    Play.dress: 1,
    Play.put_other: 2,
    Play.folder: 1,
    Play.tree_moves: 0.3,
    Play.upgrade: 6,
    Play.downgrade: 2,
    Play.rollback: 6,
    Play.stamp: 0.5,
    Play.gc: 0.7,
}
