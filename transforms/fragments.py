"""Pieces of one text, gathered until there are all of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from instar.formats.schema import String

from .casts.rule import sql_text
from .casts.ways import Piece
from .expression import Expression, Source, Sql, When

Found = TypeVar("Found")


@dataclass(frozen=True, eq=False)
class Fragment:
    """One piece of the text that `of` is."""

    of: Expression
    way: Piece

    def joined(self, pieces: list[Expression]) -> Expression:
        """The text of all pieces: null where they are, missing where they are."""
        between = f" || {sql_text(self.way.separator)} || "
        joined = Sql(("", *[between] * (len(pieces) - 1), ""), tuple((piece, String()) for piece in pieces), String())
        return When(pieces[0], joined)


@dataclass
class Fragments(Generic[Found]):
    """What was found of the pieces of texts, by text and separator."""

    found: dict[object, dict[int, Found]] = field(default_factory=dict)
    wholes: dict[object, Fragment] = field(default_factory=dict)

    def note(self, fragment: Fragment, found: Found) -> None:
        of, way = fragment.of, fragment.way
        key = (of.path if isinstance(of, Source) else id(of), way.separator, way.count)
        self.wholes.setdefault(key, fragment)
        self.found.setdefault(key, {}).setdefault(way.number, found)

    def complete(self) -> Iterator[tuple[Fragment, list[Found]]]:
        """The texts of which all pieces were found, with these in their order."""
        for key, whole in self.wholes.items():
            if len(self.found[key]) == whole.way.count:
                yield whole, [self.found[key][i] for i in range(whole.way.count)]
