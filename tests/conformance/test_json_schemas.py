"""JSON Schemas as they are published: each comes back as it was, or is refused with the reason; a change changes its place only.

They are read in place, out of npm packages of fixed versions, which are fetched once into `.cache`.
"""

from __future__ import annotations

import copy
import json
import posixpath
import subprocess
import tarfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import make_data
import pytest

import instar
from instar import op
from instar.formats.errors import InstarError, SchemaError
from instar.formats.json import FORMAT
from instar.formats.path import path_text
from instar.formats.schema import Record, Schema
from instar.transforms.adopt import init
from instar.transforms.mapping import identity

PACKAGES = (
    ("@asyncapi/specs", "6.11.1", ("schemas/", "definitions/1.2.0/", "definitions/2.6.0/")),
    ("@cyclonedx/cyclonedx-library", "10.3.0", ("res/schema/",)),
    ("@octokit/webhooks-schemas", "7.6.1", ("schema.json",)),
    ("@salesforce/schemas", "1.10.3", ("",)),
    ("@schematics/angular", "21.2.28", ("",)),
    ("ajv", "8.20.0", ("lib/refs/",)),
    ("har-schema", "2.0.0", ("lib/",)),
    ("vega-lite", "6.4.3", ("build/",)),
)
"""Name, version, and where in it schemas are."""

REFUSED = {
    # draft-07 around a draft-04 metaschema, whose "exclusiveMinimum": true it does not allow
    "@asyncapi/specs/schemas/2.0.0-rc1.json": "True is not of type 'number'",
    "@asyncapi/specs/schemas/2.0.0-rc1-without-$id.json": "True is not of type 'number'",
    # these lack a definition that they refer to, or a document that is in no package
    "@asyncapi/specs/schemas/1.0.0-without-$id.json": " at #/definitions/HTTPSecurityScheme/oneOf/2 leads nowhere",
    "@asyncapi/specs/schemas/1.1.0-without-$id.json": " at #/definitions/HTTPSecurityScheme/oneOf/2 leads nowhere",
    "@asyncapi/specs/schemas/1.2.0-without-$id.json": " at #/definitions/parameters/additionalProperties leads nowhere",
    "@asyncapi/specs/schemas/all.schema-store.json": " at #/oneOf/13/allOf/1 leads nowhere",
}
KEYWORDS = {"$schema", "properties", "definitions", "$defs", "allOf", "anyOf", "oneOf", "$ref"}
NEW = "renamed_by_instar"


@dataclass(frozen=True)
class Published:
    """One document of a package; `library` is the package's documents, by file name, for its references to them."""

    name: str
    text: str
    library: dict[str, str]

    @cached_property
    def json(self) -> Any:
        return json.loads(self.text)

    @cached_property
    def schema(self) -> Schema:
        return FORMAT.parse(self.text, library=self.library)


@pytest.fixture(scope="module")
def published() -> tuple[Published, ...]:
    """All documents; skips where npm cannot fetch them."""
    try:
        archives = [(name, make_data.npm_package(name, version), folders) for name, version, folders in PACKAGES]
    except (subprocess.CalledProcessError, FileNotFoundError) as error:
        pytest.skip(f"the npm packages with the schemas cannot be fetched here: {error}")
    return tuple(document for name, path, folders in archives for document in _documents(name, path, folders))


def _documents(package: str, archive: Any, folders: tuple[str, ...]) -> Iterator[Published]:
    library: dict[str, str] = {}
    with tarfile.open(archive) as tar:
        for member in tar:
            path = member.name.removeprefix("package/")
            if path.endswith(".json") and path.startswith(folders) and (text := _schema_text(tar, member)):
                library[path] = text
    names = Counter(map(posixpath.basename, library))
    parts = {
        name if names[name := posixpath.basename(path)] == 1 else path: text
        for path, text in library.items()
        if not path.startswith("schemas/")  # each of these has all that it needs in itself
    }
    yield from (Published(f"{package}/{path}", text, parts) for path, text in library.items())


