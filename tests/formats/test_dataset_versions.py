"""Which version each file of a real directory is at, in all three formats."""

from __future__ import annotations

import gzip
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from instar.formats.dataset import stamp_files, take_inventory
from instar.formats.errors import Collected, DatasetError, RegistryError, UsageError
from instar.formats.inventory import Inventory
from instar.formats.manifest import Manifest, entry
from instar.formats.registry import Registry
from instar.formats.schema import Bool, Field, Float, Int, Schema, String, schema

V1 = schema(Field("id", Int(64)), Field("distance", Float(64), nullable=True))
V2 = schema(Field("id", Int(64)), Field("distance_km", Float(64), nullable=True))
V3 = schema(Field("id", String()), Field("distance_km", Float(64), nullable=True))

ARROW_1 = pa.schema([pa.field("id", pa.int64(), nullable=False), pa.field("distance", pa.float64())])
ARROW_2 = pa.schema([pa.field("id", pa.int64(), nullable=False), pa.field("distance_km", pa.float64())])
ARROW_3 = pa.schema([pa.field("id", pa.string(), nullable=False), pa.field("distance_km", pa.float64())])


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "schemas")


@pytest.fixture
def flights(tmp_path: Path, registry: Registry) -> Callable[..., Inventory]:
    """Versions 1 to 3 of flights, and the inventory of `data/` beside them."""
    (tmp_path / "data").mkdir()
    for version in (V1, V2, V3):
        registry.register("flights", version, "parquet")

    def take(**options: Any) -> Inventory:
        return take_inventory(tmp_path / "data", "flights", registry, "parquet", **options)

    return take


def parquet(path: Path, schema: pa.Schema, rows: int = 2, stamp: int | None = None, subject: str = "flights") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    metadata = {"instar.subject": subject, "instar.version": str(stamp)} if stamp else None
    names: dict[str, list[Any]] = {"id": list(range(rows)), "distance": [1.5] * rows, "distance_km": [1.5] * rows}
    values = {f.name: pa.array(names.get(f.name, [None] * rows)).cast(f.type) for f in schema}
    pq.write_table(pa.table(values, schema=schema.with_metadata(metadata)), path)
    return path


def versions(inventory: Inventory) -> dict[str, int | None]:
    return {file.path: file.version for file in inventory.files}


# ---- Parquet
def test_a_directory_of_mixed_versions(tmp_path: Path, flights: Callable[..., Inventory]) -> None:
    data = tmp_path / "data"
    parquet(data / "month=1" / "a.parquet", ARROW_1)
    parquet(data / "month=2" / "000000_0", ARROW_2, rows=0)
    parquet(data / "b.parquet", ARROW_2, stamp=2)
    parquet(data / "c.parquet", ARROW_3)
    (data / "README.md").write_text("about")
    (data / "notes").write_text("about")
    inventory = flights()
    inventory.require_sound()
    assert versions(inventory) == {"b.parquet": 2, "c.parquet": 3, "month=1/a.parquet": 1, "month=2/000000_0": 2}
    assert [file.how for file in inventory.files] == ["stamp", "fingerprint", "fingerprint", "fingerprint"]
    assert {version: len(files) for version, files in inventory.by_version().items()} == {1: 1, 2: 2, 3: 1}
    assert [other.path for other in inventory.others] == ["README.md", "notes"]
    assert inventory.partition_keys == ("month",)
    assert inventory.file("month=1/a.parquet").partitions == (("month", "1"),)
    assert inventory.warnings == ()
    assert inventory.format == "parquet"
    assert not inventory.single


def test_looking_writes_nothing(tmp_path: Path, flights: Callable[..., Inventory]) -> None:
    parquet(tmp_path / "data" / "a.parquet", ARROW_1)
    before = sorted((p.relative_to(tmp_path).as_posix(), p.stat().st_mtime_ns) for p in tmp_path.rglob("*"))
    flights()
    assert sorted((p.relative_to(tmp_path).as_posix(), p.stat().st_mtime_ns) for p in tmp_path.rglob("*")) == before


