"""How large the new files will be and how long it will take: from a sample, rewritten in memory. Nothing is written to a disk."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from instar.formats.errors import Collected, DataError, FileError, InstarError, Refused, is_unreadable
from instar.formats.format import Format
from instar.formats.inventory import DataFile, Inventory
from instar.formats.splice import Way
from instar.transforms.apart import taken_apart
from instar.transforms.evaluate.hidden import Hidden
from instar.transforms.mapping import Mapping
from instar.transforms.migration import Chain
from instar.transforms.run.request import rewrite_request
from instar.transforms.run.stage_file import at_file
from instar.transforms.untouched import leaves

SAMPLE_BYTES = 2_000_000
SAMPLE_ROWS = 20_000
SAMPLE_MEMORY = 64_000_000
SAMPLE_BUFFER = 1 << 16
"""With a buffer of its own pyarrow reads a column's beginning, else the whole of it."""
BYTES_A_SECOND = {"parquet": 18e6, "avro": 4e6, "json": 8e6}
"""Uncompressed bytes that one worker computes and proves in a second; rough, for the time a plan states."""
KEPT_TEXT = 0.2
"""Of what JSON costs where a value is computed, what it costs where none is: the proof takes records apart, and reads no value."""
COPIED_A_SECOND = 300e6
"""Bytes on the disk that one worker copies, makes durable and proves in a second."""
SECONDS_A_FILE = {"copied": 0.012, "computed": 0.035}
"""What a worker needs for the smallest of files: opening, flushing and comparing it."""
START = 0.6
"""Seconds that any run takes."""
BYTES_A_WORKER = 2_000_000
"""On the disk. Starting a process costs 0.4 to 0.7 seconds, about what staging and proving this much takes, compressed or not."""


def work_seconds(format: str, mapping: Mapping, files: Iterable[DataFile], *, way: Way = "spliced", full: bool = False) -> float:
    """What one worker needs to migrate files by a mapping, all of them being of its version, in their `way`; `full`: all of it is
    recomputed for the proof."""
    share = 1.0 if full or way == "rewritten" else computed_share(format, mapping)
    each = SECONDS_A_FILE["computed" if share else "copied"]
    return sum(
        each + file.size / COPIED_A_SECOND + (file.facts.bytes_uncompressed if file.facts else 0) * share / BYTES_A_SECOND[format]
        for file in files
    )


def computed_share(format: str, mapping: Mapping) -> float:
    """Which part of a file's values passes through the conversion, 0 to 1; the rest is copied as it stands on the disk. Of JSON it
    is a share of the work: all records are scanned."""
    apart = taken_apart(mapping)
    if apart is None:
        return 1.0
    if format == "json":
        return KEPT_TEXT if apart.part is None and not apart.constants else 1.0
    copied = mapping.untouched()
    if format == "avro":  # blocks are copied where records stay as they are
        return 0.0 if is_copied(mapping) and tuple(copied.values()) == leaves(mapping.source.root) else 1.0
    stored = [leaf for leaf in leaves(mapping.target.root) if leaf[0] not in apart.constants]
    return sum(leaf not in copied for leaf in stored) / len(stored) if stored else 0.0


def only_copies(format: str, mapping: Mapping) -> bool:
    """Is every value of the target one that is copied as it stands on the disk?"""
    apart = taken_apart(mapping)
    return apart is not None and not apart.constants and computed_share(format, mapping) == 0


def is_copied(mapping: Mapping) -> bool:
    """Do all leaves of the source, at every depth, go as they are into the target, and nothing else?"""
    if taken_apart(mapping) is None:
        return False
    copied = mapping.untouched()
    return copied.keys() == set(leaves(mapping.target.root)) and set(copied.values()) == set(leaves(mapping.source.root))


