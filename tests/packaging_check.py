"""Build the wheel, install it in a fresh environment outside the checkout, and use it there. Run by `make wheel`.

Checks: the wheel's modules are exactly those of the folders; `import instar` and `instar --help` take under 0.3 s of CPU; one
upgrade of a sample dataset, and its rollback, work with nothing of the checkout on the path.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage

CHECKOUT = Path(__file__).resolve().parents[1]
CPU_LIMIT = 0.3


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="instar-wheel-") as name:
        folder = Path(name)
        wheel = built(folder)
        compare_modules(wheel)
        binaries = installed(wheel, folder)
        start_up(binaries, folder)
        upgrade(binaries, folder)


def built(folder: Path) -> Path:
    """From a copy of what git tracks, so that a stray file cannot slip in."""
    source = folder / "source"
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=CHECKOUT, check=True, capture_output=True, text=True).stdout
    for path in filter(None, tracked.split("\0")):
        if not (CHECKOUT / path).exists() and not (CHECKOUT / path).is_symlink():
            continue
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(CHECKOUT / path, source / path, follow_symlinks=False)
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--outdir", str(folder), str(source)], check=True, stdout=subprocess.DEVNULL
    )
    return next(folder.glob("*.whl"))


def compare_modules(wheel: Path) -> None:
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("instar/")}
    expected = {f"instar/{path.name}" for path in (CHECKOUT / "instar").iterdir() if path.is_file() and path.suffix != ".pyc"}
    for layer in ("formats", "transforms", "cli"):
        expected |= {f"instar/{path.relative_to(CHECKOUT).as_posix()}" for path in (CHECKOUT / layer).rglob("*.py")}
    if packed != expected:
        sys.exit(f"the wheel and the folders differ: missing {sorted(expected - packed)}, unexpected {sorted(packed - expected)}")
    print(f"wheel holds the {len(expected)} files of the folders")


def installed(wheel: Path, folder: Path) -> Path:
    environment = folder / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    binaries = environment / "bin"
    subprocess.run([str(binaries / "python"), "-m", "pip", "install", "--quiet", str(wheel)], check=True)
    return binaries


def start_up(binaries: Path, folder: Path) -> None:
    for command in ([str(binaries / "python"), "-c", "import instar"], [str(binaries / "instar"), "--help"]):
        cpu(command, folder)  # the first run writes byte code
        seconds = min(cpu(command, folder) for _ in range(3))
        print(f"{' '.join([Path(command[0]).name, *command[1:]])}: {seconds:.2f} s of CPU")
        if seconds > CPU_LIMIT:
            sys.exit(f"that is more than {CPU_LIMIT} s")


def cpu(command: list[str], folder: Path) -> float:
    before = getrusage(RUSAGE_CHILDREN)
    subprocess.run(command, cwd=folder, env=clean_environment(), check=True, stdout=subprocess.DEVNULL)
    after = getrusage(RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def upgrade(binaries: Path, folder: Path) -> None:
    project = folder / "project"
    shutil.copytree(CHECKOUT / "samples" / "project", project)
    for verb in ("upgrade", "rollback"):
        done = subprocess.run(
            [str(binaries / "instar"), verb, "flights", "--json"],
            cwd=project,
            env=clean_environment(),
            check=True,
            capture_output=True,
            text=True,
        )
        report = json.loads(done.stdout)
        assert report["status"] == "done", report
        print(f"installed wheel: {verb} {report['status']}, {report['files']}")


def clean_environment() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV"))}


if __name__ == "__main__":
    main()
