"""How each file of a plan will come about: spliced, or rewritten in full and why, as its receipt will say. Reads only."""

from __future__ import annotations

from dataclasses import replace

from instar.formats.errors import UnreadableError
from instar.formats.inventory import DataFile, Inventory
from instar.formats.schema import Schema
from instar.transforms.evaluate.hidden import Hidden
from instar.transforms.job import Job, Options
from instar.transforms.mapping import Mapping
from instar.transforms.migration import Chain
from instar.transforms.run.bad_records import may_leave_out
from instar.transforms.run.splice import Asking, Foretold
from instar.transforms.run.stage_file import at_file

MOST_EXPANSION = 64
"""Times that data may grow from their encoded form (dictionaries, runs) to memory."""


class Foretelling:
    """What is foretold of files, once for all that are alike: of one schema, and one chain."""

    def __init__(self, job: Job, options: Options) -> None:
        self._format = job.format
        self._on_error = options.on_error or "fail"
        self._asking = Asking(job.format)
        self._found: dict[tuple[int, int], tuple[Mapping, Schema | None, Foretold]] = {}

    def alike(self, file: DataFile, chain: Chain) -> Foretold:
        """How it will come about, as all of its schema do; no file is opened for it."""
        own = file.facts.schema if file.facts and self._format.shape == "records" else None  # columns: of whatever storage
        key = id(chain.mapping), id(own)
        if key not in self._found:
            leaving_out = may_leave_out(self._on_error, chain.mapping)
            told = self._asking.of(chain.mapping, own).foretold(self._format, leaving_out=leaving_out)
            self._found[key] = chain.mapping, own, told  # with what it is of, so that nothing else gets those ids
        return self._found[key][2]

    def of(self, inventory: Inventory, file: DataFile, chain: Chain, memory: int, *, reading: bool = True) -> Foretold:
        """How it will come about within `memory` bytes, and what people should know of that. Only a columns format's file is opened
        for it, and none that fits many times over.

        `reading`: that a file cannot be read is an error, else it is such a thing.
        """
        found = self.alike(file, chain)
        if self._format.shape == "records" or file.facts is None or file.facts.bytes_uncompressed * MOST_EXPANSION <= memory:
            return found
        try:
            asked, path = self._asking.of(chain.mapping, file.facts.schema), inventory.root / file.path
            found = asked.foretold(self._format, leaving_out=False, path=path)
            if found.way == "spliced":
                return found  # row groups are never split by a splice
            return replace(found, notes=self._format.foresee(path, reads=asked.reads, memory=memory))
        except UnreadableError as error:
            hidden = Hidden(chain.mapping)
            if reading:
                hidden.raised(error, lambda told: at_file(told, file.path))
            return replace(found, notes=(hidden.error(error).message,))