def _schema_text(tar: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    """The file's text if it is a JSON Schema, else ""."""
    file = tar.extractfile(member)
    assert file is not None
    text = file.read().decode("utf-8-sig")
    try:
        document = json.loads(text)
    except ValueError:  # templates have the name, too
        return ""
    said = document.get("$schema", "") if isinstance(document, dict) else ""
    is_one = "json-schema.org" in said or (not said and isinstance(document, dict) and KEYWORDS & document.keys())
    return text if is_one and posixpath.basename(member.name) != "package.json" else ""


def test_every_tenth_comes_back_as_it_was(published: tuple[Published, ...]) -> None:
    some = [one for one in published if one.name not in REFUSED][::10]
    assert len(some) > 10
    for one in some:
        assert json.loads(FORMAT.render(one.schema)) == one.json, one.name


def test_one_without_a_definition_is_refused(published: tuple[Published, ...]) -> None:
    name = "@asyncapi/specs/schemas/1.2.0-without-$id.json"
    with pytest.raises(SchemaError) as refused:
        _ = next(one for one in published if one.name == name).schema
    assert str(refused.value).endswith(REFUSED[name])


@pytest.mark.slow
def test_each_comes_back_as_it_was_or_is_refused(published: tuple[Published, ...]) -> None:
    refused, drafts = {}, Counter()
    for one in published:
        try:
            schema = one.schema
        except SchemaError as error:
            refused[one.name] = error
            continue
        assert json.loads(FORMAT.render(schema)) == one.json, one.name
        drafts[one.json.get("$schema", "").rstrip("#").removeprefix("http://json-schema.org/")] += 1
    assert refused.keys() == REFUSED.keys()
    assert all(error.hint and str(error).endswith(REFUSED[name]) for name, error in refused.items()), refused
    assert sum(drafts.values()) >= 100
    assert min(drafts[draft] for draft in ("draft-04/schema", "draft-06/schema", "draft-07/schema")) > 10


@pytest.mark.slow
def test_a_change_of_one_property_leaves_all_other_text(published: tuple[Published, ...]) -> None:
    """The first property renamed, dropped, and another added: where that is refused, a keyword spoke of it."""
    told: Counter[str] = Counter()
    for one in published:
        if one.name in REFUSED or not isinstance((schema := one.schema).root.type, Record):
            continue
        document = one.json
        if not (names := list(document.get("properties", ()))):
            continue
        path = path_text((names[0],))
        for change in (op.rename(path, to=NEW), op.drop(path), op.add(NEW, "string?")):
            expected, freed = _changed(document, names[0], change)
            try:
                after = json.loads(FORMAT.render(change.edit(identity(schema)).target))
            except InstarError as error:
                told[_reason(error)] += 1
                continue
            for container, name in freed - _definitions(after):  # a definition that only what was dropped used goes with it
                del expected[container][name]
                expected = {k: v for k, v in expected.items() if v or k != container}
            assert after == expected, (one.name, change)
            assert list(after["properties"]) == list(expected["properties"]), (one.name, change)
            told[type(change).__name__] += 1
    reasons = {
        "the data would be a record without fields, which not every format can hold",
        "the change alters what refers to, which is also used where Instar does not edit",
        "at the record speaks of the property which is gone after this change",
    }
    assert told.keys() == {"Rename", "Drop", "Add", *reasons}
    assert min(told["Rename"], told["Drop"], told["Add"]) > 100
    assert sum(told[reason] for reason in reasons) < 25


def test_a_registered_document_is_moved_on_by_a_script(published: tuple[Published, ...], tmp_path: Path) -> None:
    init(tmp_path)
    project = instar.open(tmp_path)
    found = {one.name: one for one in published}
    for name in (
        "@schematics/angular/application/schema.json",
        "@salesforce/schemas/sfdx-project.schema.json",
        "har-schema/lib/cookie.json",
    ):
        path = tmp_path / "published.schema.json"
        path.write_text(found[name].text, encoding="utf-8")
        subject = posixpath.basename(name).split(".")[0]
        assert project.register(subject, path).version == 1
        names = list(found[name].json["properties"])
        script = project.revision(subject, "one name")
        operations = f"op.rename({path_text((names[-1],))!r}, to={NEW!r})"
        script.write_text(f'"""One name."""\nfrom instar import op\nupgrade = [{operations}]\n', encoding="utf-8")
        assert project.register(subject).version == 2
        expected, _ = _changed(found[name].json, names[-1], op.rename(path_text((names[-1],)), to=NEW))
        assert json.loads(project.registry.path(subject, 2).read_text("utf-8")) == expected


def _changed(document: dict[str, Any], first: str, change: Any) -> tuple[dict[str, Any], set[tuple[str, str]]]:
    """The document as the change should leave it, and the definitions that it may do without."""
    out = copy.deepcopy(document)
    properties, required = out["properties"], out.get("required", [])
    match change:
        case op.rename():
            out["properties"] = {NEW if name == first else name: node for name, node in properties.items()}
            changed = [NEW if name == first else name for name in required]
        case op.drop():
            del properties[first]
            changed = [name for name in required if name != first]
        case _:
            properties[NEW] = {"type": ["string", "null"], "default": None}
            changed = [*required, NEW]
    if changed != required:
        out["required"] = changed
    return out, _definitions(document) if isinstance(change, op.drop) else set()


def _definitions(document: dict[str, Any]) -> set[tuple[str, str]]:
    return {(container, name) for container in ("definitions", "$defs") for name in document.get(container, ())}


def _reason(error: InstarError) -> str:
    return " ".join(word for word in str(error).split() if word[0] not in "'#\"")
