"""What files are like besides their values, before and after a run: for reports. The proof judges by the same differences."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from instar.formats.errors import InstarError
from instar.formats.format import format_named
from instar.transforms.run.unit import Receipt, Unit

MOST = 50
"""So many files are looked at, evenly over their names: of ten thousand nobody reads the properties, and each is opened twice."""
CODES = {
    "codecs": "parquet.codec", "row groups": "parquet.row-groups", "rows per group": "parquet.row-groups",
    "sorted by": "parquet.sorting-columns", "key-values": "parquet.key-values", "page index": "parquet.page-index",
    "columns with a dictionary": "parquet.dictionary", "bloom filters": "parquet.bloom-filter",
    "codec": "avro.codec", "sync marker": "avro.sync", "header keys": "avro.metadata", "blocks": "avro.blocks",
    "records per block": "avro.blocks", "schema name": "avro.name",
    "layout": "json.layout", "compression": "json.compression", "byte order mark": "json.bom",
    "newline at the end": "json.final-newline", "lines ending in LF": "json.newlines", "lines ending in CRLF": "json.newlines",
}  # fmt: skip
"""By which name `fidelity.allow` lets a difference go (docs/fidelity.md)."""
_WRITERS = {
    "bytes": "the content changed",
    "bytes uncompressed": "the content changed",
    "created by": "every writer says its name",
    "encodings": "the writer chooses them for the columns that it encodes",
}
_PARTS = ("row groups", "rows per group", "blocks", "records per block")
_PAGES = ("page version", "page checksums")
_COUNTS = ("rows", "records", "lines ending in LF", "lines ending in CRLF", *_PARTS)
_OF_COLUMNS = ("columns", "codecs", "columns with a dictionary", "bloom filters", "page index", "sorted by")
_OF_SCHEMA = ("key-values", "header keys", "schema name", "sorted by")
_STAMP = {"instar.subject", "instar.version"}


@dataclass(frozen=True)
class Circumstances:
    """What may account for a difference: columns that came, went or were computed; records that were left out; a file rewritten in
    full; the codes that `fidelity.allow` names."""

    columns: bool
    left_out: bool
    in_full: bool
    allowed: Collection[str]


def properties_of(units: Sequence[Unit], receipts: Mapping[str, Receipt], allowed: Collection[str]) -> dict[str, Any]:
    """What `instar report` has under `properties`: of files of which both forms can still be read; of many a part, evenly."""
    ordered = sorted(units, key=lambda unit: unit.path)
    chosen = ordered[:: -(-len(ordered) // MOST) or 1]
    files, unread = [], []
    for unit in chosen:
        try:
            files.append(_of_file(unit, receipts[unit.path], allowed))
        except (InstarError, OSError) as error:
            unread.append({"path": unit.path, "why": error.strerror if isinstance(error, OSError) else error.message})
    return {"of": len(ordered), "files": files, "unread": unread}


def _of_file(unit: Unit, receipt: Receipt, allowed: Collection[str]) -> dict[str, Any]:
    format = format_named(unit.format)
    before, after = dict(format.properties(Path(unit.source))), dict(format.properties(Path(unit.staged)))
    columns = len(unit.mapping.untouched()) < unit.mapping.leaf_count() or len(unit.mapping.carried()) < _places(unit)
    known = Circumstances(columns, bool(receipt.quarantined), receipt.way == "rewritten", allowed)
    found = [
        {"property": name, "declared": bool(why), "why": why}
        for name in before
        if before[name] != after.get(name)
        for why in [accounted(name, before[name], after.get(name), known)]
    ]
    return {"path": unit.path, "new_path": unit.new_path, "before": before, "after": after, "differences": found}


def _places(unit: Unit) -> int:
    from instar.transforms.shared_types import places

    return sum(1 for path, _ in places(unit.mapping.source.root) if path)


def accounted(name: str, old: Any, new: Any, known: Circumstances) -> str:
    """Why a property may differ; "" where nothing that was declared accounts for it."""
    if name in _WRITERS:
        return _WRITERS[name]
    if name in _PAGES and None in (old, new):
        return "a file without records has no pages"
    if CODES.get(name) in known.allowed:
        return f"fidelity.allow names {CODES[name]}"
    if name in _OF_SCHEMA and isinstance(old, list) and isinstance(new, list) and set(old) ^ set(new) <= _STAMP:
        return "Instar's stamp"
    if name in _COUNTS and known.left_out:
        return "records were left out, as was asked for"
    if name in _PARTS[:2]:
        return "row groups were split to fit the memory budget, as the plan said" if known.in_full else ""
    if name in _OF_COLUMNS and known.columns:
        return "columns were added, dropped or computed"
    if name in _OF_SCHEMA:
        return "it names columns, and follows them"
    return "keys came or went, a line each" if name.startswith("lines ending") and known.columns else ""
