"""Which files of two sides belong together."""

from __future__ import annotations

import pytest

from instar.transforms.comparison.pairing import bare, paired


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("a/b.parquet", "a/b"),
        ("a.v2.parquet", "a"),
        ("2024-06.ndjson.gz", "2024-06"),
        ("part-0.snappy.parquet", "part-0"),
        ("000000_0", "000000_0"),
        ("v1.2/x.avro", "v1.2/x"),
        (".json", ".json"),
        ("1.5.json", "1.5"),
    ],
)
def test_a_name_without_format_and_version(name: str, stem: str) -> None:
    assert bare(name) == stem


def test_the_same_path_comes_before_the_same_stem() -> None:
    found = paired(["a.avro", "b.avro", "c.avro"], ["b.avro", "b.parquet", "a.parquet"])
    assert found.pairs == (("a.avro", "a.parquet"), ("b.avro", "b.avro"))
    assert (found.missing, found.extra) == (("c.avro",), ("b.parquet",))


def test_a_stem_of_several_files_pairs_none_of_them() -> None:
    found = paired(["a.avro", "x.avro"], ["a.parquet", "a.v2.parquet", "x.parquet"])
    assert found.pairs == (("x.avro", "x.parquet"),)
    assert (found.missing, found.extra) == (("a.avro",), ("a.parquet", "a.v2.parquet"))


def test_one_file_on_each_side_is_a_pair_whatever_their_names() -> None:
    assert paired(["old.parquet"], ["new.avro"]).pairs == (("old.parquet", "new.avro"),)


def test_one_file_in_another_partition_is_another_one() -> None:
    found = paired(["year=2024/a.parquet"], ["year=2025/a.parquet"])
    assert (found.pairs, found.missing, found.extra) == ((), ("year=2024/a.parquet",), ("year=2025/a.parquet",))
    assert paired(["year=2024/old.parquet"], ["new/year=2024/new.avro"]).pairs
    assert paired(["year=2024/a.parquet"], ["a.parquet"]).pairs


def test_folders_keep_files_apart() -> None:
    found = paired(["m=1/a.parquet", "m=2/a.parquet"], ["m=1/a.avro", "m=3/a.avro"])
    assert found.pairs == (("m=1/a.parquet", "m=1/a.avro"),)
    assert (found.missing, found.extra) == (("m=2/a.parquet",), ("m=3/a.avro",))
