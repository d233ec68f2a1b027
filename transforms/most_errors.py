"""How many records a run may leave out before it fails all the same: a number, or a share of those it reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from instar.formats.errors import UsageError

if TYPE_CHECKING:
    from fractions import Fraction


@dataclass(frozen=True)
class MostErrors:
    """So many records of a run may be left out, or this share of them."""

    text: str
    count: int | None = None
    share: Fraction | None = None

    @classmethod
    def parse(cls, text: str | int) -> MostErrors:
        """`100`, or `0.5%` of the records that are read.

        Raises:
            UsageError: neither.
        """
        from fractions import Fraction

        said = str(text).strip()
        try:
            if said.endswith("%"):
                share = Fraction(said[:-1].strip())
                if 0 <= share <= 100:
                    return cls(said, share=share / 100)
            elif said.isascii() and said.isdigit():
                return cls(said, count=int(said))
        except (ValueError, ZeroDivisionError):
            pass
        raise UsageError(f"{said!r} is no number of errors", hint="Say a number of records, such as 100, or a share, such as 0.5%.")

    def exceeded(self, quarantined: int, rows: int) -> bool:
        """`rows`: how many records were read."""
        if self.count is not None:
            return quarantined > self.count
        return self.share is not None and quarantined > self.share * rows
