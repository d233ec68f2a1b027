"""Records of one file that cannot be migrated, in the worker: which are left out, and where they are written instead."""

from __future__ import annotations

import json
from array import array
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from instar.formats.errors import Collected, DataError, InstarError, Refused, Where
from instar.formats.format import Format
from instar.formats.pii import HIDDEN
from instar.transforms.evaluate.hidden import Hidden
from instar.transforms.evaluate.nodes import everything
from instar.transforms.mapping import Mapping
from instar.transforms.run.effects import Effects
from instar.transforms.run.unit import BadRecords

_OPERATION, _FORMAT = "operation", "format"
"""Who refused a record: an operation its value, or the format its form (no JSON, a key twice, a key that would be in the way).

Only JSON has records of a wrong form, each for itself: in Parquet and Avro, and in a document of one record, the file is damaged.
"""


def may_leave_out(on_error: str, mapping: Mapping) -> bool:
    """Is there any record that would be left out: by what the run says, or an operation?"""
    return on_error == "quarantine" or any(
        getattr(e, "policy", None) == "quarantine" for e in everything([mapping.root.expression])
    )


class Quarantine:
    """The records of a file that are left out, as they are found; written to `bad.file` + ".part" in their order.

    A conversion made with `refused` (see `compile_records`) is wrapped by `converting`; a format then asks `left_out`.
    """

    def __init__(self, path: str, bad: BadRecords, mapping: Mapping, format: Format, layout: str) -> None:
        self.positions = array("Q")
        self._path, self._bad, self._hidden = path, bad, Hidden(mapping)
        self._forms = format.name == "json" and not layout.startswith("document")
        self._show = _shown(mapping, format)
        self._rows = 0
        self._batch: Any = None
        self._found: dict[int, DataError] = {}
        self._out: BinaryIO | None = None

    @property
    def part(self) -> Path:
        return Path(self._bad.file + ".part")

    # ---- what the conversion and the format call
    def refused(self, error: DataError) -> None:
        """Note a record of the batch at hand, or raise the error where such a record is not to be left out."""
        said = error.policy if isinstance(error, Refused) else None
        if (said or self._bad.on_error) == "fail" or not (self._forms or isinstance(error, Refused)):
            raise error from error.__cause__
        assert error.where is not None
        assert error.where.row is not None
        self._found[error.where.row] = error

    def converting(self, convert: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """The conversion; what was found in a batch is written when the next one comes."""

        def converted(batch: Any) -> Any:
            self._flush()
            self._batch = batch
            try:
                return convert(batch)
            except InstarError as error:
                raise shifted(error, self._rows) from error.__cause__

        return converted

    def left_out(self) -> Sequence[int]:
        """The numbers in the batch at hand."""
        return sorted(self._found)

    def finish(self) -> int:
        """Write what is left; how many records were left out."""
        self._flush()
        if self._out is not None:
            self._out.close()
        return len(self.positions)

    def discard(self, effects: Effects) -> None:
        """Nothing half-written stays: it takes room where there may be none."""
        if self._out is not None:
            with suppress(OSError):  # it writes what it still holds
                self._out.close()
        if self.part.exists():
            effects.unlink(self.part)

    # ---- writing
    def _flush(self) -> None:
        if self._batch is None:
            return
        for row in sorted(self._found):
            self.positions.append(self._rows + row)
            if self._bad.most is None or len(self.positions) <= self._bad.most:
                self._write(row, self._found[row])
        self._rows += rows_of(self._batch)
        self._batch, self._found = None, {}

    def _write(self, row: int, error: DataError) -> None:
        if self._out is None:
            self._out = self.part.open("wb")
        where = error.where or Where()
        entry = {
            "file": self._path,
            "position": self._rows + row,
            "path": where.path,
            "value": error.value if isinstance(error, Refused) else HIDDEN if self._hidden.at(where.path) else where.found,
            "reason": error.message,
            "by": _OPERATION if isinstance(error, Refused) else _FORMAT,
        }
        key, text = self._show(self._batch, row)
        line = f'{json.dumps(entry, ensure_ascii=False)[:-1]}, "{key}": {text}}}\n'
        self._out.write(line.encode("utf-8", "backslashreplace"))


def _shown(mapping: Mapping, format: Format) -> Callable[[Any, int], tuple[str, str]]:
    from instar.transforms.evaluate.shown_record import shown_records, shown_rows

    return shown_rows(mapping) if format.shape == "columns" else shown_records(mapping, format)


def rows_of(batch: Any) -> int:
    return batch.num_rows if hasattr(batch, "num_rows") else len(batch)


def shifted(error: InstarError, rows: int) -> InstarError:
    """The error of a batch's record, numbered from the file's first: so many come before the batch."""
    return moved(error, lambda where: where if where.row is None else replace(where, row=where.row + rows))


def moved(error: InstarError, change: Callable[[Where], Where]) -> InstarError:
    """The error, and each of several, at another place."""
    where = change(error.where or Where())
    if isinstance(error, Collected):
        return Collected(error.message, hint=error.hint, where=where, errors=[moved(each, change) for each in error.errors])
    return error.placed(where)
