"""What stands between a file's records, where some are left out: one line, or one comma, goes with each."""

from __future__ import annotations

from collections.abc import Sequence

from .layout import BLANK, Kind


def closed_up(
    between: Sequence[bytes], left_out: Sequence[int], held: bytes | None, kind: Kind
) -> tuple[list[bytes], bytes | None]:
    """What comes before each record that stays, and after the last one where the text ends here; and what is held back.

    `between`: what came before each record of a chunk (and after the last one, where the text ends with it), `left_out` the numbers
    of those that go. `held`: what stood before a record that went, when nothing of what follows it was known.
    """
    gone, out = set(left_out), list[bytes]()
    for number, gap in enumerate(between):
        if held is not None:
            gap, held = _joined(held, gap, kind), None
        if number in gone:
            held = gap
        else:
            out.append(gap)
    return out, held


def _joined(before: bytes, after: bytes, kind: Kind) -> bytes:
    """What is left of what stood before and after a record that went."""
    if kind == "array":
        if b"]" in after:  # the end of the array: what came before its last record goes, unless that is its beginning
            return before + after if b"[" in before else after
        return before
    line, newline, rest = after.partition(b"\n")
    if newline and not line.strip(BLANK):
        return before + rest
    ended = before.rstrip(b" \t")  # the text ends without a newline: it goes on doing so
    return (ended.removesuffix(b"\n").removesuffix(b"\r") if ended.endswith(b"\n") else before) + after
