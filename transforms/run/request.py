"""What a format is asked for to rewrite one file by a mapping: the conversion, whole and taken apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from instar.formats.errors import DataError, InstarError
from instar.formats.format import Format, Rewrite, Stamp
from instar.transforms.run.bad_records import Quarantine, rows_of, shifted
from instar.transforms.run.executors import Report
from instar.transforms.run.splice import splice_of, when_asked

if TYPE_CHECKING:
    from instar.transforms.mapping import Mapping


def rewrite_request(
    format: Format,
    mapping: Mapping,
    source: Path,
    target: Path,
    *,
    memory: int,
    stamp: Stamp | None,
    progress: Report,
    quarantine: Quarantine | None = None,
    threads: int = 1,
) -> Rewrite:
    """The request for a file; `quarantine` gets the records that cannot be migrated."""
    counting = CountingRows(when_asked(partial(_conversion, format, mapping)))
    request = Rewrite(
        source=source,
        target=target,
        convert=counting if quarantine is None else _leaving_out(format, mapping, quarantine),
        source_schema=mapping.source,
        target_schema=mapping.target,
        reads=mapping.reads(),
        carried=mapping.carried(),
        touched=mapping.touched(),
        stamp=stamp,
        memory=memory,
        progress=progress,
        splice=splice_of(format, mapping),
        starts_at=counting.starts_at,
        threads=threads,
    )
    return request if quarantine is None else replace(request, left_out=quarantine.left_out)


def _leaving_out(format: Format, mapping: Mapping, quarantine: Quarantine) -> Callable[[Any], Any]:
    return quarantine.converting(_conversion(format, mapping, quarantine.refused))


def _conversion(format: Format, mapping: Mapping, refused: Callable[[DataError], None] | None = None) -> Callable[[Any], Any]:
    if format.shape == "columns":
        from instar.transforms.evaluate.arrow import compile_batches

        return compile_batches(mapping, refused)
    from instar.transforms.evaluate.record import compile_records

    return compile_records(mapping, format.values(mapping.source, mapping.target, strict=refused is not None), refused)


class CountingRows:
    """The conversion, with errors whose records are numbered from the file's first, not the batch's."""

    def __init__(self, convert: Callable[[Any], Any]) -> None:
        self._convert = convert
        self._done = 0

    def __call__(self, batch: Any) -> Any:
        try:
            result = self._convert(batch)
        except InstarError as error:
            raise shifted(error, self._done) from error.__cause__
        self._done += rows_of(batch)
        return result

    def starts_at(self, record: int) -> None:
        """The next batch begins at that record of the file."""
        self._done = record