def test_a_stale_stamp_that_fits_one_other_version_is_a_warning(tmp_path: Path, flights: Callable[..., Inventory]) -> None:
    """pyarrow keeps key-values when it changes columns, so a stamp may lie."""
    path = parquet(tmp_path / "data" / "a.parquet", ARROW_2, stamp=2)
    table = pq.read_table(path)
    pq.write_table(table.set_column(0, ARROW_3.field("id"), table["id"].cast(pa.string())), path)
    assert pq.read_schema(path).metadata[b"instar.version"] == b"2"
    inventory = flights()
    assert versions(inventory) == {"a.parquet": 3}
    assert inventory.problems == ()
    (warning,) = inventory.warnings
    assert warning.startswith("a.parquet: its stamp says flights version 2")
    assert "version 3" in warning


def test_a_stale_stamp_that_fits_nothing_is_reported(tmp_path: Path, flights: Callable[..., Inventory]) -> None:
    path = parquet(tmp_path / "data" / "a.parquet", ARROW_2, stamp=2)
    pq.write_table(pq.read_table(path).drop_columns(["distance_km"]), path)
    inventory = flights()
    assert versions(inventory) == {"a.parquet": None}
    (problem,) = inventory.problems
    assert problem.path == "a.parquet"
    assert "its stamp says flights version 2, but distance_km is missing (double? expected)" in problem.message
    with pytest.raises(DatasetError, match=r"a\.parquet"):
        inventory.require_sound()


@pytest.mark.parametrize(("stamp", "subject"), [(9, "flights"), (1, "weather")])
def test_a_stamp_of_something_else_is_a_warning(
    tmp_path: Path, flights: Callable[..., Inventory], stamp: int, subject: str
) -> None:
    parquet(tmp_path / "data" / "a.parquet", ARROW_2, stamp=stamp, subject=subject)
    inventory = flights()
    assert versions(inventory) == {"a.parquet": 2}
    assert f"{subject} version {stamp}" in inventory.warnings[0]


def test_an_anomaly_names_file_field_and_both_types(tmp_path: Path, flights: Callable[..., Inventory]) -> None:
    odd = ARROW_2.set(0, pa.field("id", pa.int32(), nullable=False))
    parquet(tmp_path / "data" / "odd.parquet", odd)
    parquet(tmp_path / "data" / "fine.parquet", ARROW_2)
    inventory = flights()
    (problem,) = inventory.problems
    assert problem.path == "odd.parquet"
    assert "closest is version 2, but id is int32, not int64" in problem.message
    assert "register" in problem.hint


def test_a_file_looser_than_every_version_is_an_anomaly(tmp_path: Path, flights: Callable[..., Inventory]) -> None:
    parquet(tmp_path / "data" / "a.parquet", ARROW_1.set(0, pa.field("id", pa.int64())))
    (problem,) = flights().problems
    assert "id is int64?, not int64" in problem.message


def test_a_stamp_does_not_excuse_nulls(tmp_path: Path, flights: Callable[..., Inventory]) -> None:
    parquet(tmp_path / "data" / "a.parquet", ARROW_1.set(0, pa.field("id", pa.int64())), stamp=1)
    (problem,) = flights().problems
    assert "its stamp says flights version 1, but id is int64?, not int64" in problem.message


def test_variants_are_flagged(tmp_path: Path, flights: Callable[..., Inventory]) -> None:
    data = tmp_path / "data"
    parquet(data / "plain.parquet", ARROW_1)
    parquet(data / "stamped.parquet", ARROW_1, stamp=1)
    parquet(data / "order.parquet", pa.schema(list(ARROW_1)[::-1]))
    parquet(data / "tighter.parquet", ARROW_1.set(1, pa.field("distance", pa.float64(), nullable=False)))
    inventory = flights()
    inventory.require_sound()
    assert {file.path: (file.version, file.variant) for file in inventory.files} == {
        "plain.parquet": (1, False),
        "stamped.parquet": (1, False),
        "order.parquet": (1, True),
        "tighter.parquet": (1, True),
    }


