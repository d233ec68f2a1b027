"""The exit codes: a contract with cron, systemd, Airflow and shell scripts. `instar --help` and docs/jobs.md show this table."""

from __future__ import annotations

FAULT = 70
EXITS = {
    0: "done, or nothing to do",
    1: "the data, a proof, a check of yours, the disk or a permission says no; what did not pass was not published",
    2: "wrong use or configuration; a dataset, subject or version that does not exist; `check` found something",
    3: "another run holds the dataset",
    FAULT: "a fault of Instar's; -v shows the traceback",
    130: "interrupted (Ctrl-C); the same command goes on",
    143: "stopped (SIGTERM, or SIGHUP as the terminal was closed); the same command goes on",
}


def exit_codes() -> str:
    """The table as a help text, its lines kept as they are."""
    return "\b\nExit codes:\n" + "\n".join(f"{code:>5}  {meaning}" for code, meaning in EXITS.items())
