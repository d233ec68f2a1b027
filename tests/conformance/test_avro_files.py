"""Avro files of other projects: each is migrated with equal values, or refused with a reason that the documentation lists.

Judged by fastavro, which had no part in writing, and by polars where it reads the file. The names are listed, so that a file which
is missing, or new, is noticed.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import fastavro
import polars
import pytest

from tests.conformance.avro_file import ADDED, RENAMED
from tests.conformance.limits import Nursery

ARROW = """
    alltypes_dictionary alltypes_nulls_plain alltypes_plain alltypes_plain.bzip2 alltypes_plain.snappy alltypes_plain.xz
    alltypes_plain.zstandard binary datapage_v2.snappy dict-page-offset-zero duration_uuid fixed256_decimal fixed_length_decimal
    fixed_length_decimal_legacy fixed_length_decimal_legacy_32 int128_decimal int256_decimal int32_decimal int64_decimal
    list_columns nested_lists.snappy nested_records nonnullable.impala nullable.impala nulls.snappy repeated_no_annotation
    simple_enum simple_fixed single_nan timestamp_logical_types zero_byte
"""
SHARE = """
    c-tests/avro-1279-codec c-tests/avro-1279-no-codec data/schemas/simple/data data/schemas/withUnion/data data/syncInMeta
    data/weather-deflate data/weather-snappy data/weather-sorted data/weather-zstd data/weather interop/rpc/add/onePlusOne/request
    interop/rpc/echo/foo/request interop/rpc/echo/foo/response interop/rpc/hello/world/request js-tests/person-10
"""
RECORDS = tuple(f"arrow-testing/data/avro/{n}" for n in ARROW.split()) + tuple(f"avro-share/{n}" for n in SHARE.split())

ALIKE = """
    arrow-testing/data/avro/alltypes_dictionary arrow-testing/data/avro/alltypes_plain arrow-testing/data/avro/binary
    arrow-testing/data/avro/datapage_v2.snappy arrow-testing/data/avro/dict-page-offset-zero
    arrow-testing/data/avro/fixed256_decimal arrow-testing/data/avro/fixed_length_decimal_legacy
    arrow-testing/data/avro/fixed_length_decimal_legacy_32 arrow-testing/data/avro/int128_decimal
    arrow-testing/data/avro/int32_decimal arrow-testing/data/avro/int64_decimal arrow-testing/data/avro/list_columns
    arrow-testing/data/avro/nulls.snappy arrow-testing/data/avro/single_nan
    avro-share/c-tests/avro-1279-no-codec avro-share/data/schemas/simple/data avro-share/data/weather-snappy
    avro-share/data/weather-sorted avro-share/data/weather-zstd avro-share/data/weather
    avro-share/interop/rpc/add/onePlusOne/request avro-share/interop/rpc/echo/foo/response
    avro-share/interop/rpc/hello/world/request