def test_of_several_versions_that_fit_the_exact_one_else_the_newest(tmp_path: Path, registry: Registry) -> None:
    loose = schema(Field("id", Int(64), nullable=True), Field("ok", Bool(), nullable=True))
    tight = schema(Field("id", Int(64)), Field("ok", Bool(), nullable=True))
    registry.register("x", tight, "parquet")
    registry.register("x", loose, "parquet")
    fields = {"id": pa.int64(), "ok": pa.bool_()}
    nullable = {"tight": (False, True), "loose": (True, True), "tighter": (False, False)}
    for name, flags in nullable.items():
        columns = [pa.field(n, t, nullable=flag) for (n, t), flag in zip(fields.items(), flags, strict=True)]
        parquet(tmp_path / "data" / f"{name}.parquet", pa.schema(columns), rows=0)
    inventory = take_inventory(tmp_path / "data", "x", registry, "parquet")
    assert versions(inventory) == {"loose.parquet": 2, "tight.parquet": 1, "tighter.parquet": 2}


def test_bad_files_are_all_named(tmp_path: Path, flights: Callable[..., Inventory]) -> None:
    data = tmp_path / "data"
    good = parquet(data / "good.parquet", ARROW_1).read_bytes()
    (data / "truncated.parquet").write_bytes(good[:-20])
    (data / "head.parquet").write_bytes(good[:50])
    (data / "garbage.parquet").write_bytes(os.urandom(1000))
    (data / "empty.parquet").write_bytes(b"")
    (data / "000000_0").write_bytes(b"")
    (data / "empty.txt").write_bytes(b"")
    columns = [pa.array([1]), pa.array([2])]
    pq.write_table(pa.Table.from_arrays(columns, names=["id", "id"]), data / "twice.parquet")
    inventory = flights()
    named = ["000000_0", "empty.parquet", "garbage.parquet", "head.parquet", "truncated.parquet", "twice.parquet"]
    assert [problem.path for problem in inventory.problems] == named
    assert versions(inventory) == {"good.parquet": 1, **dict.fromkeys(named)}
    assert all(problem.hint for problem in inventory.problems)
    assert "'id'" in inventory.problems[-1].message
    with pytest.raises(Collected) as error:
        inventory.require_sound()
    assert len(error.value.errors) == 6
    assert error.value.exit_code == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read anything")
def test_a_file_without_permission_is_named(tmp_path: Path, flights: Callable[..., Inventory]) -> None:
    parquet(tmp_path / "data" / "a.parquet", ARROW_1).chmod(0)
    (problem,) = flights().problems
    assert problem.path == "a.parquet"
    assert "Permission denied" in problem.message


def test_files_of_another_format_are_named(tmp_path: Path, flights: Callable[..., Inventory]) -> None:
    data = tmp_path / "data"
    parquet(data / "a.parquet", ARROW_1)
    with open(data / "b.parquet", "wb") as stream:
        fastavro.writer(stream, {"type": "record", "name": "A", "fields": [{"name": "id", "type": "long"}]}, [{"id": 1}])
    (data / "c.json").write_text('{"id": 1}\n')
    inventory = flights()
    assert [problem.path for problem in inventory.problems] == ["b.parquet", "c.json"]
    assert "a file of avro" in inventory.problems[0].message
    flights(exclude=["b.*", "*.json"]).require_sound()


def test_an_empty_directory_and_a_missing_one(tmp_path: Path, flights: Callable[..., Inventory], registry: Registry) -> None:
    inventory = flights()
    assert inventory.files == ()
    assert "holds no parquet files" in inventory.warnings[0]
    with pytest.raises(UsageError):
        take_inventory(tmp_path / "dat", "flights", registry, "parquet")
    with pytest.raises(RegistryError):
        take_inventory(tmp_path / "data", "flight", registry, "parquet")


def test_a_single_file(tmp_path: Path, flights: Callable[..., Inventory], registry: Registry) -> None:
    path = parquet(tmp_path / "one.parquet", ARROW_2)
    inventory = take_inventory(path, "flights", registry, "parquet")
    assert versions(inventory) == {"one.parquet": 2}
    assert inventory.single
    assert inventory.root / "one.parquet" == inventory.location == path.resolve()


