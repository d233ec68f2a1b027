"""Scalars and zeros of Arrow that are made without importing pandas."""

from __future__ import annotations

import subprocess
import sys

import pyarrow as pa
import pytest

from instar.formats.bare import integers, number, zeros

INTEGERS = (pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64())


@pytest.mark.parametrize("type", INTEGERS)
def test_a_number_is_the_scalar_that_pyarrow_makes(type: pa.DataType) -> None:
    signed = str(type).startswith("int")
    highest = (1 << type.bit_width - signed) - 1
    for value in (0, 1, highest, -highest - 1 if signed else 200):
        assert number(value, type).equals(pa.scalar(value, type))
    with pytest.raises((pa.ArrowInvalid, OverflowError)):
        number(1 << type.bit_width, type)


def test_floats_keep_their_bits() -> None:
    for value in (0.1, -0.0, 1e308, float(1 << 63)):
        made = number(value, pa.float64())
        assert made.equals(pa.scalar(value, pa.float64()))
        assert str(made.as_py()) == str(value)
    assert number(0.5, pa.float32()).equals(pa.scalar(0.5, pa.float32()))


def test_zeros() -> None:
    assert zeros(3).to_pylist() == [0, 0, 0]
    assert len(zeros(0)) == 0
    assert zeros(2).type == pa.int32()


def test_integers() -> None:
    assert integers(iter([5, -1])).equals(pa.array([5, -1], pa.int64()))
    assert len(integers([])) == 0
    with pytest.raises(OverflowError):
        integers([1 << 63])


CASTS = """
import sys
from pathlib import Path
import pyarrow as pa, pyarrow.parquet as pq
from instar.formats.format import format_named
from instar.transforms import operations as op
from instar.transforms.mapping import identity
from instar.transforms.run.request import rewrite_request

folder = Path(sys.argv[1])
source, target = folder / "old.parquet", folder / "new.parquet"
format = format_named("parquet")
mapping = identity(format.inspect(source).schema)
for operation in (op.cast("i", "double"), op.cast("l", "int32"), op.cast("t", "timestamp(ns)"), op.cast("s", "bytes")):
    mapping = mapping.then(operation.edit(identity(mapping.target)))
made = format.rewrite(rewrite_request(format, mapping, source, target, memory=100_000_000, stamp=None, progress=lambda r, s: None))
assert (made.way, made.rows_out) == ("spliced", 4000), made
print("pandas" in sys.modules)
"""


def test_plain_casts_do_not_import_pandas(tmp_path) -> None:
    pytest.importorskip("pandas", reason="there is no pandas to import")
    columns = {
        "i": pa.array([1, 2, None, 4] * 1000, pa.int32()),
        "l": pa.array(range(4000), pa.int64()),
        "t": pa.array(range(4000), pa.timestamp("us")),
        "s": pa.array(["a", "b", "a", "c"] * 1000),
    }
    import pyarrow.parquet as pq

    pq.write_table(pa.table(columns), tmp_path / "old.parquet")
    said = subprocess.run([sys.executable, "-c", CASTS, str(tmp_path)], capture_output=True, text=True, check=False)
    assert (said.stdout.strip(), said.stderr) == ("False", "")
