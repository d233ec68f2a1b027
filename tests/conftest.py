"""What all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

if "INSTAR_EXAMPLES" not in os.environ:  # the bounded run draws the same every time; `make test-all` draws anew
    settings.register_profile("bounded", derandomize=True)
    settings.load_profile("bounded")

CHECKOUT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def conformance() -> Path:
    """The folder of files and cases that other projects wrote; a test that needs it is skipped where it is absent."""
    folder = Path(os.environ.get("INSTAR_CONFORMANCE") or CHECKOUT.parent / "shared" / "conformance")
    if not folder.is_dir():
        pytest.skip(f"no conformance files at {folder} (INSTAR_CONFORMANCE names them)")
    return folder


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How many interruptions the crash tests tried, and how long it took; they say it by `record_property`."""
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.stats.get(kind, ())]
    said = [value for report in reports for name, value in getattr(report, "user_properties", ()) if name == "crash"]
    if said:
        terminalreporter.section("interruptions")
        for line in sorted(said):
            terminalreporter.write_line(line)