def workers_worth(place: Path, most: int) -> int:
    """How many worker processes the bytes at `place` (a dataset: a folder or a file) are worth, 1 to `most`.

    It stops looking where there are enough for `most`.
    """
    size = 0
    for folder, _, names in os.walk(place) if place.is_dir() else ((place.parent, [], [place.name]),):
        for name in names:
            with suppress(OSError):  # gone, or not to be seen: who reads the files says so
                size += os.stat(os.path.join(folder, name)).st_size
            if size >= most * BYTES_A_WORKER:
                return most
    return max(1, size // BYTES_A_WORKER)


class Estimates:
    """Sizes after a rewrite, by the ratio that one file of each version shows: the one of median size, or its beginning.

    `judging`: a sample that cannot be converted is an error, and `reading` one that cannot be read; else it is taken to keep its
    size, for staging names every such file. `leaving_out`: so it is where a record would be left out of the run.
    """

    def __init__(
        self, format: Format, inventory: Inventory, *, judging: bool = True, reading: bool = True, leaving_out: bool = False
    ) -> None:
        self.format = format
        self.inventory = inventory
        self.judging, self.reading, self.leaving_out = judging, reading, leaving_out
        self.ratios: dict[int, float] = {}

    def __call__(self, file: DataFile, chain: Chain) -> int:
        """Bytes that `file` will have."""
        if chain.from_version not in self.ratios:
            same = sorted((f for f in self.inventory.files if f.version == chain.from_version), key=lambda f: f.size)
            self.ratios[chain.from_version] = self.ratio(same[len(same) // 2], chain)
        return round(file.size * self.ratios[chain.from_version])

    def ratio(self, file: DataFile, chain: Chain) -> float:
        """New bytes for each old one.

        Raises:
            DataError: what the sample holds cannot be converted. FileError: it cannot be read. An upgrade would say the same.
        """
        path = self.inventory.root / file.path
        if not file.size or (self.format.name != "json" and is_copied(self._mapping(file, chain))):
            return 1.0
        try:
            if file.size > SAMPLE_BYTES and self.format.name == "parquet":
                return self._of_first_rows(path, file, chain)
            with in_memory() as target:
                read = self._rewritten(path, target, file, chain)
                return target.stat().st_size / read if read else 1.0
        except InstarError as error:
            asked = self.reading if is_unreadable(error) else self.judging or not isinstance(error, DataError | Collected)
            if not asked or self._left_out(error):
                return 1.0
            Hidden(chain.mapping).raised(error, lambda told: at_file(told, file.path))

    def _left_out(self, error: InstarError) -> bool:
        """Would the run go on without the record?"""
        said = error.policy if isinstance(error, Refused) else None
        return isinstance(error, DataError) and (said == "quarantine" or (said is None and self.leaving_out))

    def _of_first_rows(self, path: Path, file: DataFile, chain: Chain) -> float:
        """A file of the first rows, as one row group, stands for a large Parquet file."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        from instar.formats.parquet.source import unreadable

        with pq.ParquetFile(path, buffer_size=SAMPLE_BUFFER, page_checksum_verification=True) as source:
            if not source.num_row_groups:
                return 1.0
            group = source.metadata.row_group(0)
            wanted = SAMPLE_MEMORY // 4 * group.num_rows // max(group.total_byte_size, 1)  # rows of large values: few
            try:
                batch = next(source.iter_batches(max(1, min(wanted, SAMPLE_ROWS)), use_threads=False), None)
            except (pa.ArrowException, OSError) as error:
                raise unreadable(path, error) from error
            codec = group.column(0).compression.lower() if group.num_columns else "snappy"
        if batch is None or not batch.num_rows:
            return 1.0
        with in_memory() as sample, in_memory() as target:
            try:
                pq.write_table(pa.Table.from_batches([batch]), sample, compression="none" if codec == "uncompressed" else codec)
                self._rewritten(sample, target, file, chain)
            except (FileError, pa.ArrowException):
                return 1.0  # storage that only the file itself has (INT96): no sample can be made of it
            return target.stat().st_size / sample.stat().st_size

    def _mapping(self, file: DataFile, chain: Chain) -> Mapping:
        schema = file.facts.schema if file.facts else None
        return chain.mapping if schema is None else chain.mapping.rebased(schema)

    def _rewritten(self, source: Path, target: Path, file: DataFile, chain: Chain) -> int:
        """Rewrite `source` until the sample is large enough; the source bytes that were read for it."""
        mapping = self._mapping(file, chain)
        read = 0

        def progress(rows: int, size: int) -> None:
            nonlocal read
            read += size
            if read >= SAMPLE_BYTES and self.format.shape == "records":
                raise _EnoughError

        request = rewrite_request(self.format, mapping, source, target, memory=SAMPLE_MEMORY, stamp=None, progress=progress)
        try:  # a splice would lay down what it computes beside the target: a sample is all in memory
            self.format.rewrite(replace(request, splice=None))
        except _EnoughError:
            return read
        return source.stat().st_size


class _EnoughError(Exception):
    """The sample is large enough."""


@contextmanager
def in_memory() -> Iterator[Path]:
    """A file that is on no disk (Linux), or in the system's temporary folder."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("instar-estimate")
        try:
            yield Path(f"/proc/self/fd/{descriptor}")
        finally:
            os.close(descriptor)
        return
    import tempfile

    with tempfile.NamedTemporaryFile(prefix="instar-estimate-") as file:
        yield Path(file.name)