def test_a_column_that_contradicts_its_folder_is_an_anomaly(tmp_path: Path, registry: Registry) -> None:
    fields = [Field("month", Int(32), nullable=True), Field("id", Int(64), nullable=True), Field("day", String(), nullable=True)]
    registry.register("x", schema(*fields), "parquet")
    data = tmp_path / "data"

    def write(folder: str, months: list[int | None], days: list[str]) -> None:
        (data / folder).mkdir(parents=True)
        table = pa.table({"month": pa.array(months, pa.int32()), "id": pa.array([1] * len(months)), "day": pa.array(days)})
        pq.write_table(table, data / folder / "x.parquet", row_group_size=1)

    write("month=01", [1, 1], ["a", "a"])
    write("month=2", [2, 3], ["a", "a"])
    write("month=abc", [4], ["a"])
    write("month=5/day=Monday", [5], ["Monday"])
    write("month=6/day=Monday", [6], ["Tuesday"])
    write("month=__HIVE_DEFAULT_PARTITION__", [None], ["a"])
    write("month=__HIVE_DEFAULT_PARTITION__/day=b%2Fc", [7], ["b/c"])
    write("other=9", [1], ["a"])
    inventory = take_inventory(data, "x", registry, "parquet")
    assert [problem.path for problem in inventory.problems] == [
        "month=2/x.parquet",
        "month=6/day=Monday/x.parquet",
        "month=__HIVE_DEFAULT_PARTITION__/day=b%2Fc/x.parquet",
        "month=abc/x.parquet",
    ]
    assert "the column month holds 3, its folder says month=2" in inventory.problems[0].message
    assert inventory.partition_keys == ("month", "day", "other")


# ---- Avro
def avro(path: Path, version: Schema, text: str, stamp: int | None = None) -> None:
    metadata = {"instar.subject": "weather", "instar.version": str(stamp)} if stamp else {}
    with open(path, "wb") as stream:
        fastavro.writer(stream, json.loads(text), [dict.fromkeys(version.record.names, 1)], metadata=metadata)


def test_avro(tmp_path: Path, registry: Registry) -> None:
    data = tmp_path / "data"
    data.mkdir()
    one, two = schema(Field("id", Int(64))), schema(Field("id", Int(64)), Field("temp", Float(64)))
    for version in (one, two):
        registry.register("weather", version, "avro")
    avro(data / "a.avro", one, registry.document("weather", 1))
    avro(data / "b.avro", two, registry.document("weather", 2), stamp=2)
    avro(data / "c.avro", two, registry.document("weather", 2), stamp=1)
    avro(data / "d", one, registry.document("weather", 1).replace('"long"', '"int"'))
    (data / "empty.avro").write_bytes(b"")
    (data / "cut.avro").write_bytes((data / "a.avro").read_bytes()[:40])
    inventory = take_inventory(data, "weather", registry, "avro")
    assert versions(inventory) == {"a.avro": 1, "b.avro": 2, "c.avro": 2, "cut.avro": None, "d": None, "empty.avro": None}
    assert [problem.path for problem in inventory.problems] == ["cut.avro", "d", "empty.avro"]
    assert "id is int32, not int64" in inventory.problems[1].message
    assert len(inventory.warnings) == 1
    assert not inventory.file("a.avro").variant


def test_equal_records_of_other_names_keep_their_names(tmp_path: Path, registry: Registry) -> None:
    """Avro's names are not part of equality, and yet belong to the file."""
    registry.register("weather", schema(Field("id", Int(64))), "avro")
    (tmp_path / "data").mkdir()
    for name in ("A", "B"):
        document = {"type": "record", "name": name, "fields": [{"name": "id", "type": "long"}]}
        with open(tmp_path / "data" / f"{name}.avro", "wb") as stream:
            fastavro.writer(stream, document, [{"id": 1}])
    inventory = take_inventory(tmp_path / "data", "weather", registry, "avro")
    names = [file.facts.schema.record.name for file in inventory.files if file.facts and file.facts.schema]
    assert names == ["A", "B"]


