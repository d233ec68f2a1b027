"""What a Parquet file is like besides its values: from its footer, and the header of its first page."""

from __future__ import annotations

from collections import Counter
from pathlib import Path as FilePath
from typing import Any

from instar.formats.format import span

from .footer import ENCODINGS, Footer, get, items
from .settings import codecs, first_page, has_bloom_filter, has_page_index, uses_dictionary
from .source import open_source


def properties(path: FilePath) -> dict[str, Any]:
    """See `Format.properties`.

    Raises:
        UnreadableError: as `open_source`.
    """
    source = open_source(path)
    footer = source.footer
    leaves, page = range(len(footer.leaves)), first_page(source)
    metas = [meta for leaf in leaves for meta in footer.metas(leaf)]
    return {
        "bytes": path.stat().st_size,
        "bytes uncompressed": sum(get(meta, 6, 0) for meta in metas),
        "rows": sum(footer.rows),
        "row groups": len(footer.rows),
        "rows per group": span(footer.rows),
        "columns": len(leaves),
        "codecs": dict(sorted(Counter(" and ".join(sorted(codecs(footer, leaf))) for leaf in leaves if footer.rows).items())),
        "encodings": sorted({ENCODINGS[n] for meta in metas for n in items(meta, 2) if 0 <= n < len(ENCODINGS)}),
        "columns with a dictionary": sum(uses_dictionary(footer, leaf) is True for leaf in leaves),
        "page version": None if page is None else 2 if get(page, 1) == 3 else 1,
        "page checksums": None if page is None else 4 in page,
        "page index": has_page_index(footer),
        "bloom filters": sum(has_bloom_filter(footer, leaf) for leaf in leaves),
        "sorted by": _sorted_by(footer),
        "created by": get(footer.struct, 6, b"").decode("utf-8", "replace"),
        "key-values": sorted(key.decode("utf-8", "replace") for key in footer.key_values),
    }


def _sorted_by(footer: Footer) -> list[str]:
    """The columns by which the first row group is declared to be sorted."""
    names = [".".join(part.decode("utf-8", "replace") for part in leaf.path) for leaf in footer.leaves]
    declared = [column for group in footer.row_groups[:1] for column in items(group, 4)]
    return [names[get(c, 1)] + (" descending" if get(c, 2) else "") for c in declared if 0 <= get(c, 1, -1) < len(names)]
