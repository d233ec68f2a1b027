"""The registry on disk: real documents of the three formats in real folders."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from instar.formats.documents import SUFFIXES, document_fingerprint, format_of
from instar.formats.errors import RegistryError, SchemaError
from instar.formats.format import FORMATS, format_named
from instar.formats.lockfile import NAME
from instar.formats.registry import Registry
from instar.formats.schema import Field, Int, String, Timestamp, schema

ORDER = {"type": "record", "name": "Order", "namespace": "shop", "fields": [{"name": "id", "type": "long"}]}
EVENT = {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "properties": {"id": {"type": "integer"}}}


def avsc(*fields: tuple[str, object], name: str = "Order") -> str:
    return json.dumps({**ORDER, "name": name, "fields": [{"name": field, "type": type} for field, type in fields]}, indent=2) + "\n"


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "schemas")


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_versions_are_numbered_and_read_back(registry: Registry) -> None:
    first, second = avsc(("id", "long")), avsc(("id", "long"), ("note", "string"))
    assert registry.register("orders", first, "avro") == 1
    assert registry.register("orders", second, "avro") == 2
    assert registry.subjects() == ("orders",)
    assert registry.versions("orders") == (1, 2)
    assert registry.head("orders") == 2
    assert registry.format("orders") == "avro"
    assert registry.document("orders", 1) == first
    assert registry.schema("orders", 2).record.names == ("id", "note")
    assert files(registry.folder) == ["orders/v1.avsc", "orders/v2.avsc", NAME]
    assert registry.verify() == ()


def test_a_logical_schema_is_rendered(registry: Registry) -> None:
    wanted = schema(Field("when", Timestamp("us", "UTC"), nullable=True), Field('odd "name".x', Int(64)))
    assert registry.register("flights", wanted, "parquet") == 1
    assert registry.schema("flights", 1).record.names == ("when", 'odd "name".x')
    assert registry.path("flights", 1).name == "v1.arrow.json"


def test_the_same_schema_again_is_the_same_version(registry: Registry) -> None:
    registry.register("orders", avsc(("id", "long")), "avro")
    registry.register("orders", avsc(("id", "string")), "avro")
    before = (registry.folder / NAME).stat().st_mtime_ns
    assert registry.register("orders", json.dumps(json.loads(avsc(("id", "long")))), "avro") == 1
    assert registry.register("orders", avsc(("id", "string")), "avro", amend=True, used=True) == 2
    assert (registry.folder / NAME).stat().st_mtime_ns == before


def test_reformatting_is_no_edit(registry: Registry) -> None:
    registry.register("events", json.dumps({**EVENT, "properties": {"x": {"type": "number", "maximum": 1.50e1}}}), "json")
    path = registry.path("events", 1)
    text = json.dumps(json.loads(path.read_text()), indent=8, sort_keys=True)
    path.write_bytes(b"\xef\xbb\xbf" + text.replace("15.0", "15").replace("\n", "\r\n").encode())
    assert registry.verify() == ()
    assert registry.schema("events", 1).record.names == ("x",)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda path: path.write_text(path.read_text().replace("long", "int")), "was changed after it was registered"),
        (lambda path: path.write_text(path.read_text()[:-20]), "is not a document any more"),
        (lambda path: path.unlink(), "missing"),
    ],
    ids=["edited", "truncated", "removed"],
)
def test_an_edit_is_caught(registry: Registry, change: Callable[[Path], object], said: str) -> None:
    registry.register("orders", avsc(("id", "long")), "avro")
    change(registry.path("orders", 1))
    (problem,) = registry.verify()
    assert (problem.subject, problem.version) == ("orders", 1)
    assert said in problem.message
    with pytest.raises(RegistryError, match=r"v1\.avsc"):
        registry.schema("orders", 1)
    with pytest.raises(RegistryError, match="not in order"):
        registry.register("orders", avsc(("id", "string")), "avro")


def test_an_edited_head_may_be_amended(registry: Registry) -> None:
    registry.register("orders", avsc(("id", "long")), "avro")
    registry.path("orders", 1).write_text(avsc(("id", "int")))
    assert registry.register("orders", avsc(("id", "int")), "avro", amend=True) == 1
    assert registry.verify() == ()
    registry.path("orders", 1).write_text("garbage")
    assert registry.register("orders", avsc(("id", "int")), "avro", amend=True) == 1
    assert registry.verify() == ()


def test_what_verify_finds(registry: Registry) -> None:
    for type in ("int", "long", "string"):
        registry.register("orders", avsc(("id", type)), "avro")
    folder = registry.folder / "orders"
    (folder / "v2.avsc").unlink()
    (folder / "v5.avsc").write_text(avsc(("id", "bytes")))
    (folder / "v6.json").write_text("{}")
    (folder / "v1.schema.json").write_text(json.dumps(EVENT))
    (folder / "README.md").write_text("about")
    found = [(problem.version, problem.message) for problem in registry.verify()]
    assert (2, "its document is missing") in found
    assert any(version == 4 and "missing" in message for version, message in found)
    assert any(version == 5 and "not registered" in message for version, message in found)
    assert any("v6.json" in message for _, message in found)
    assert any("two formats, avro and json" in message for _, message in found)
    assert len(found) == 5


def test_a_lock_line_that_lies_about_the_structure_is_found(registry: Registry) -> None:
    registry.register("orders", avsc(("id", "long")), "avro")
    lock = registry.folder / NAME
    text = lock.read_text()
    lock.write_text(text[: text.index("structure = ")] + 'structure = "0000" }\n')
    (problem,) = registry.verify()
    assert "another structure" in problem.message


def test_amending(registry: Registry) -> None:
    with pytest.raises(RegistryError, match="no version to amend"):
        registry.register("orders", avsc(("id", "long")), "avro", amend=True)
    registry.register("orders", avsc(("id", "int")), "avro")
    registry.register("orders", avsc(("id", "long")), "avro")
    with pytest.raises(RegistryError, match="in use"):
        registry.register("orders", avsc(("id", "string")), "avro", amend=True, used=True)
    assert registry.register("orders", avsc(("id", "string")), "avro", amend=True) == 2
    assert registry.versions("orders") == (1, 2)
    assert registry.document("orders", 2) == avsc(("id", "string"))
    assert registry.verify() == ()


def test_unknown_names_come_with_what_there_is(registry: Registry) -> None:
    with pytest.raises(RegistryError) as none:
        registry.versions("orders")
    assert "instar register" in none.value.hint
    registry.register("orders", avsc(("id", "int")), "avro")
    registry.register("orders", avsc(("id", "long")), "avro")
    with pytest.raises(RegistryError) as subject:
        registry.schema("order", 1)
    assert "'orders'" in subject.value.hint
    with pytest.raises(RegistryError) as version:
        registry.schema("orders", 3)
    assert "versions 1 to 2" in version.value.hint
    assert subject.value.exit_code == version.value.exit_code == 2


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "a\\b", ".hidden", "_x", "x.", "a b", "a\x00", "a\n", "x" * 300])
def test_a_subject_cannot_lead_out_of_the_registry(registry: Registry, name: str) -> None:
    with pytest.raises(RegistryError, match="cannot be a subject"):
        registry.register(name, avsc(("id", "int")), "avro")
    assert not registry.folder.exists()


@pytest.mark.parametrize("name", ["com.acme.Order", "zähler", "2024-orders", "a_b"])
def test_subjects_may_be_called(registry: Registry, name: str) -> None:
    registry.register(name, avsc(("id", "int")), "avro")
    assert registry.subjects() == (name,)
    assert registry.verify() == ()


def test_subjects_that_differ_by_case_only_are_refused(registry: Registry) -> None:
    registry.register("orders", avsc(("id", "int")), "avro")
    with pytest.raises(RegistryError, match="by case only"):
        registry.register("Orders", avsc(("id", "int")), "avro")


def test_one_subject_has_one_format(registry: Registry) -> None:
    registry.register("orders", avsc(("id", "int")), "avro")
    with pytest.raises(RegistryError, match="avro schemas, this one is json"):
        registry.register("orders", json.dumps(EVENT), "json")


def test_an_invalid_schema_registers_nothing(registry: Registry) -> None:
    for text in ("", "{", '{"type": "record", "name": "A", "name": "B", "fields": []}', avsc(("id", "nosuch"))):
        with pytest.raises(SchemaError):
            registry.register("orders", text, "avro")
    assert not registry.folder.exists()


def test_a_document_that_lies_there_already_is_adopted_or_refused(registry: Registry) -> None:
    registry.register("orders", avsc(("id", "int")), "avro")
    path = registry.folder / "orders" / "v2.avsc"
    path.write_text(json.dumps(json.loads(avsc(("id", "long")))))
    with pytest.raises(RegistryError, match="holds another schema"):
        registry.register("orders", avsc(("id", "string")), "avro")
    assert registry.register("orders", path.read_text(), "avro") == 2
    assert registry.verify() == ()


def test_a_failed_write_leaves_nothing(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    registry.register("orders", avsc(("id", "int")), "avro")
    before = {name: (registry.folder / name).read_bytes() for name in files(registry.folder)}

    def full(folder: Path, lock: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("instar.formats.registry.save_lock", full)
    with pytest.raises(RegistryError, match="No space left"):
        registry.register("orders", avsc(("id", "long")), "avro")
    with pytest.raises(RegistryError, match="No space left"):
        registry.register("orders", avsc(("id", "long")), "avro", amend=True)
    with pytest.raises(RegistryError, match="No space left"):
        registry.register("customers", avsc(("id", "long")), "avro")
    assert {name: (registry.folder / name).read_bytes() for name in files(registry.folder)} == before
    assert not (registry.folder / "customers").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_no_permission(registry: Registry) -> None:
    registry.register("orders", avsc(("id", "int")), "avro")
    (registry.folder / "orders").chmod(0o500)
    try:
        with pytest.raises(RegistryError, match="could not be written"):
            registry.register("orders", avsc(("id", "long")), "avro")
    finally:
        (registry.folder / "orders").chmod(0o700)
    assert registry.versions("orders") == (1,)


def test_the_lock_is_sorted_and_a_line_a_version(registry: Registry) -> None:
    registry.register("b", avsc(("id", "int")), "avro")
    registry.register("a", avsc(("id", "int")), "avro")
    for i in range(2, 12):
        registry.register("b", avsc(("id", "int"), (f"f{i}", "int")), "avro")
    lines = (registry.folder / NAME).read_text().splitlines()
    keys = [line.split(" ")[0] for line in lines if line.startswith(("[", "v"))]
    assert keys == ['["a"]', "v1", '["b"]', *(f"v{i}" for i in range(1, 12))]


def test_a_lock_with_a_merge_conflict_is_named(registry: Registry) -> None:
    registry.register("orders", avsc(("id", "int")), "avro")
    lock = registry.folder / NAME
    lock.write_text(lock.read_text() + "<<<<<<< ours\n")
    with pytest.raises(RegistryError, match=NAME) as error:
        registry.versions("orders")
    assert "merge" in error.value.hint


def test_an_avro_document_refers_to_another_and_stays_tied_to_it(registry: Registry) -> None:
    registry.register("address", avsc(("zip", "string"), name="Address"), "avro")
    registry.register("orders", avsc(("id", "long"), ("to", "shop.Address")), "avro")
    registry.register("address", avsc(("zip", "string"), ("city", "string"), name="Address"), "avro")
    assert 'references = { "shop.Address" = "address/v1" }' in (registry.folder / NAME).read_text()
    assert registry.verify() == ()
    registry.register("orders", avsc(("id", "long"), ("to", "Address")), "avro")
    assert 'references = { "shop.Address" = "address/v2" }' in (registry.folder / NAME).read_text()
    with pytest.raises(RegistryError, match="referred to by orders v2"):
        registry.register("address", avsc(("zip", "long"), name="Address"), "avro", amend=True)


def test_a_json_schema_refers_to_another(registry: Registry) -> None:
    address = {**EVENT, "$id": "https://shop.example/address.json", "properties": {"zip": {"type": "string"}}}
    registry.register("address", json.dumps(address), "json")
    for i, reference in enumerate(["../address/v1.schema.json", "address/v1.schema.json", "https://shop.example/address.json"], 1):
        order = {**EVENT, "properties": {"to": {"$ref": reference}}}
        assert registry.register("orders", json.dumps(order), "json") == i
        assert registry.schema("orders", i).record.names == ("to",)
    based = {**EVENT, "$id": "https://shop.example/order.json", "properties": {"to": {"$ref": "address.json#"}}}
    assert registry.register("based", json.dumps(based), "json") == 1
    assert registry.verify() == ()
    with pytest.raises(SchemaError):
        registry.register("lost", json.dumps({**EVENT, "properties": {"to": {"$ref": "../nosuch/v1.schema.json"}}}), "json")


@pytest.mark.parametrize("format", FORMATS)
def test_suffixes_are_those_of_the_formats(format: str) -> None:
    assert format_named(format).suffix == SUFFIXES[format]


@pytest.mark.parametrize(
    ("name", "text", "format"),
    [
        ("x.avsc", "{}", "avro"),
        ("x.schema.json", "{}", "json"),
        ("x.arrow.json", "{}", "parquet"),
        ("x.json", json.dumps(ORDER), "avro"),
        ("x.json", '["null", "string"]', "avro"),
        ("x.json", '{"type": "array", "items": "string"}', "avro"),
        ("x.json", '{"type": "array", "items": {"type": "string"}}', "json"),
        ("x.json", json.dumps(EVENT), "json"),
        ("x.json", '{"type": "object"}', "json"),
        ("x.json", '{"schema": {"fields": []}}', "parquet"),
    ],
)
def test_the_format_of_a_document(name: str, text: str, format: str) -> None:
    assert format_of(name, text) == format


@pytest.mark.parametrize("text", ["", "1", "{}", '{"a": NaN}', "id,name"])
def test_what_is_no_schema_document(text: str) -> None:
    with pytest.raises(SchemaError):
        format_of("x.txt", text)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ('{"a": 1, "b": [1.50]}', '{ "b":[15e-1],"a":1.0 }', True),
        ('{"a": 1e400000000}', '{"a": 10e399999999}', True),
        ('{"a": 0.1}', '{"a": 0.10000000000000001}', False),
        ('{"a": 12345678901234567890123}', '{"a": 12345678901234567890124}', False),
        ('["a", "b"]', '["b", "a"]', False),
        ('{"a": "1"}', '{"a": 1}', False),
        ('{"a": "\\u00e9"}', '{"a": "é"}', True),
    ],
)
def test_the_fingerprint_is_of_what_a_document_says(one: str, other: str, same: bool) -> None:
    assert (document_fingerprint(one) == document_fingerprint(other)) is same


def test_a_difference_in_documentation_only_makes_a_version(registry: Registry) -> None:
    registry.register("x", schema(Field("a", String())), "avro")
    registry.register("x", schema(Field("a", String(), doc="what it is")), "avro")
    assert registry.versions("x") == (1, 2)
    assert registry.fingerprint("x", 1) != registry.fingerprint("x", 2)
