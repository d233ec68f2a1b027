"""What the crash tests share: a process that forks, kills and repeats commands, and tells what became of the data."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

DRIVER = Path(__file__).with_name("crash_driver.py")
CHECKOUT = DRIVER.parents[2]
Ask = Callable[..., None]


@pytest.fixture(scope="session")
def driver() -> Iterator[subprocess.Popen[str]]:
    """One process with everything loaded and no threads, which pytest's own is not."""
    if sys.platform == "win32":
        pytest.skip("Windows has no SIGKILL and no fork")
    paths = os.pathsep.join([str(CHECKOUT), str(CHECKOUT / "tests"), *filter(None, [os.environ.get("PYTHONPATH")])])
    alone = {**os.environ, "PYTHONPATH": paths, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        [sys.executable, str(DRIVER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=alone
    ) as child:
        yield child
        assert child.stdin is not None
        child.stdin.close()
        assert child.wait(60) == 0


@pytest.fixture
def none_fail(driver: subprocess.Popen[str], tmp_path: Path, record_property: Callable[[str, object], None]) -> Ask:
    """`none_fail("kill everywhere", format="json", …)`: the driver's task, with its points and time in the test run's summary."""

    def ask(task: str, **request: Any) -> None:
        assert driver.stdin is not None
        assert driver.stdout is not None
        driver.stdin.write(json.dumps({"task": task, "folder": str(tmp_path / "scene"), **request}) + "\n")
        driver.stdin.flush()
        line = driver.stdout.readline()
        assert line, "the driver ended; its last words are on stderr"
        answer = json.loads(line)
        said = f"{task}, {', '.join(map(str, request.values()))}: {answer['points']} of {answer['of']} points"
        record_property("crash", f"{said} in {answer['seconds']:.1f} s")
        failures = answer["failures"]
        assert not failures, f"{len(failures)} failures\n" + "\n".join(failure[-1500:] for failure in failures[:20])
        assert answer["points"] > 0

    return ask
