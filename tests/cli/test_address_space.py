"""What is told to the libraries before they are loaded: where address space is limited, Arrow's allocator, which reserves a
gigabyte of it, is left aside, and nothing starts threads that nobody uses. Lack of memory is no fault."""

from __future__ import annotations

import os
import resource
import subprocess
import sys

import pytest

from instar.cli.main import understood

SCRIPT = """
import resource
resource.setrlimit(resource.RLIMIT_AS, (SPACE, resource.RLIM_INFINITY))
from instar.cli.main import run
run(["--help"])
import pyarrow
print(pyarrow.default_memory_pool().backend_name)
"""


@pytest.mark.parametrize(("limit", "system"), [(2 << 30, True), (resource.RLIM_INFINITY, False)])
def test_arrow_uses_the_system_allocator_where_space_is_limited(limit: int, system: bool) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "ARROW_DEFAULT_MEMORY_POOL"}
    script = SCRIPT.replace("SPACE", str(limit))
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment)
    assert not ran.returncode, ran.stderr
    assert (ran.stdout.split()[-1] == "system") == system


THREADS = """
import os
from instar.cli.main import run
run(["--help"])
import numpy
print(len(os.listdir("/proc/self/task")))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts its threads in /proc")
@pytest.mark.parametrize(("asked", "threads"), [(None, 1), ("2", 2)])
def test_numpy_starts_no_threads_unless_somebody_asks_for_them(asked: str | None, threads: int) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "OPENBLAS_NUM_THREADS"}
    environment |= {"OPENBLAS_NUM_THREADS": asked} if asked else {}
    ran = subprocess.run([sys.executable, "-c", THREADS], capture_output=True, text=True, env=environment)
    assert not ran.returncode, ran.stderr
    assert int(ran.stdout.split()[-1]) == min(threads, len(os.sched_getaffinity(0)))


def test_lack_of_memory_is_no_fault_of_ours() -> None:
    error, code = understood(MemoryError("malloc of size 5 failed"), verbose=False)
    assert code == 1
    assert "malloc of size 5 failed" in error.message
    assert "--memory" in (error.hint or "")
