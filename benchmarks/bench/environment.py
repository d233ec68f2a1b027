"""Where it was measured: processor, memory, system, versions, commit, command."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
LIBRARIES = ("pyarrow", "duckdb", "polars", "fastavro", "orjson", "msgspec")


def environment() -> dict[str, str]:
    """What must be alike for two results to stand in one table."""
    programs = {"cp": first_line("cp", "--version"), "jq": first_line("jq", "--version")}
    return {
        "processor": processor(),
        "cores": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 1e9:.0f} GB",
        "system": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        **{name: version(name) for name in LIBRARIES},
        **{name: text for name, text in programs.items() if text},
    }


def processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def first_line(*command: str) -> str:
    if shutil.which(command[0]) is None:
        return ""
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stdout.splitlines()[0] if done.returncode == 0 and done.stdout else ""


def commit() -> str:
    """The checkout's commit, with a + where files differ from it."""
    told = subprocess.run(["git", "describe", "--always", "--dirty=+"], cwd=CHECKOUT, capture_output=True, text=True)
    return told.stdout.strip() or "unknown"


def command() -> str:
    return f"python -m benchmarks.bench {' '.join(sys.argv[1:])}".strip()
