"""Errors told without what records hold."""

from __future__ import annotations

import pickle
from pathlib import Path

import fastavro
import pytest
from support import field

from instar.formats.avro import FORMAT as AVRO
from instar.formats.errors import Collected, DataError, FileError, InstarError, MalformedError, Refused, UnreadableError, Where
from instar.formats.pii import HIDDEN, any_tagged, without_values
from instar.formats.schema import Field, Record, Schema, schema


def test_a_tag_is_found_at_any_depth_and_in_named_types() -> None:
    inner = Record((field("b", "string", tags=("pii",)),))
    assert any_tagged([schema(Field("a", inner))])
    assert any_tagged([Schema(Field("", Record(())), {"person": Field("person", inner)})])
    assert not any_tagged([schema(field("a", "string", tags=("personal",)))])


PLACE = Where(file="a", row=3, path="b", found="secret")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (DataError("secret is no date", where=PLACE), "a value does not fit its field, or cannot be read"),
        (MalformedError("no JSON in secret", where=PLACE, bare="no JSON in 6 bytes"), "no JSON in 6 bytes"),
        (UnreadableError("begins with secret", bare="is no JSON"), "is no JSON"),
        (Refused("'secret' cannot", value="secret", bare="a value cannot", policy="quarantine"), "a value cannot"),
    ],
)
def test_what_quotes_records_says_it_otherwise(error: InstarError, said: str) -> None:
    told = pickle.loads(pickle.dumps(without_values(error)))
    assert type(told) is type(error)
    assert str(told).endswith(f"{said} (values are not shown: tagged pii)")
    assert "secret" not in repr((told.message, told.where))
    assert str(without_values(told)) == str(told)
    if isinstance(told, Refused):
        assert (told.value, told.policy) == (HIDDEN, "quarantine")


def test_what_quotes_none_stays_the_very_error() -> None:
    error = FileError("the file is encrypted")
    assert without_values(error) is error
    several = Collected("two", errors=[error, error])
    assert without_values(several) is several


def test_of_several_each_is_told_and_the_first_stands_for_all() -> None:
    told = without_values(Collected("secret is no date", errors=[DataError("secret is no date"), FileError("cut off")]))
    assert "secret" not in str(told)
    assert [type(each) for each in told.errors] == [DataError, FileError]


def test_a_damaged_avro_record_says_both(tmp_path: Path) -> None:
    path = tmp_path / "a.avro"
    document = {"type": "record", "name": "r", "fields": [{"name": "m", "type": {"type": "map", "values": "int"}}]}
    with path.open("wb") as file:
        fastavro.writer(file, document, [{"m": {"secret1": 1, "secret2": 2}}])
    path.write_bytes(path.read_bytes().replace(b"secret2", b"secret1"))
    facts = AVRO.inspect(path)
    assert facts.schema is not None
    with pytest.raises((UnreadableError, DataError), match="secret1") as found:
        list(AVRO.read(path, schema=facts.schema, columns=["m"], memory=1 << 26))
    assert "secret" not in str(without_values(found.value))
