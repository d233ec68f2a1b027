"""How a command ends, for whoever must know: the exit code is known only when everything else is over. A signal may end it."""

from __future__ import annotations

from collections.abc import Callable

import click

from instar.cli.interruption import Interruption

_KEY = "instar.ending"


class Ending:
    """At most one listener, which a command names while it runs."""

    def __init__(self, interruption: Interruption | None = None) -> None:
        self.interruption = interruption or Interruption()
        self._listener: Callable[[int, Exception | None], None] | None = None
        self.log_on_stderr = False
        """A log has stderr for itself: what else would be said there is in it."""

    def tell(self, listener: Callable[[int, Exception | None], None], *, log_on_stderr: bool) -> None:
        """`listener` will be called once with the exit code and the error that it comes from."""
        self._listener, self.log_on_stderr = listener, log_on_stderr

    def ended(self, code: int, error: Exception | None = None) -> None:
        """The command ended."""
        listener, self._listener = self._listener, None
        if listener is not None:
            listener(code, error)

    def keep(self, context: click.Context, *, reading: bool) -> None:
        """Make this one the context's, and that of all below it. `reading`: the command changes nothing."""
        context.meta[_KEY] = self
        self.interruption.reading = reading


def ending_of(context: click.Context) -> Ending:
    """The ending of the command line that is at work; one that nobody calls where it was not started by `cli.main.run`."""
    return context.meta.get(_KEY) or Ending()
