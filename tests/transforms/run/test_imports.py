"""The run's modules import anywhere, and fast: no module that only some systems have, no heavy library."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = """
import sys
for name in ("fcntl", "msvcrt", "resource", "termios", "pwd", "grp"):
    sys.modules[name] = None
for name in sys.argv[1:]:
    __import__(f"instar.transforms.run.{name}")
print([name for name in ("pyarrow", "duckdb", "fastavro", "msgspec", "sqlglot", "rich", "numpy") if name in sys.modules])
"""


def test_modules_import_without_posix_and_without_heavy_libraries():
    folder = Path(__file__).parents[3] / "transforms" / "run"
    names = sorted(path.stem for path in folder.glob("*.py") if path.stem != "__init__")
    assert len(names) > 15
    ran = subprocess.run([sys.executable, "-c", SCRIPT, *names], capture_output=True, text=True, check=False)
    assert ran.stdout == "[]\n", ran.stderr
