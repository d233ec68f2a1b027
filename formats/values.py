"""The raw values of a format of records: opened, decoded, encoded and sealed only where a conversion touches them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from .schema import Field


class Values(Protocol):
    """How a records format's raw values are opened, decoded, encoded and sealed, one level at a time.

    A *raw* value is opaque to the caller (JSON: its text; Avro: its binary, without the index of a nullable union). A null may be a
    raw value or Python's None; `open` and `decode` give None for both, `encode` and `seal` take None. A missing key is absent from
    the opened dict. All four take the `Field` the value is of and return a function, made once and called per value.
    """

    def opener(self, field: Field) -> Callable[[Any], Any]:
        """raw → dict of name → raw (record; unregistered keys included), list of raw, dict of key → raw (map), or None.

        The dict may be a subclass that remembers how it was spelled. The function raises DataError on a value that is not of the
        field's type, duplicate keys included. Opening what `opener` returned gives it back.
        """
        ...

    def decoder(self, field: Field) -> Callable[[Any], Any]:
        """raw → Python value as `formats/schema.py` tells, checked against the type (DataError), or None."""
        ...

    def encoder(self, field: Field) -> Callable[[Any], Any]:
        """Python value or None → raw."""
        ...

    def branch_opener(self, field: Field) -> Callable[[Any], Any]:
        """raw of a union → (number of the branch that it is of, raw of that branch), or None for null.

        The function raises DataError where the value is of no branch, or does not tell of which.
        """
        ...

    def branch_sealer(self, field: Field) -> Callable[[Any, int, Any], Any]:
        """(raw that was opened, number of the branch, raw of that branch in the target) → raw of the union."""
        ...

    def recoder(self, source: Field, target: Field) -> Callable[[Any], Any] | None:
        """raw of `source` → raw of `target`, for a value that is only carried between fields of one structure; None where the raw
        itself will do. An Avro variant may have other null-ness, order or storage inside than the version it becomes.
        """
        ...

    def sealer(self, field: Field) -> Callable[[Any, Any], Any]:
        """(opened source container or None for a new one, dict or list of name → raw in target order) → raw.

        JSON keeps spelling, spacing and the very text where nothing changed; Avro concatenates in the field's order and raises
        DataError for a missing or null value the field does not allow.
        """
        ...
