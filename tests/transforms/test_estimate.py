"""What a run is estimated to take, and how many processes it is worth."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
from support import field

from instar.formats.format import FileFacts, format_named
from instar.formats.inventory import DataFile, Inventory
from instar.formats.schema import schema
from instar.transforms import operations as op
from instar.transforms.estimate import (
    BYTES_A_WORKER,
    SAMPLE_BYTES,
    Estimates,
    computed_share,
    is_copied,
    work_seconds,
    workers_worth,
)
from instar.transforms.mapping import Mapping, Operation, chain, identity
from instar.transforms.migration import Chain
from instar.transforms.run.request import rewrite_request


def sized(path: Path, size: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.truncate(size)


@pytest.mark.parametrize(
    ("sizes", "workers"),
    [
        ((), 1),
        ((BYTES_A_WORKER - 1,), 1),
        ((BYTES_A_WORKER, BYTES_A_WORKER - 1), 1),
        ((BYTES_A_WORKER, BYTES_A_WORKER), 2),
        ((3 * BYTES_A_WORKER + 5,), 3),
        ((1, BYTES_A_WORKER * 9, 1), 4),
    ],
)
def test_little_data_is_not_worth_many_processes(sizes: tuple[int, ...], workers: int, tmp_path: Path) -> None:
    place = tmp_path / "lake"
    place.mkdir()
    for number, size in enumerate(sizes):
        sized(place / f"month={number}" / "part", size)
    assert workers_worth(place, 4) == workers
    link = tmp_path / "link"
    link.symlink_to(place)
    assert workers_worth(link, 4) == workers


def test_a_file_is_a_dataset_too_and_one_that_is_not_there_is_told_of_elsewhere(tmp_path: Path) -> None:
    sized(tmp_path / "one.json", 2 * BYTES_A_WORKER)
    sized(tmp_path / "other.json", 2 * BYTES_A_WORKER)
    assert workers_worth(tmp_path / "one.json", 4) == 2
    assert workers_worth(tmp_path / "two.json", 4) == 1


RECORD = schema(field("a", "int64"), field("b", "string"), field("c", "double"), field("d", "string"))


def files(count: int, size: int) -> list[DataFile]:
    facts = FileFacts("parquet", "parquet", size, 10, RECORD, None, 3 * size)
    return [DataFile(f"{number}.parquet", size, 1, facts, 1) for number in range(count)]


def mapped(*operations: Operation) -> Mapping:
    made = identity(RECORD)
    for operation in operations:
        made = operation.edit(made)
    return made


def test_many_small_files_take_longer_than_one_of_their_size() -> None:
    cast = mapped(op.cast("a", "string"))
    assert work_seconds("parquet", cast, files(300, 5_000)) > 5 * work_seconds("parquet", cast, files(1, 1_500_000))


def test_what_is_copied_takes_less_than_what_is_computed() -> None:
    rename, cast = mapped(op.rename("a", to="z")), mapped(op.cast("a", "string"))
    all_cast = mapped(*(op.cast(name, "string") for name in "ac"), *(op.derive(f"{name}2", "string", sql=name) for name in "bd"))
    large = files(20, 10_000_000)
    copied, one, all_of_them = (work_seconds("parquet", made, large) for made in (rename, cast, all_cast))
    assert 5 * copied < one < all_of_them
    assert work_seconds("parquet", rename, large, full=True) > 5 * copied


@pytest.mark.parametrize(
    ("format", "operations", "share"),
    [
        ("parquet", [], 0),
        ("parquet", [op.rename("a", to="z"), op.reorder(["d", "c"])], 0),
        ("parquet", [op.drop("a"), op.add("n", "int64", default=1)], 0),
        ("parquet", [op.cast("a", "string")], 0.25),
        ("avro", [op.rename("a", to="z")], 0),
        ("avro", [op.drop("d")], 1),
        ("avro", [op.reorder(["d", "c"])], 1),
        ("json", [op.rename("a", to="z"), op.drop("b")], 0.2),
        ("json", [op.add("n", "int64", default=1)], 1),
        ("json", [op.cast("a", "string")], 1),
    ],
)
def test_what_passes_through_the_conversion(format: str, operations: list[Operation], share: float) -> None:
    assert computed_share(format, mapped(*operations)) == share


def test_only_a_file_that_is_copied_whole_keeps_its_size_for_sure() -> None:
    assert is_copied(mapped(op.rename("a", to="z"), op.reorder(["d", "c"])))
    assert not any(is_copied(mapped(each)) for each in (op.drop("a"), op.cast("a", "string"), op.add("n", "int64", default=1)))


NESTED = schema(
    field("id", "int64"),
    field("who", "record{name: string?, ids: list<record{n: int64, m: int64}>}"),
    field("price", "double"),
)


@pytest.mark.parametrize(
    ("format", "operation", "share", "copied"),
    [
        ("parquet", op.rename("who.name", to="person"), 0, True),
        ("parquet", op.rename("who.ids[].n", to="number"), 0, True),
        ("parquet", op.move("price", to="who.price"), 0, True),
        ("parquet", op.drop("who.ids[].n"), 0, False),
        ("parquet", op.cast("who.ids[].n", "string"), 0.2, False),
        ("parquet", op.add("who.k", "int64", default=1), 1 / 6, False),
        ("avro", op.rename("who.ids[].n", to="number"), 0, True),
        ("avro", op.reorder(["ids"], at="who"), 1, True),
        ("avro", op.drop("who.name"), 1, False),
    ],
)
def test_what_is_copied_inside_records_counts_as_copied(format: str, operation: Operation, share: float, copied: bool) -> None:
    mapping = operation.edit(identity(NESTED))
    assert computed_share(format, mapping) == pytest.approx(share)
    assert is_copied(mapping) is copied


def test_no_sample_is_decoded_where_only_names_inside_records_change(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1 is all that is sound of it")
    facts = FileFacts("parquet", "parquet", 31, 10, NESTED, None, 93)
    inventory = Inventory(tmp_path, tmp_path, "s", "parquet", (DataFile("a.parquet", 31, 1, facts, 1),), ())
    rename = chain(NESTED, [op.rename("who.ids[].n", to="number")])
    assert Estimates(format_named("parquet"), inventory)(inventory.files[0], Chain("s", 1, 2, rename, (), (), "")) == 31


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gz"])
def test_the_bytes_of_an_added_key_count_where_only_a_part_is_sampled(pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    text = "".join(f'{{"a":{i},"b":"n{7919 * i % 100_003}"}}\n' for i in range(120_000)).encode()
    source, target = tmp_path / "all.ndjson", tmp_path / "new.ndjson"
    source.write_bytes(pack(text))
    assert len(text) > 1.3 * SAMPLE_BYTES
    format = format_named("json")
    was = format.parse(
        '{"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "string"}}, "required": ["a", "b"]}'
    )
    mapping = chain(was, [op.add("currency", "string", default="USD")])
    file = DataFile(source.name, source.stat().st_size, 1, format.inspect(source), 1)
    inventory = Inventory(tmp_path, tmp_path, "s", "json", (file,), ())
    told = Estimates(format, inventory)(file, Chain("s", 1, 2, mapping, (), (), ""))
    format.rewrite(rewrite_request(format, mapping, source, target, memory=1 << 28, stamp=None, progress=lambda rows, size: None))
    assert told == pytest.approx(target.stat().st_size, rel=0.02)
    assert target.stat().st_size > source.stat().st_size


def test_what_is_rewritten_in_full_takes_longer() -> None:
    rename, facts = mapped(op.rename("a", to="z")), FileFacts("avro", "null", 10_000_000, 10, RECORD, None, 10_000_000)
    large = [DataFile("a.avro", 10_000_000, 1, facts, 1)]
    assert work_seconds("avro", rename, large, way="rewritten") > 5 * work_seconds("avro", rename, large)
