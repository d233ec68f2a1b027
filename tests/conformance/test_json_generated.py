"""Generated JSON files in every layout and packing, moved on by Instar with its proof: what no operation names keeps its text."""

from __future__ import annotations

import gzip
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import zstandard
from hypothesis import given
from hypothesis import strategies as st

from instar import op
from instar.formats.json import FORMAT
from instar.formats.json.layout import BOM
from instar.transforms.mapping import Mapping, identity
from instar.transforms.proof.integrity import prove_file
from instar.transforms.run.stage_file import stage_file
from instar.transforms.run.unit import Unit
from tests.formats.json.json_texts import BLANKS, VALUES, objects
from tests.laws.test_laws import law

SCHEMA = FORMAT.parse('{"type": "object", "properties": {"id": {}}}')
PACKED: dict[str, tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]]] = {
    "": (bytes, bytes),
    ".gz": (gzip.compress, gzip.decompress),
    ".zst": (zstandard.compress, lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data)),
}
DEEP = "[" * 300 + "]" * 300
DIRECTED = (
    '{"id": -0.0, "x": {}, "y": [], "": ""}',
    '{"id":1' + "0" * 900 + ',"e":1E+400,"f":-1.500e-0007}',
    '{"id":"\\u0041\\ud83d\\ude00\\/","\\u0069d2":"\\\\\\"","\u2028":"\u2029\u007f"}',
    f'{{"id":{DEEP},"x":{DEEP}}}',
)


@st.composite
def records(draw: st.DrawFn) -> str:
    """A record whose first key is `id`, spelled so; the others are any."""
    blanks = [draw(BLANKS) for _ in range(4)]
    inner = draw(objects(VALUES).filter(lambda text: not {"id", "key", "new"} & json.loads(text).keys()))[1:-1]
    more = "," + inner if inner.strip() else inner
    return "{" + blanks[0] + '"id"' + blanks[1] + ":" + blanks[2] + draw(VALUES) + blanks[3] + more + "}"


@st.composite
def files(draw: st.DrawFn) -> tuple[str, list[str]]:
    """The file's text, with {} where its records go, and the records."""
    given = draw(st.lists(records() | st.sampled_from(DIRECTED), min_size=1, max_size=4))
    match draw(st.sampled_from(["lines", "array", "document"])):
        case "lines":
            given = [text.replace("\r", " ").replace("\n", " ") for text in given]
            end = draw(st.sampled_from(["\n", "\r\n", "\n\n", " \n"]))
            return "\0" + (end + "\0") * (len(given) - 1) + draw(st.sampled_from(["", end])), given
        case "array":
            return draw(BLANKS) + "[" + draw(BLANKS) + ("\0" + draw(BLANKS) + "," + draw(BLANKS)) * (
                len(given) - 1
            ) + "\0\n]\r\n", given
    return draw(BLANKS) + "\0" + draw(BLANKS), given[:1]


@law
@given(files(), st.sampled_from(sorted(PACKED)), st.booleans())
def test_files_of_every_form_keep_what_is_not_named(file: tuple[str, list[str]], packing: str, bom: bool) -> None:
    frame, before = file
    pack, unpack = PACKED[packing]
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / f"data.json{packing}"
        source.write_bytes(pack((BOM if bom else b"") + filled(frame, before)))
        mapping = identity(SCHEMA)
        assert unpack(moved(source, mapping)) == unpack(source.read_bytes())
        renamed = unpack(moved(source, op.rename("id", to="key").edit(mapping)))
        assert renamed.removeprefix(BOM) == filled(frame, [text.replace('"id"', '"key"', 1) for text in before])
        added = unpack(moved(source, op.add("new", "int64", default=7).edit(mapping))).removeprefix(BOM)
        nested = unpack(moved(source, op.move("id", to="new.id").edit(mapping))).removeprefix(BOM)
        members = list(map(pairs, before))
        assert [pairs(text) for text in cut(added, frame)] == [[*m, ("new", "number 7")] for m in members]
        for after, (first, *others) in zip(map(pairs, cut(nested, frame)), members, strict=True):
            assert [m for m in after if m[0] != "new"] == others
            assert dict(after)["new"] == [first]


def filled(frame: str, texts: list[str]) -> bytes:
    parts = frame.split("\0")
    return "".join(part + text for part, text in zip(parts, [*texts, ""], strict=True)).encode()


def cut(text: bytes, frame: str) -> list[str]:
    """The records out of a text in the same frame."""
    out, rest = [], text.decode()
    for before, after in zip(frame.split("\0"), [*frame.split("\0")[1:], None], strict=True):
        assert rest.startswith(before)
        rest = rest.removeprefix(before)
        if after is not None:
            _, end = json.JSONDecoder().raw_decode(rest)
            out.append(rest[:end])
            rest = rest[end:]
    assert not rest
    return out


def pairs(text: str) -> Any:
    """Keys and values in their order, numbers by their text."""
    number = "number {}".format
    return json.JSONDecoder(parse_float=number, parse_int=number, object_pairs_hook=list).decode(text)


def moved(source: Path, mapping: Mapping) -> bytes:
    """The new file's bytes, proved."""
    staged = source.with_name("staged")
    unit = Unit(source.name, str(source), str(staged), "json", mapping, None, None, "", 1 << 28)
    proof = prove_file(unit, stage_file(unit))
    assert proof.verdict == "proved", proof
    return staged.read_bytes()
