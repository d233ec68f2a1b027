"""What a rewritten JSON file must have kept besides its values: layout, compression, byte order mark, line ends."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path as FilePath

from instar.formats.format import Unlike

from .layout import Layout, layout_of
from .streams import blocks

CODES = {
    "json.layout": "the records lie otherwise: one a line, in one array, or one document",
    "json.compression": "the file is packed otherwise, or no longer",
    "json.bom": "the byte order mark was lost or added",
    "json.final-newline": "the newline at the end was lost or added",
    "json.newlines": "lines end otherwise (CRLF, LF), or there are more or fewer of them",
}
"""Every way in which a rewritten file may be unlike its source. The codes are what `fidelity.allow` takes."""


@dataclass(frozen=True)
class Form:
    """A file's text seen from outside: how many lines end in CRLF and in LF alone, and whether the last one ends at all."""

    layout: Layout
    crlf: int
    lf: int
    ends: bool

    @property
    def lines(self) -> int:
        """How many lines end."""
        return self.crlf + self.lf

    @property
    def line_ends(self) -> frozenset[str]:
        return frozenset(name for name, count in (("CRLF", self.crlf), ("LF", self.lf)) if count)


def form_of(path: FilePath, name: str) -> Form:
    """Read the whole file, whose name is (or will be) `name`.

    Raises:
        UnreadableError: it is not JSON, or cannot be unpacked.
    """
    crlf = all_ = 0
    last = b""
    for block in blocks(path):
        pairs = block.count(b"\r\n") if b"\r" in block else 0  # looking for one byte is far quicker
        crlf += pairs + (last == b"\r" and block.startswith(b"\n"))
        all_ += block.count(b"\n")
        last = block[-1:]
    return Form(layout_of(path, name), crlf, all_ - crlf, last == b"\n")


def unlike(old: Form, new: Form, left_out: int = 0) -> tuple[Unlike, ...]:
    """Every difference. A record of several lines may gain and lose lines with its keys; one a line may not.

    `left_out`: so many records went, each with its line.
    """
    found: list[Unlike] = []

    def compare(code: str, what: str, before: object, after: object) -> None:
        if before != after:
            found.append(Unlike(code, f"{what} was {before}, is {after}"))

    gone = left_out > 0 and old.layout.kind == "document"  # the one record went, and with it the form
    if not gone:
        compare("json.layout", "the layout", old.layout.kind, new.layout.kind)
    compare("json.compression", "the compression", old.layout.compression or "none", new.layout.compression or "none")
    compare("json.bom", "a byte order mark at the start", old.layout.bom, new.layout.bom)
    if gone:
        return tuple(found)
    if old.layout.kind != "lines" or new.lines or not left_out:
        compare("json.final-newline", "a newline at the end", old.ends, new.ends)
    if old.layout.kind == "lines" and left_out:
        if new.crlf > old.crlf or new.lf > old.lf or old.lines - new.lines not in (left_out, left_out - (not old.ends)):
            was, now = (old.crlf, old.lf), (new.crlf, new.lf)
            what = f"the number of lines that end in CRLF and in LF was {was}, is {now}, where {left_out} records were left out"
            found.append(Unlike("json.newlines", what))
    elif old.layout.kind == "lines":
        compare("json.newlines", "the number of lines that end in CRLF and in LF", (old.crlf, old.lf), (new.crlf, new.lf))
    elif not new.line_ends <= old.line_ends:
        compare("json.newlines", "line ends", sorted(old.line_ends), sorted(new.line_ends))
    return tuple(found)
