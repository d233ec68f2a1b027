"""What a run came to, in plain words: the same on the page, on the index and on the console."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from instar.cli.layout import counted

Tone = Literal["good", "mixed", "bad", "calm"]
SYMBOLS: dict[Tone, str] = {"good": "✓", "mixed": "!", "bad": "✕", "calm": "–"}


@dataclass(frozen=True)
class Verdict:
    """`headline` in a few words, `told` in one or two sentences."""

    tone: Tone
    headline: str
    told: str

    @property
    def symbol(self) -> str:
        return SYMBOLS[self.tone]


def verdict(told: Mapping[str, Any]) -> Verdict:
    """Of an account."""
    status, proof, now = told["status"], told["proof"], told["now"]["status"]
    name, failed = told["dataset"], [gate for gate in told["gates"] if gate["verdict"] == "failed"]
    if now == "interrupted" and told["now"]["way_back"] == "nothing to undo":
        return Verdict("calm", "Interrupted, and discarded since", f"{name} is as it was before the run.")
    if now in ("interrupted", "half-published", "running"):
        return _unfinished(now, name)
    if now == "discarded" and not told["error"]:
        return Verdict("calm", "Staged, and discarded since", f"{name} is as it was before the run.")
    if status == "failed":
        what = "The proof failed" if proof and proof["verdict"] == "failed" else "A check failed" if failed else "The run failed"
        return Verdict("bad", f"{what}: nothing was published", f"{name} is as it was before the run.")
    done = _done(told)
    if now == "rolled back":
        return Verdict("calm", "Rolled back since", f"{done} A later run took this one back: {name} is as it was before it.")
    if status == "staged" and (failed or (told["audit"] or {}).get("verdict") == "failed"):
        what = "a check said no" if failed else "queries did"
        return Verdict("bad", f"Staged and proved, but {what}: not published", f"{name} is unchanged. {_checks(told)}")
    if status == "staged":
        return Verdict("good", "Staged and proved, not yet published", f"{name} is unchanged so far. {_checks(told)}")
    if told["verb"] == "rollback":
        return Verdict("good", "Rolled back: every file is as it was", done)
    if proof is None:
        return Verdict("calm", "Done", done)
    apart, unread = told["rows_quarantined"], len(told["skipped"])
    if proof["verdict"] == "repeated":
        return Verdict("mixed", "Done, but not everything could be proved", f"{done} {_checks(told)}")
    if apart or unread:
        parts = [f"{counted(apart, 'record')} left out"] if apart else []
        parts += [f"{counted(unread, 'file')} could not be read"] if unread else []
        return Verdict("mixed", f"Proved, and {', '.join(parts)}", f"{done} {_checks(told)}")
    return Verdict("good", "Proved: every record and value is as it must be", f"{done} {_checks(told)}")


def _unfinished(now: str, name: str) -> Verdict:
    if now == "running":
        return Verdict("calm", "Still at work", f"{name} is unchanged so far.")
    if now == "half-published":
        return Verdict("mixed", "Cut off while it published", "The next command that writes brings it to its end. Nothing is lost.")
    return Verdict("mixed", "Interrupted", f"{name} is unchanged. The same command goes on where it was.")


def _done(told: Mapping[str, Any]) -> str:
    files, versions = told["files"], ", ".join(told["from"])
    if told["verb"] == "rollback":
        count = counted(files.get("restored", 0), "file")
        return f"{count} restored byte for byte out of the snapshot."
    rows = "" if told["rows_out"] is None else f"{told['rows_out']:,} records in "
    way = f"from version {versions} to {told['to']}" if versions else f"to version {told['to']}"
    return f"{rows}{counted(files.get('rewritten', 0), 'file')} went {way}."


def _checks(told: Mapping[str, Any]) -> str:
    proof = told["proof"]
    if proof is None:
        return ""
    ways = {
        "bytes": "{} compared byte for byte",
        "sql": "{} computed again by DuckDB",
        "repeated": "{} only repeated by the same function",
    }
    parts = [ways[way].format(f"{count:,}") for way, count in sorted(proof["ways"].items())]
    named = " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1]))) if parts else "none"
    whole = "no difference" if proof["verdict"] == "repeated" else "all agree"
    return f"Of {sum(proof['ways'].values()):,} column checks, {named}: {whole}."