# ---- JSON
def document(required: list[str], **properties: str) -> str:
    """A closed object with these properties."""
    keys = {name: {"type": type} for name, type in properties.items()}
    return json.dumps({"type": "object", "properties": keys, "required": required, "additionalProperties": False})


@pytest.fixture
def events(tmp_path: Path, registry: Registry) -> Callable[..., Inventory]:
    """Events: v1 {id, note?}, v2 {id, text?}, v3 {id: string}."""
    registry.register("events", document(["id"], id="integer", note="string"), "json")
    registry.register("events", document(["id"], id="integer", text="string"), "json")
    registry.register("events", document(["id"], id="string"), "json")
    (tmp_path / "data").mkdir()

    def take(manifest: Manifest | None = None, **options: Any) -> Inventory:
        return take_inventory(tmp_path / "data", "events", registry, "json", manifest=manifest, **options)

    return take


def test_json_by_validation(tmp_path: Path, events: Callable[..., Inventory]) -> None:
    data = tmp_path / "data"
    (data / "one.ndjson").write_text('{"id": 1, "note": "a"}\n{"id": 2}\n')
    (data / "two.json").write_text('[{"id": 1}, {"id": 2, "text": "b"}]')
    with gzip.open(data / "three.json.gz", "wt") as stream:
        stream.write('{"id": "x"}')
    inventory = events()
    inventory.require_sound()
    assert versions(inventory) == {"one.ndjson": 1, "three.json.gz": 3, "two.json": 2}
    assert {file.how for file in inventory.files} == {"validated"}


def test_json_that_fits_several_is_ambiguous(tmp_path: Path, events: Callable[..., Inventory]) -> None:
    (tmp_path / "data" / "a.json").write_text('{"id": 1}\n{"id": 2}\n')
    inventory = events()
    (file,) = inventory.files
    assert (file.version, file.candidates) == (None, (1, 2))
    assert "fit versions 1 and 2" in inventory.problems[0].message
    assert "instar stamp" in inventory.problems[0].hint


def test_json_that_fits_none_says_why(tmp_path: Path, events: Callable[..., Inventory]) -> None:
    (tmp_path / "data" / "a.json").write_text('{"id": 1}\n{"id": 2.5}\n')
    inventory = events()
    (problem,) = inventory.problems
    assert "fit no version of events (version 3: " in problem.message
    assert "id" in problem.message
    assert inventory.files[0].candidates == ()


def test_json_without_records_is_at_the_newest_version(tmp_path: Path, events: Callable[..., Inventory]) -> None:
    data = tmp_path / "data"
    (data / "zero.ndjson").write_text("")
    (data / "none.json").write_text("[]")
    (data / "README").write_text("not data")
    inventory = events()
    inventory.require_sound()
    assert versions(inventory) == {"none.json": 3, "zero.ndjson": 3}
    assert {file.how for file in inventory.files} == {"empty"}
    assert [other.path for other in inventory.others] == ["README"]


def test_damaged_json_is_named(tmp_path: Path, events: Callable[..., Inventory]) -> None:
    data = tmp_path / "data"
    (data / "cut.json").write_text('[{"id": 1}, {"id"')
    (data / "cut.json.gz").write_bytes(gzip.compress(b'{"id": 1}\n' * 1000)[:-10])
    (data / "words.json").write_text("hello")
    assert [problem.path for problem in events().problems] == ["cut.json", "cut.json.gz", "words.json"]


def test_a_remembered_file_is_not_read_again(tmp_path: Path, events: Callable[..., Inventory], registry: Registry) -> None:
    data = tmp_path / "data"
    (data / "a.json").write_text('{"id": 1}\n')
    said = entry(data, "a.json", version=2, how="upgraded", document=registry.fingerprint("events", 2))
    manifest = Manifest().with_entries([said])
    (file,) = events(manifest).files
    assert (file.version, file.how) == (2, "manifest")
    (data / "a.json").write_text('{"id": 9}\n')
    assert events(manifest).files[0].version is None


