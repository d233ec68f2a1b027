"""Where files that are only copied are worked on side by side: in threads of this process, which cost nothing to start."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, TypeVar

from instar.transforms.run.executors import Report

_R = TypeVar("_R")


class ThreadExecutor(ThreadPoolExecutor):
    """`workers` threads. Copying, hashing and comparing let one another run; converting values does not; processes do.

    As a context manager it waits for its work. Left by an exception it drops what waits, and waits for what runs: nothing can end
    a thread, so it is for work that is soon done.
    """

    def __init__(self, workers: int) -> None:
        super().__init__(workers, thread_name_prefix="instar-thread")
        self.workers = workers

    def submit_reporting(self, work: Callable[[Any, Report], _R], item: Any, report: Report) -> Future[_R]:
        """See `executors.Reporting`."""
        return self.submit(work, item, report)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.shutdown(cancel_futures=kind is not None)
