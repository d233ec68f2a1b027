"""What plans and reports say of the files that might be spliced and are not."""

from __future__ import annotations

from instar.transforms.in_full import in_full

FILES = [
    ("a.parquet", "a value is refused"),
    ("b.parquet", ""),
    ("c.parquet", "two of its column chunks overlap"),
    ("d.parquet", "a value is refused"),
    ("e.parquet", "a value is refused"),
]


def test_files_are_named_by_the_reason_with_the_first_of_them() -> None:
    assert list(in_full(FILES, done=True)) == [
        "a.parquet and 2 more files were rewritten in full: a value is refused",
        "c.parquet was rewritten in full: two of its column chunks overlap",
    ]
    assert next(in_full(FILES[2:4][::-1], done=True)).startswith("d.parquet was")
    assert "and 1 more file were" in next(in_full(FILES[:4], done=True))


def test_a_plan_says_it_beforehand() -> None:
    assert list(in_full(FILES[:4], done=False)) == [
        "a.parquet and 1 more file will be rewritten in full: a value is refused",
        "c.parquet will be rewritten in full: two of its column chunks overlap",
    ]


def test_nothing_is_said_where_all_were_spliced() -> None:
    assert not list(in_full([("a.parquet", "")], done=True))
