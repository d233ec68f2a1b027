"""What a report says of the files that might have been spliced and were not."""

from __future__ import annotations

from instar.transforms.outcome import in_full
from instar.transforms.run.unit import Receipt


def test_files_are_named_by_the_reason_with_the_first_of_them() -> None:
    receipts = [
        _receipt("a.parquet", "a value is refused"),
        _receipt("b.parquet", ""),
        _receipt("c.parquet", "two of its column chunks overlap"),
        _receipt("d.parquet", "a value is refused"),
        _receipt("e.parquet", "a value is refused"),
    ]
    assert list(in_full(receipts)) == [
        "a.parquet and 2 more files were rewritten in full: a value is refused",
        "c.parquet was rewritten in full: two of its column chunks overlap",
    ]
    assert next(in_full(receipts[2:4][::-1])).startswith("d.parquet was")
    assert "and 1 more file were" in next(in_full(receipts[:4]))


def test_nothing_is_said_where_all_were_spliced() -> None:
    assert not list(in_full([_receipt("a.parquet", "")]))


def _receipt(path: str, why: str) -> Receipt:
    return Receipt(path, 1, 1, "", "", (), 1, 1, 1, "", 1.0, why=why)
