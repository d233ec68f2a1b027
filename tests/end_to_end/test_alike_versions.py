"""Versions of one structure between which values change: which of them a variant is at, nobody guesses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from authoring import Author

CHANGES = [
    'op.map_values("k", {"x": "1"}, otherwise="keep"), op.set_tag("k", "pii")',
    'op.python(str.upper, reads=["k"], writes={"k": "string?"}, replace=True), op.reorder(["n"])',
    'op.rename("k", to="t"), op.rename("m", to="k"), op.rename("t", to="m"), op.reorder(["n"])',
]


def parquet(author: Author) -> Path:
    table = pa.table({"k": ["x", "y"], "m": ["p", "q"], "n": [1, 2]})
    exact, variant = (author.data("sales") / name for name in ("exact.parquet", "variant.parquet"))
    pq.write_table(table, exact)
    author.adopt("sales")
    pq.write_table(table.set_column(0, "k", table["k"].cast(pa.large_string())), variant)
    return variant


@pytest.mark.parametrize("change", CHANGES)
def test_a_variant_of_both_is_ambiguous_until_a_person_says(change: str, author: Author) -> None:
    variant = parquet(author)
    author.step("sales", change)
    error = author.refused("upgrade", "sales")
    assert "variant.parquet: it fits versions 1 and 2, between which values change" in error["message"]
    assert "instar stamp" in error["hint"]
    author.do("stamp", "sales", "1", "variant.parquet")
    author.do("upgrade", "sales")
    old = variant.with_name("exact.parquet")
    assert pq.read_table(variant).to_pylist() == pq.read_table(old).to_pylist()
    assert {v["version"]: v["files"] for v in author.do("status", "sales")["versions"]} == {2: 2}


@pytest.mark.parametrize("change", ['op.reorder(["m"])', 'op.set_doc("k", "a key")', 'op.set_tag("n", "pii")'])
def test_where_no_value_changes_it_counts_as_the_newest(change: str, author: Author) -> None:
    parquet(author)
    author.step("sales", change)
    assert not author.do("status", "sales")["problems"]
    author.do("upgrade", "sales")


def test_avro_is_judged_alike(author: Author) -> None:
    def written(name: str, **more: Any) -> None:
        fields = [{"name": "k", "type": "string", **more}, {"name": "n", "type": "int"}]
        with (author.data("events") / name).open("wb") as file:
            fastavro.writer(file, {"type": "record", "name": "Event", "fields": fields}, [{"k": "x", "n": 1}])

    written("a.avro")
    author.adopt("events")
    written("b.avro", doc="what a colleague noted")
    author.step("events", 'op.map_values("k", {"x": "1"}), op.set_tag("k", "pii")')
    assert "b.avro: it fits versions 1 and 2" in author.refused("upgrade", "events")["message"]
