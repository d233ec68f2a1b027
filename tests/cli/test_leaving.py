"""The end of a process: what is to be done then is done, and nothing is taken apart."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import atexit, sys
from instar.cli.leaving import Leaving

class Loud:
    def __del__(self): print("taken apart")

leaving = Leaving()
atexit.register(print, "told")
kept = Loud()
print("said")
{}
"""


@pytest.mark.parametrize(
    ("then", "code", "said"),
    [
        ("leaving.code = 3", 3, ["said", "told"]),
        ("leaving.code = 3; sys.setprofile(lambda *_: None)", 0, ["said", "told"]),
        ("leaving.code = 3; sys.modules['duckdb'] = None", 0, ["said", "told", "taken apart"]),
        ("sys.exit(5)", 5, ["said", "told", "taken apart"]),
    ],
)
def test_it_is_left_as_it_is_once_all_is_said(then: str, code: int, said: list[str]) -> None:
    ended = subprocess.run([sys.executable, "-c", PROGRAM.format(then)], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout.split("\n")[:-1], ended.stderr) == (code, said, "")


def test_what_was_registered_before_is_not_passed_over() -> None:
    program = "import atexit\natexit.register(print, 'earlier')" + PROGRAM.format("leaving.code = 3")
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout.split(), ended.stderr) == (0, ["said", "told", "earlier", "taken", "apart"], "")
