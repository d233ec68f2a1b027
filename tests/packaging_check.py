"""Build the wheel, install it in a fresh environment outside the checkout, and use it there. Run by `make wheel`.

Checks: the wheel, built from the source distribution as installers do it, has exactly the modules of the folders and their
compiled parts; `import instar` and `instar --help` take under 0.3 s of CPU; an upgrade of each sample dataset, and its rollback,
work with nothing of the checkout on the path. The same upgrades come from a wheel that was built where there is no C compiler,
which says so: the same bytes; of Parquet, whose computed columns are encoded whole there, the same values and schemas.
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

import pyarrow as pa
import pyarrow.parquet as pq

CHECKOUT = Path(__file__).resolve().parents[1]
CPU_LIMIT = 0.3


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="instar-wheel-") as name:
        folder = Path(name)
        source = tracked(folder)
        wheel = built(source, folder / "compiled")
        compare_modules(wheel, compiled_parts())
        binaries = installed(wheel, folder)
        start_up(binaries, folder)
        with_parts = upgraded(binaries, folder / "project")
        bare = built(source, folder / "bare", CC="false")
        compare_modules(bare, set())
        replaced(bare, binaries)
        without_parts = upgraded(binaries, folder / "other project")
        compare_files(with_parts, without_parts)


def tracked(folder: Path) -> Path:
    """A copy of what git tracks, so that a stray file cannot slip in."""
    source = folder / "source"
    names = subprocess.run(["git", "ls-files", "-z"], cwd=CHECKOUT, check=True, capture_output=True, text=True).stdout
    for path in filter(None, names.split("\0")):
        if not (CHECKOUT / path).exists() and not (CHECKOUT / path).is_symlink():
            continue
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(CHECKOUT / path, source / path, follow_symlinks=False)
    return source


def built(source: Path, folder: Path, **environment: str) -> Path:
    """The wheel, built from the source distribution of `source`."""
    command = [sys.executable, "-m", "build", "--outdir", str(folder), str(source)]
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{done.stdout}\n{done.stderr}")
    return next(folder.glob("*.whl"))


def compiled_parts() -> set[str]:
    sources = [path for layer in ("formats", "transforms") for path in (CHECKOUT / layer).rglob("*.c")]
    return {f"instar/{path.relative_to(CHECKOUT).with_suffix('.abi3.so').as_posix()}" for path in sources}


def compare_modules(wheel: Path, compiled: set[str]) -> None:
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("instar/")}
    expected = {f"instar/{path.name}" for path in (CHECKOUT / "instar").iterdir() if path.is_file() and path.suffix != ".pyc"}
    for layer in ("formats", "transforms", "cli"):
        for kind in ("*.py", "*.schema.json", "templates/*"):
            expected |= {f"instar/{path.relative_to(CHECKOUT).as_posix()}" for path in (CHECKOUT / layer).rglob(kind)}
    expected |= compiled
    if packed != expected:
        sys.exit(f"the wheel and the folders differ: missing {sorted(expected - packed)}, unexpected {sorted(packed - expected)}")
    if wheel.name.split("-")[2:4] != ["cp311", "abi3"]:
        sys.exit(f"{wheel.name} is not for every Python from 3.11 on")
    print(f"wheel holds the {len(expected)} files of the folders, {len(compiled)} of them compiled")


def installed(wheel: Path, folder: Path) -> Path:
    environment = folder / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    binaries = environment / "bin"
    subprocess.run([str(binaries / "python"), "-m", "pip", "install", "--quiet", str(wheel)], check=True)
    return binaries


def replaced(wheel: Path, binaries: Path) -> None:
    command = [str(binaries / "python"), "-m", "pip", "install", "--quiet", "--no-deps", "--force-reinstall", str(wheel)]
    subprocess.run(command, check=True)
    said = subprocess.run(
        [str(binaries / "instar"), "--version"], env=clean_environment(), check=True, capture_output=True, text=True
    ).stdout
    print(f"without a compiler: {said.strip()}")
    if "without the compiled part for" not in said:
        sys.exit("it does not say that the compiled parts are missing")


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


def upgraded(binaries: Path, project: Path) -> dict[str, bytes]:
    """Every sample dataset up and back; what the upgrades made, by path."""
    shutil.copytree(CHECKOUT / "samples" / "project", project)
    made: dict[str, bytes] = {}
    for dataset in ("flights", "weather", "events"):
        for verb in ("upgrade", "rollback"):
            done = subprocess.run(
                [str(binaries / "instar"), verb, dataset, "--json"],
                cwd=project,
                env=clean_environment(),
                check=True,
                capture_output=True,
                text=True,
            )
            report = json.loads(done.stdout)
            assert report["status"] == "done", report
            print(f"installed wheel: {verb} of {dataset} {report['status']}, {report['files']}")
            if verb == "upgrade":
                files = [path for path in (project / "data" / dataset).rglob("*") if path.is_file()]
                made |= {str(path.relative_to(project)): path.read_bytes() for path in files}
    return made


def compare_files(with_parts: dict[str, bytes], without_parts: dict[str, bytes]) -> None:
    if with_parts.keys() != without_parts.keys():
        sys.exit(f"made with or without the compiled parts only: {sorted(with_parts.keys() ^ without_parts.keys())}")
    for path, file in with_parts.items():
        other = without_parts[path]
        if file != other and not (path.endswith(".parquet") and table(file).equals(table(other), check_metadata=True)):
            sys.exit(f"{path} differs between what was made with and without the compiled parts")
    print(f"{len(with_parts)} files are alike without the compiled parts")


def table(file: bytes) -> pa.Table:
    return pq.read_table(pa.BufferReader(file))


def clean_environment() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV"))}


if __name__ == "__main__":
    main()