def test_what_is_remembered_of_an_amended_version_does_not_count(
    tmp_path: Path, events: Callable[..., Inventory], registry: Registry
) -> None:
    data = tmp_path / "data"
    (data / "a.json").write_text('{"id": "x"}\n')
    said = entry(data, "a.json", version=3, how="adopted", document=registry.fingerprint("events", 3))
    manifest = Manifest().with_entries([said])
    assert events(manifest).files[0].how == "manifest"
    registry.register("events", document(["id", "x"], id="string", x="string"), "json", amend=True)
    assert events(manifest).files[0].version is None


# ---- a person's answer
def test_a_stamp_settles_an_ambiguous_file(tmp_path: Path, events: Callable[..., Inventory], registry: Registry) -> None:
    (tmp_path / "data" / "a.json").write_text('{"id": 1}\n')
    before = (tmp_path / "data" / "a.json").stat()
    manifest = stamp_files(events(), registry, 1, ["./a.json"], manifest=Manifest())
    manifest.save(tmp_path / "state")
    inventory = events(Manifest.load(tmp_path / "state"))
    inventory.require_sound()
    assert (inventory.files[0].version, inventory.files[0].how) == (1, "person")
    assert (tmp_path / "data" / "a.json").stat() == before


def test_a_stamp_that_does_not_fit_is_refused(tmp_path: Path, events: Callable[..., Inventory], registry: Registry) -> None:
    data = tmp_path / "data"
    (data / "a.json").write_text('{"id": 1}\n')
    (data / "b.json").write_text('{"id": "x"}\n')
    (data / "c.json").write_text('{"id": null}\n')
    inventory = events()
    with pytest.raises(DatasetError, match=r"b\.json does not fit version 1"):
        stamp_files(inventory, registry, 1, ["a.json", "b.json"], manifest=Manifest())
    with pytest.raises(Collected, match="2 files"):
        stamp_files(inventory, registry, 1, manifest=Manifest())
    with pytest.raises(RegistryError):
        stamp_files(inventory, registry, 4, ["a.json"], manifest=Manifest())
    with pytest.raises(UsageError) as error:
        stamp_files(inventory, registry, 1, ["aa.json"], manifest=Manifest())
    assert "a.json" in error.value.hint


def test_a_person_may_choose_among_the_versions_that_a_parquet_file_fits(tmp_path: Path, registry: Registry) -> None:
    registry.register("x", schema(Field("id", Int(64))), "parquet")
    registry.register("x", schema(Field("id", Int(64), doc="a number")), "parquet")
    registry.register("x", schema(Field("id", String())), "parquet")
    data = tmp_path / "data"
    parquet(data / "a.parquet", pa.schema([pa.field("id", pa.int64(), nullable=False)]), stamp=3, subject="x")
    inventory = take_inventory(data, "x", registry, "parquet")
    (file,) = inventory.files
    assert (file.version, file.candidates) == (None, (1, 2))
    assert "its stamp says x version 3, but it fits versions 1 and 2" in (file.problem or "")
    with pytest.raises(DatasetError, match="id is int64, not string"):
        stamp_files(inventory, registry, 3, ["a.parquet"], manifest=Manifest())
    manifest = stamp_files(inventory, registry, 1, ["a.parquet"], manifest=Manifest())
    (file,) = take_inventory(data, "x", registry, "parquet", manifest=manifest).files
    assert (file.version, file.how) == (1, "person")


# ---- many files
def test_many_files_in_order_with_progress(tmp_path: Path, flights: Callable[..., Inventory]) -> None:
    first = parquet(tmp_path / "data" / "p=0" / "0.parquet", ARROW_1)
    for i in range(1, 300):
        target = tmp_path / "data" / f"p={i % 7}" / f"{i}.parquet"
        target.parent.mkdir(exist_ok=True)
        shutil.copy(first, target)
    told: list[tuple[int, int]] = []
    inventory = flights(workers=3, progress=lambda done, total: told.append((done, total)))
    assert told == sorted(set(told))  # by portions of files
    assert len(told) > 3
    assert told[-1] == (300, 300)
    assert {total for _, total in told} == {300}
    paths = [file.path for file in inventory.files]
    assert paths == sorted(paths)
    schemas = {id(file.facts.schema) for file in inventory.files if file.facts}
    assert len(schemas) == 1
    assert flights(workers=1) == inventory
