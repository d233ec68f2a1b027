"""What a publish changes in a dataset's tree: which files are written, which go."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from instar.transforms.run.listing import Entry, Listing, is_folder
from instar.transforms.run.unit import Receipt


@dataclass(frozen=True)
class ChangeSet:
    """`written`: path → content hash of the staged file that will stand there, in an old one's place or as a new one;
    `removed`: files that go; `folder_times`: the mtime (ns) that a folder shall have afterwards, where that is not left to the
    file system. Every other file and folder stays as it is."""

    written: Mapping[str, str]
    removed: tuple[str, ...] = ()
    folder_times: Mapping[str, int] = field(default_factory=dict)

    @property
    def paths(self) -> tuple[str, ...]:
        return (*self.removed, *self.written)

    def without(self, paths: Collection[str], renamed: Mapping[str, str]) -> ChangeSet:
        """The same, these files left as they are, and with each what describes it. `renamed`: old name → new one; a file that is
        left under one of them is left under the other, too."""
        left = {
            *paths,
            *(new for old, new in renamed.items() if old in paths),
            *(old for old, new in renamed.items() if new in paths),
        }
        written = {path: hash for path, hash in self.written.items() if path not in left}
        old_names = {new: old for old, new in renamed.items()}
        rewritten = [[old_names.get(path, path) for path in paths] for paths in (self.written, written)]
        left |= set(side_files(self.removed, rewritten[0])) - set(side_files(self.removed, rewritten[1]))
        return replace(self, written=written, removed=tuple(path for path in self.removed if path not in left))


def change_set(before: Listing, receipts: Sequence[Receipt]) -> ChangeSet:
    """Of an upgrade or a downgrade: the rewritten files, the names that are no more, and the side files of what is no more."""
    written = {receipt.new_path: receipt.hash for receipt in receipts}
    old_names = tuple(receipt.path for receipt in receipts if receipt.renamed)
    return ChangeSet(written, (*side_files(before, [receipt.path for receipt in receipts]), *old_names))


def changes_between(before: Listing, after: Listing) -> ChangeSet:
    """The change set that led from one listing of a run to the other: what was written has a hash in the second."""
    written = {path: entry.hash for path, entry in after.items() if entry.hash}
    return ChangeSet(written, tuple(path for path in before if path not in after and not is_folder(path)))


def side_files(entries: Collection[str], rewritten: Collection[str]) -> tuple[str, ...]:
    """Files that describe bytes which change: the checksum `.NAME.crc` of a rewritten file (Hadoop), and `_metadata` and
    `_common_metadata` (Parquet's summaries) in a folder which holds a rewritten file at any depth."""
    crcs = {str(PurePosixPath(path).with_name(f".{PurePosixPath(path).name}.crc")) for path in rewritten}
    above = {str(folder) for path in rewritten for folder in PurePosixPath(path).parents}
    summaries = {str(PurePosixPath(folder) / name) for folder in above for name in ("_metadata", "_common_metadata")}
    describing = crcs | summaries
    return tuple(path for path in entries if path in describing)


def with_hashes(entries: Listing, hashes: Mapping[str, str]) -> dict[str, Entry]:
    """The listing with the hashes that are known."""
    return {path: entry._replace(hash=hashes.get(path, "")) for path, entry in entries.items()}
