"""What each section of a run's page shows, as templates take it: counted, grouped and in order. Templates escape it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from instar.cli.layout import duration, size
from instar.cli.report_page import charts

FILES = 200
"""So many files have a line of their own."""
SIGNS = {"added": "+ ", "removed": "− ", "renamed": "→ ", "moved": "→ ", "changed": "~ ", "same": ""}
ROWS = 60
"""Up to so many fields all stand in the table; of more, those that stay the same stand apart."""


def shown(value: Any) -> str:
    """A property's value as people read it."""
    match value:
        case None:
            return "unknown"
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case Mapping():
            return ", ".join(f"{name}: {shown(count)}" for name, count in value.items()) or "none"
        case list() | tuple():
            return ", ".join(map(shown, value)) or "none"
        case _:
            return str(value) or "none"


def figures(told: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The numbers at the top: each with its name, a key, its value before (None where there is no such) and after."""
    published = told["status"] in ("done", "staged")
    files = told["files"]
    count = sum(files.get(key, 0) for key in ("rewritten", "restored", "converted"))
    seconds = sum(told["seconds"].values())
    found = [
        {"name": "Records", "key": "rows", "before": told["rows_in"], "after": told["rows_out"], "unit": "count"},
        {
            "name": "Bytes",
            "key": "bytes",
            "before": told["bytes_in"],
            "after": told["bytes_out"] if published else None,
            "unit": "size",
        },
        {"name": "Files rewritten", "key": "files", "before": None, "after": count, "unit": "count"},
        {"name": "Wall time", "key": "seconds", "before": None, "after": round(seconds, 3), "unit": "time"},
    ]
    if told["rows_quarantined"]:
        found.insert(
            1, {"name": "Left out", "key": "quarantined", "before": None, "after": told["rows_quarantined"], "unit": "count"}
        )
    return found


# ---- what changed
def schema_steps(told: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Of each version that files were at, the fields side by side: those that differ, and where there are many the others apart."""
    made = []
    for step in told["schema"] or ():
        rows = [_aligned(field) for field in step["fields"]]
        changed = [row for row in rows if row["mark"] != "same"]
        together = len(rows) <= ROWS
        counts: dict[str, int] = {}
        for row in changed:
            counts[row["mark"]] = counts.get(row["mark"], 0) + 1
        rest = [] if together else [row for row in rows if row["mark"] == "same"]
        made.append(
            {**step, "rows": rows if together else changed, "rest": rest, "same": len(rows) - len(changed), "counts": counts}
        )
    return made


def _aligned(field: Mapping[str, Any]) -> dict[str, Any]:
    """A field's line. `mark` is one word for all that happened to it."""
    what = list(field["what"])
    mark = field["kind"]
    if mark == "changed":
        mark = next((word for word in ("renamed", "moved") if word in what), "changed")
    words = {"type": "other type", "optional": "optional or not", "order": "order of fields"}
    notes = [str(words.get(word, word)) for word in what if word != mark]
    label = notes.pop(0) if mark == "changed" and notes else {"same": "unchanged"}.get(mark, mark)
    if field["sources"]:
        notes.append("from " + ", ".join(field["sources"]))
    return {"old": field["from"], "new": field["to"], "mark": mark, "label": f"{SIGNS[mark]}{label}", "notes": ", ".join(notes)}


# ---- the proof
def columns(told: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every column over all files: how it was proved in how many, and in how many it failed. Failed ones come first."""
    found: dict[str, dict[str, Any]] = {}
    for check in (told["proof"] or {"checks": []})["checks"]:
        for column in check["columns"]:
            line = found.setdefault(column["path"], {"path": column["path"], "ways": {}, "files": 0, "failed": 0})
            line["ways"][column["way"]] = line["ways"].get(column["way"], 0) + 1
            line["files"] += 1
            line["failed"] += bool(column["problem"])
    return sorted(found.values(), key=lambda line: not line["failed"])


def broken(told: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The files in which something does not hold, with each place."""
    found = []
    for check in (told["proof"] or {"checks": []})["checks"]:
        columns = [column for column in check["columns"] if column["problem"]]
        if check["verdict"] == "failed":
            found.append({**check, "columns": columns})
    return found


_REASONS = 1000
"""So many are told apart: what is told of fifty need not hold all that a million records say."""
_BEGUN = 40  # characters of a long value by which it is known again


def reasons(told: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Why records were left out, by field and reason, as far as their file is still there; values are not repeated here."""
    counts: dict[tuple[str, str], int] = {}
    for place in (told["quarantine"] or {"written": ()})["written"]:
        if not Path(place).is_file():
            continue
        with open(place, encoding="utf-8") as lines:
            for line in lines:
                record = json.loads(line)
                key = (str(record.get("path") or ""), _without(str(record.get("reason") or ""), record.get("value")))
                key = key if key in counts or len(counts) < _REASONS else (key[0], "for other reasons")
                counts[key] = counts.get(key, 0) + 1
    made = [{"path": path, "why": why, "count": count} for (path, why), count in counts.items()]
    return sorted(made, key=lambda each: -each["count"])[:50]


def _without(reason: str, value: Any) -> str:
    """A reason without the value that it speaks of, so that alike ones are one; as messages have it, in quotes or as a number, and
    cut where it is long."""
    for text in (repr(value), f'"{value}"', str(value)):
        at = reason.find(text[:_BEGUN]) if len(text) > _BEGUN and text not in reason else -1
        if at >= 0 and (end := reason.find("…", at)) >= 0:
            return f"{reason[:at]}…{reason[end + 1 :]}"
    quoted = next((text for text in (repr(value), f'"{value}"') if text in reason), None)
    return reason.replace(quoted, "…") if quoted else re.sub(rf"(?<![\w.]){re.escape(str(value))}(?![\w.])", "…", reason)


# ---- distributions
def profiled(told: Mapping[str, Any]) -> dict[str, Any] | None:
    """The profile with its charts."""
    profile = told["profile"]
    if profile is None:
        return None
    columns = []
    for column in profile["columns"]:
        sides = [*((side, False) for side in column["sources"]), (column["after"], True)]
        columns.append({"path": column["path"], "sides": [_side(column["path"], side, new) for side, new in sides]})
    return {**profile, "columns": columns}


def _side(path: str, side: Mapping[str, Any], new: bool) -> dict[str, Any]:
    label = f"{path}, {'after' if new else 'before'}: {side['path']} from {side['min']} to {side['max']}"
    chart = charts.histogram(side, new=new, label=label) if side["bins"] else None
    top = [{**each, "share": 100 * each["count"] / max(side["top"][0]["count"], 1)} for each in side["top"] or ()]
    rest = side["count"] - side["nulls"] - sum(each["count"] for each in top)
    highest = max((bin["count"] for bin in side["bins"] or ()), default=0)
    return {**side, "new": new, "chart": chart, "top": top, "rest": rest, "highest": highest}


# ---- queries
def audited(told: Mapping[str, Any]) -> dict[str, Any] | None:
    """The audit with its chart."""
    audit = told["audit"]
    if not audit:
        return None
    timed = [query for query in audit["queries"] if query["times"]["old"] or query["times"]["new"]]
    lines = [(query["name"], query["times"]["old"], query["times"]["new"]) for query in timed]
    chart = charts.spreads(lines, "Query times before and after, with their spread") if lines else None
    return {**audit, "queries": [*timed, *(query for query in audit["queries"] if query not in timed)], "chart": chart}


# ---- properties
def properties(told: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the files are like: each property once, over all files that were looked at, with in how many it differs and why."""
    found = told["properties"]
    if found is None or not (found["files"] or told["written"]):
        return None
    lines: dict[str, dict[str, Any]] = {}
    for file in found["files"]:
        differing = {each["property"]: each for each in file["differences"]}
        for name, before in file["before"].items():
            line = lines.setdefault(name, {"name": name, "before": [], "after": [], "differing": 0, "why": "", "declared": True})
            line["before"].append(before)
            line["after"].append(file["after"].get(name))
            if name in differing:
                line["differing"] += 1
                line["declared"] &= differing[name]["declared"]
                line["why"] = differing[name]["why"] or line["why"]
    made = [{**line, "before": _over_files(line["before"]), "after": _over_files(line["after"])} for line in lines.values()]
    return {**found, "lines": made}


def _over_files(values: Sequence[Any]) -> str:
    """One value where all files have it, else how they range, or how many there are."""
    texts = list(dict.fromkeys(map(shown, values)))
    if len(texts) == 1:
        return texts[0]
    if all(isinstance(value, int) and not isinstance(value, bool) for value in values):
        return f"{min(values):,} to {max(values):,}"
    return "; ".join(texts[:3]) + (f"; and {len(texts) - 3} more" if len(texts) > 3 else "")


# ---- over the run
_BARS = 200
"""In the chart of files, which nobody could tell apart if they were more."""


def pace(told: Mapping[str, Any]) -> dict[str, Any]:
    """How long each step took, and a chart of what was done when, or how fast each file."""
    total = sum(told["seconds"].values()) or 1.0
    rows, amount = told["rows_in"] or 0, told["bytes_in"]
    worked = {"stage", "prove"}
    steps = [
        {
            "name": name,
            "seconds": duration(seconds),
            "share": 100 * seconds / total,
            "rows": f"{rows / seconds:,.0f}" if name in worked and rows and seconds > 0.01 else "",
            "bytes": f"{size(amount / seconds)}" if name in worked and amount and seconds > 0.01 else "",
        }
        for name, seconds in told["seconds"].items()
    ]
    return {"steps": steps, "chart": _pace_chart(told)}


def _pace_chart(told: Mapping[str, Any]) -> str | None:
    moments = [moment for moment in told["timeline"] if moment["what"] == "staged"]
    if len(moments) > 2:
        begun = _seconds(told["timeline"][0]["at"])
        done, at = 0.0, []
        for moment in moments:
            done += moment["rows"]
            at.append((_seconds(moment["at"]) - begun, done))
        return charts.cumulative(at, "records staged", "Records staged over the run")
    timed = sorted((file for file in told["written"] if file["seconds"]), key=lambda file: file["path"])
    if len(timed) < 2:
        return None
    some = timed[:: -(-len(timed) // _BARS)]
    title = (
        "Records a second, file by file" if some == timed else f"Records a second of {len(some):,} of {len(timed):,} files, evenly"
    )
    return charts.rates([file["rows"][0] / file["seconds"] for file in some], "records a second", title)


def moments(told: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The timeline, each moment with the seconds since the first."""
    if not told["timeline"]:
        return []
    begun = _seconds(told["timeline"][0]["at"])
    return [{**moment, "after": f"{_seconds(moment['at']) - begun:,.2f} s"} for moment in told["timeline"]]


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


# ---- what to do
def commands(told: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Commands with what each is for."""
    way, name, run = told["now"]["way_back"], told["dataset"], told["run"]
    shadow = f" --shadow {told['shadow']}" if told["shadow"] else ""
    found = [(way, "takes this run back: every file as it was before, byte for byte")] if way.startswith("instar ") else []
    if told["now"]["status"] == "finished" and told["proof"]:
        found.append((f"instar verify {name} {run}{shadow}", "proves it once more, from the old files that are kept"))
    found.append((f"instar report {name} {run}{shadow} --json", "everything on this page as JSON"))
    return found