"""
"""Those of which another of the same kind is listed, that differs in values: they are for `make test-all`."""

NO_RECORDS = (
    "avro-share/c-tests/avro-1237-good",
    "avro-share/c-tests/avro-1238-good",
    "avro-share/interop/rpc/add/onePlusOne/response",
    "avro-share/interop/rpc/hello/world/response",
)
"""Ints and strings: they are carried as they are, and operations on them are refused."""

DAMAGED = {
    "avro-share/c-tests/avro-1237-bad-union-discriminant": "the file ends within block 1",
    "avro-share/c-tests/avro-1238-truncated": "block 0 is cut off",
    "avro-share/js-tests/person-10.no-codec": "the file ends within block 1",
}
"""Bytes are missing, or (the first and the last) a newline stands behind the last block, which fastavro and polars refuse, too."""

NOT_BY_FASTAVRO = {"avro-share/data/syncInMeta"}  # a key of its header is no text
POLARS_CANNOT = {
    *(f"arrow-testing/data/avro/alltypes_plain.{codec}" for codec in ("bzip2", "xz", "zstandard")),
    *(f"arrow-testing/data/avro/{n}" for n in ("duration_uuid", "fixed256_decimal", "int256_decimal", "nonnullable.impala")),
    *(f"arrow-testing/data/avro/{n}" for n in ("nullable.impala", "simple_enum")),
    *(f"avro-share/{n}" for n in ("c-tests/avro-1279-codec", "c-tests/avro-1279-no-codec", "data/schemas/withUnion/data")),
    *(f"avro-share/{n}" for n in ("data/weather-zstd", "interop/rpc/echo/foo/request", "interop/rpc/echo/foo/response")),
}


def each_kind_first() -> list[Any]:
    """All names; those which are alike to others are slow ones."""
    alike = set(ALIKE.split())
    return [pytest.param(name, marks=pytest.mark.slow if name in alike else ()) for name in RECORDS]


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    nursery = Nursery("avro_file.py")
    yield nursery
    nursery.close()


@pytest.fixture
def migrate(nursery: Nursery, conformance: Path, tmp_path: Path) -> Callable[[str], dict[str, Any]]:
    """What `avro_file.main` tells of a file; its process must end by itself, in time and within its memory."""

    def told(name: str) -> dict[str, Any]:
        ended = nursery.call(str(conformance / f"{name}.avro"), str(tmp_path / "project"))
        assert ended.code == 0, ended.err or f"ended with {ended.code} after {ended.seconds} s"
        return ended.answer

    return told


def test_every_file_is_known(conformance: Path) -> None:
    known = {*RECORDS, *NO_RECORDS, *DAMAGED}
    assert {p.relative_to(conformance).as_posix().removesuffix(".avro") for p in conformance.rglob("*.avro")} == known
    assert (len(RECORDS), len(NO_RECORDS), len(DAMAGED)) == (46, 4, 3)
    assert set(ALIKE.split()) < set(RECORDS)


@pytest.mark.parametrize("name", each_kind_first())
def test_records_come_out_equal(name: str, migrate: Callable[[str], Any], conformance: Path, tmp_path: Path) -> None:
    told = migrate(name)
    assert not told["refused"]
    cast = told["cast"]
    assert told["proved"] == ["identity", "2", "3", *(["4"] if cast else []), "back"]
    for reader in [*([by_fastavro] if name not in NOT_BY_FASTAVRO else []), *([by_polars] if name not in POLARS_CANNOT else [])]:
        before = reader(conformance / f"{name}.avro")
        assert before
        first = next(iter(before[0]))
        versions = {"identity": before, "2": [renamed(record, first) for record in before], "back": before}
        versions["3"] = [{**record, ADDED: "new"} for record in versions["2"]]
        if cast:
            steps = cast[0].split(".")
            steps = [RENAMED if steps[0].removesuffix("[]") == first else steps[0].removesuffix("[]"), *steps[1:]]
            versions["4"] = [changed(record, steps, cast[2]) for record in versions["3"]]
        for version, expected in versions.items():
            assert repr(reader(tmp_path / "project" / f"{version}.avro")) == repr(expected), version


@pytest.mark.parametrize("name", NO_RECORDS)
def test_what_is_no_record_is_carried(name: str, migrate: Callable[[str], Any], conformance: Path, tmp_path: Path) -> None:
    told = migrate(name)
    assert told["proved"] == ["identity"]
    ((step, (code, message, hint)),) = told["refused"].items()
    assert (step, code) == ("register 2", 2)
    assert "not records with fields" in message
    assert "wrap the values in a record" in hint
    before = by_fastavro(conformance / f"{name}.avro")
    assert before
    assert by_fastavro(tmp_path / "project" / "identity.avro") == before


@pytest.mark.parametrize("name", DAMAGED)
def test_what_is_damaged_is_refused(name: str, migrate: Callable[[str], Any], conformance: Path, tmp_path: Path) -> None:
    told = migrate(name)
    assert told["proved"] == []
    ((step, (code, message, hint)),) = told["refused"].items()
    assert (step, code) == ("identity", 1)
    assert DAMAGED[name] in message
    assert "truncated or damaged" in hint
    (kept,) = (tmp_path / "project" / "data").iterdir()
    assert kept.read_bytes() == (conformance / f"{name}.avro").read_bytes()
    with pytest.raises((ValueError, EOFError, IndexError)):
        by_fastavro(kept)


# ---- the judges
def by_fastavro(path: Path) -> list[Any]:
    with path.open("rb") as file:
        return list(fastavro.reader(file))


def by_polars(path: Path) -> list[Any]:
    """Defaults other than null are blanked in the header: polars (2.1) takes them for an error, whoever wrote them."""
    plain = path.read_bytes().replace(b', "default": "new"', b" " * 18)
    return polars.read_avro(io.BytesIO(plain)).to_dicts()


def renamed(record: dict[str, Any], first: str) -> dict[str, Any]:
    return {RENAMED if name == first else name: value for name, value in record.items()}


def changed(value: Any, steps: list[str], to: str) -> Any:
    """The value with what is at those steps cast."""
    if value is None:
        return None
    if isinstance(value, list):
        return [changed(item, steps, to) for item in value]
    if not steps:
        return text_of(value) if to == "string" else value
    return {name: changed(inner, steps[1:], to) if name == steps[0] else inner for name, inner in value.items()}


def text_of(value: Any) -> str:
    """The canonical text of the cast table, in Python's words."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Decimal):
        return f"{value:f}"
    return "NaN" if value != value else str(value)
