"""Effects that go wrong at the n-th call, in one of the ways in which a run ends early."""

from __future__ import annotations

import errno
import os
from typing import Any, Literal

from crash.crash_effects import Forwarding
from killing import Killed, Quick

Kind = Literal["interrupt", "kill", "full", "broken"]
_WRITING = ("create", "append", "copy", "make_folder", "link")


class Faulty(Forwarding):
    """`interrupt`: a signal at effect number `at`. `kill`: it and all later ones do nothing. `full`: from it on all that needs
    room fails. `broken`: it alone fails, as a drive does."""

    def __init__(self, kind: Kind, at: int) -> None:
        self.kind, self.at, self.count, self.name = kind, at, 0, ""

    @property
    def met(self) -> bool:
        return self.count >= self.at

    def _asked(self, name: str, *arguments: Any) -> None:
        self.count += 1
        if self.count == self.at:
            self.name = name
            if self.kind == "interrupt":
                raise KeyboardInterrupt
            if self.kind == "broken":
                raise OSError(errno.EIO, os.strerror(errno.EIO), str(arguments[0]))
        if self.count >= self.at:
            if self.kind == "kill":
                raise Killed
            if self.kind == "full" and name in _WRITING:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(arguments[0]))
        getattr(Quick(), name)(*arguments)
