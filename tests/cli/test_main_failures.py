"""What the console script makes of failures and of names that are no text."""

from __future__ import annotations

import errno
import gc
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from instar.cli.main import main, understood

NAME = b"a\xff"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS])
def test_what_the_disk_refuses_is_no_fault_of_ours(number: int) -> None:
    known, code = understood(OSError(number, os.strerror(number), "/data/x"), verbose=False)
    assert (code, known.message) == (1, f"/data/x: {os.strerror(number)}")
    assert known.hint


def test_what_should_not_happen_is() -> None:
    assert understood(OSError(errno.ENOENT, "No such file"), verbose=False)[1] == 70
    assert understood(ValueError("x"), verbose=False)[1] == 70


@pytest.fixture
def odd(project: Path) -> Path:
    for dataset, first in (("flights", "month=02/part-0.parquet"), ("weather", "EWR.avro")):
        path = os.fsencode(project / "data" / dataset / first)
        try:
            os.rename(path, os.path.join(os.path.dirname(path), NAME + os.path.splitext(path)[1]))
        except OSError as error:
            pytest.skip(f"this file system takes UTF-8 names only: {error}")
    return project


def said(folder: Path, *arguments: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "instar", "-C", str(folder), *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_a_parquet_file_whose_name_is_no_text_is_named_and_refused(odd: Path) -> None:
    for arguments in (["upgrade", "flights"], ["upgrade", "flights", "--json"]):
        code, out, err = said(odd, *arguments)
        assert code == 1
        assert "its name is not valid UTF-8" in out + err
        assert r"a\udcff.parquet" in out + err
    code, out, _ = said(odd, "status", "flights")
    assert code == 0
    assert r"month=02/a\udcff.parquet" in out


def test_other_files_with_such_names_are_migrated_and_come_back(odd: Path) -> None:
    path = os.path.join(os.fsencode(odd / "data" / "weather"), NAME + b".avro")
    with open(path, "rb") as file:
        before = file.read()
    assert said(odd, "plan", "weather", "--json", "--out", "plan.json")[0] == 0
    code, out, err = said(odd, "upgrade", "weather", "--plan", "plan.json", "--json")
    assert code == 0, out + err
    assert any(check["file"] == "a\udcff.avro" for check in json.loads(out)["proof"]["checks"])
    assert said(odd, "rollback", "weather")[0] == 0
    with open(path, "rb") as file:
        assert file.read() == before


def test_a_program_that_calls_the_command_collects_its_garbage_as_before(capsys: pytest.CaptureFixture[str]) -> None:
    before = gc.get_threshold(), gc.get_freeze_count()
    kept = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        with pytest.raises(SystemExit) as left:
            main(["--version"])
    finally:
        for each, handler in kept.items():
            signal.signal(each, handler)
    assert left.value.code == 0
    assert capsys.readouterr().out.startswith("instar, version ")
    assert (gc.get_threshold(), gc.get_freeze_count()) == before
