"""`upgrade --stage-only`: a run that ends before its publish. What it staged and proved stays, for people and their own tests to
look at; the next upgrade to the same version proves it again and publishes it."""

from __future__ import annotations

from dataclasses import replace

from instar.transforms.execution import write_report
from instar.transforms.gates import refuse
from instar.transforms.outcome import ProvedRun, report_of
from instar.transforms.report import RunReport
from instar.transforms.run.changes import change_set
from instar.transforms.run.disk import disk_error
from instar.transforms.run.journal import HeldBack
from instar.transforms.run.quarantine import gather


def hold_back(proved: ProvedRun) -> RunReport:
    """The run ends here; its report is in its folder as one of a published run would be.

    Raises:
        RunError: the disk says no. It is an interrupted run then.
    """
    run, receipts = proved.staged.run, proved.staged.receipts
    gather(run.folder, receipts, run.effects)
    made = replace(report_of(proved, change_set(run.before, receipts)), status="staged", snapshot=None, stage=str(run.folder.stage))
    write_report(run, made.as_json())
    try:
        run.effects.sync_folder(run.folder.path)
    except OSError as error:
        raise disk_error(f"the folder of run {run.folder.id} could not be written", error) from error
    run.journal.write(HeldBack(len(receipts), sum(gate.verdict == "failed" for gate in proved.gates)))
    return made


def refuse_held_back(made: RunReport) -> None:
    """
    Raises:
        GateError, or Collected of several: a gate said no to what is held back.
    """
    refuse(
        made.gates,
        f"Nothing was published. What was staged is kept in {made.stage}: `instar verify {made.dataset} {made.run}` asks "
        f"the checks again, `instar rollback {made.dataset}` discards it.",
    )
