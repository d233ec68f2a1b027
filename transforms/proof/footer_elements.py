"""A Parquet file's schema elements from its footer's own bytes, as DuckDB would tell them: for schemas that DuckDB refuses to tell.

Source of the numbers: the Apache Parquet project's parquet.thrift.
"""

from __future__ import annotations

from pathlib import Path as FilePath

from instar.formats.parquet.footer import PHYSICAL, get, read_footer
from instar.formats.parquet.footer import Element as Footing
from instar.formats.parquet.thrift import Struct

from .elements import Element

_REPETITION = ("REQUIRED", "OPTIONAL", "REPEATED")
_CONVERTED = (
    "UTF8", "MAP", "MAP_KEY_VALUE", "LIST", "ENUM", "DECIMAL", "DATE", "TIME_MILLIS", "TIME_MICROS", "TIMESTAMP_MILLIS",
    "TIMESTAMP_MICROS", "UINT_8", "UINT_16", "UINT_32", "UINT_64", "INT_8", "INT_16", "INT_32", "INT_64",
    "JSON", "BSON", "INTERVAL",
)  # fmt: skip
_LOGICAL = {
    1: "String", 2: "Map", 3: "List", 4: "Enum", 5: "Decimal", 6: "Date", 7: "Time", 8: "Timestamp", 10: "Int", 11: "Null",
    12: "Json", 13: "Bson", 14: "UUID", 15: "Float16", 16: "Variant", 17: "Geometry", 18: "Geography",
}  # fmt: skip
_UNIT = {1: "MILLIS", 2: "MICROS", 3: "NANOS"}


def footer_elements(file: FilePath) -> Element:
    """The root element of the file.

    Raises:
        FileError: the footer is damaged.
    """
    return _element(read_footer(file).root)


def _element(of: Footing) -> Element:
    struct = of.struct
    number, (_, annotation) = next(iter(get(struct, 10, {}).items()), (0, (0, {})))
    decimal = annotation if number == 5 else {}
    return Element(
        name=of.name,
        physical="" if of.physical is None or of.children else PHYSICAL[of.physical],
        length=get(struct, 2, 0),
        repetition=_REPETITION[of.repetition],
        converted=dict(enumerate(_CONVERTED)).get(get(struct, 6, -1), ""),
        logical=_logical(number, annotation),
        scale=get(decimal, 1, get(struct, 7, 0)),
        precision=get(decimal, 2, get(struct, 8, 0)),
        children=tuple(_element(child) for child in of.children),
    )


def _logical(number: int, annotation: Struct) -> str:
    """As DuckDB spells it, in what `elements.py` looks at."""
    text = f"{_LOGICAL[number]}Type" if number in _LOGICAL else ""
    if number not in (7, 8):
        return text
    unit = next((name for of, name in _UNIT.items() if of in get(annotation, 2, {})), "")
    return f"{text}(isAdjustedToUTC={get(annotation, 1, False):d}, {unit}={unit})"
