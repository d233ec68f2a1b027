"""Where units are worked on: in this process here, in its threads by `threads.py`, in worker processes by `processes.py`.

Any `concurrent.futures.Executor` will do for staging; these also tell how far a unit is.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from typing import Any, Protocol, TypeVar, runtime_checkable

from instar.transforms.run.kept import Kept

_R = TypeVar("_R")
Report = Callable[[int, int], None]
"""So many more rows, so many more source bytes."""


@runtime_checkable
class Reporting(Protocol):
    """An executor whose work can tell how far it is."""

    workers: int

    def submit_reporting(self, work: Callable[[Any, Report], _R], item: Any, report: Report) -> Future[_R]:
        """Run `work(item, tell)`. What it tells reaches `report`, in any thread of this process, before the future is done."""
        ...


@runtime_checkable
class Keeping(Protocol):
    """An executor that keeps things for the next piece of work."""

    def submit_keeping(self, work: Callable[..., _R], *args: Any) -> Future[_R]:
        """Run `work(*args, kept)`, where `kept` (a `Kept`) is what work before it in the same thread has left."""
        ...


@runtime_checkable
class Killable(Protocol):
    """An executor whose work can be ended at once."""

    def kill(self) -> None: ...


class InlineExecutor(Executor):
    """Does the work at once, in the caller's thread."""

    workers = 1

    def __init__(self) -> None:
        self._kept = Kept()

    def submit(self, fn: Callable[..., _R], /, *args: Any, **kwargs: Any) -> Future[_R]:
        future: Future[_R] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future

    def submit_reporting(self, work: Callable[[Any, Report], _R], item: Any, report: Report) -> Future[_R]:
        return self.submit(work, item, report)

    def submit_keeping(self, work: Callable[..., _R], *args: Any) -> Future[_R]:
        return self.submit(work, *args, self._kept)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._kept.close()


def in_order(
    executor: Executor, work: Callable[..., _R], items: Iterable[tuple[Any, ...]], *, keeping: bool = False
) -> Iterator[_R]:
    """The results of `work(*item)` in the items' order; a few are under way at a time, so that many items take little memory.

    `keeping`: it is `work(*item, kept)`, where the executor keeps things (`Kept`).

    Raises:
        Exception: the first that `work` raised, in the items' order. What is under way then is the executor's to end.
    """
    width, running = 2 * getattr(executor, "workers", os.cpu_count() or 1), deque[Future[_R]]()
    submit = executor.submit_keeping if keeping and isinstance(executor, Keeping) else executor.submit
    for item in items:
        running.append(submit(work, *item))
        if len(running) >= width or running[0].done():
            yield running.popleft().result()
    while running:
        yield running.popleft().result()
