"""Where files that are only copied are worked on side by side: in threads of this process, which cost nothing to start."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, TypeVar

from instar.transforms.run.executors import Report
from instar.transforms.run.kept import Kept

_R = TypeVar("_R")


class ThreadExecutor(ThreadPoolExecutor):
    """`workers` threads. Copying, hashing and comparing let one another run; converting values does not; processes do.

    As a context manager it waits for its work. Left by an exception it drops what waits, and waits for what runs: nothing can end
    a thread, so it is for work that is soon done.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._here, self._all = threading.local(), list[Kept]()
        super().__init__(workers, thread_name_prefix="instar-thread", initializer=self._begin)

    def submit_reporting(self, work: Callable[[Any, Report], _R], item: Any, report: Report) -> Future[_R]:
        """See `executors.Reporting`."""
        return self.submit(work, item, report)

    def submit_keeping(self, work: Callable[..., _R], *args: Any) -> Future[_R]:
        """See `executors.Keeping`."""
        return self.submit(self._keeping, work, args)

    def _begin(self) -> None:
        self._here.kept = Kept()
        self._all.append(self._here.kept)

    def _keeping(self, work: Callable[..., _R], args: tuple[Any, ...]) -> _R:
        return work(*args, self._here.kept)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        super().shutdown(wait=wait, cancel_futures=cancel_futures)
        for kept in self._all if wait else ():
            kept.close()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.shutdown(cancel_futures=kind is not None)
