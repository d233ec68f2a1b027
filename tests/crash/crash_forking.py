"""A child of a process that has loaded everything and has no threads: quick to start, and it may be killed."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LIMIT = 120.0
"""Seconds after which a child hangs."""


@dataclass(frozen=True)
class Ended:
    """How a child ended: `value` is what it answered; `signal` what killed it; `fault` its traceback, or that it hung."""

    value: Any = None
    signal: int = 0
    fault: str = ""


def adopt_orphans() -> None:
    """Workers whose coordinator is killed become children of this process, so that their end can be seen (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(36, 1)  # PR_SET_CHILD_SUBREAPER


def forked(answer: Path, work: Callable[..., Any], *arguments: Any) -> Ended:
    """Run `work` in a child with a process group of its own; returns when the child has ended, its workers perhaps not yet."""
    answer.unlink(missing_ok=True)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.setpgid(0, 0)
            answer.write_text(json.dumps([work(*arguments), ""]))
            code = 0
        except BaseException:  # a child must not come back into its parent's code
            answer.write_text(json.dumps([None, traceback.format_exc()]))
        finally:
            os._exit(code)
    status = _waited(child)
    if status is None:
        os.killpg(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return Ended(fault=f"it hung for {LIMIT:.0f} seconds")
    if os.WIFSIGNALED(status):
        return Ended(signal=os.WTERMSIG(status))
    value, fault = json.loads(answer.read_text())
    return Ended(value=value, fault=fault)


def _waited(child: int) -> int | None:
    until = time.monotonic() + LIMIT
    while time.monotonic() < until:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return status
        time.sleep(0.002)
    return None


def orphans_gone(seconds: float = 10.0) -> bool:
    """Do all that a killed coordinator left behind end by themselves?"""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            found, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return True
        if not found:
            time.sleep(0.01)
    return False
