"""The access to JSON's raw values (the `Values` of the format contract): a raw value is its text.

Texts are `msgspec.Raw` inside a record and `bytes` for a whole record; null is that text or None.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from instar.formats.errors import DataError, Where
from instar.formats.schema import Field, List, Map, Record, Reference, Schema, Union, type_text

from .branches import Branches
from .check import record_reader
from .order import Arrangement
from .scalars import scalar_decoder, scalar_encoder
from .scan import Member, SpelledList, SpelledObject, compact, not_utf8, object_opener, open_list
from .style import UniformObject

NULL = msgspec.Raw(b"null")


class JsonValues:
    """Fields of `source` are opened and decoded, of `target` sealed and encoded; references mean their own schema's definitions.

    `strict`: see `Format.values`.
    """

    def __init__(self, source: Schema, target: Schema, *, strict: bool = False) -> None:
        self.source = source
        self.target = target
        self.strict = strict

    # ---- source
    def opener(self, field: Field) -> Callable[[Any], Any]:
        """raw → its raws one level down; what is open already stays as it is."""
        kind = _meant(field, self.source).type
        if not isinstance(kind, Record | Map | List):
            raise TypeError(f"a value of type {type_text(kind)} has nothing to open")
        open_text: Callable[[bytes], Any] = open_list if isinstance(kind, List) else object_opener()
        kept = list if isinstance(kind, List) else dict
        judge = record_reader(lambda text: 0.5) if self.strict else _check_utf8

        def opened(raw: Any) -> Any:
            if raw is None or isinstance(raw, kept):
                return raw
            if raw.__class__ is bytes:
                judge(raw)
            else:
                raw = bytes(raw)
            return None if raw == b"null" else open_text(raw)

        return opened

    def decoder(self, field: Field) -> Callable[[Any], Any]:
        """raw → Python value. Of a record, the keys that the schema names."""
        kind = _meant(field, self.source).type
        if isinstance(kind, Record | Map | List):
            return self._nested_decoder(field, kind)
        decode = scalar_decoder(field.with_(type=kind))

        def decoded(raw: Any) -> Any:
            if raw is None:
                return None
            text = bytes(raw)
            return None if text == b"null" else decode(text)

        return decoded

    def _nested_decoder(self, field: Field, kind: Record | Map | List) -> Callable[[Any], Any]:
        opened = self.opener(field)
        known = {f.name: f for f in kind.fields} if isinstance(kind, Record) else {}
        below = {} if isinstance(kind, Record) else {"": self.decoder(kind.value if isinstance(kind, Map) else kind.item)}

        def of(name: str) -> Callable[[Any], Any]:
            """The decoder of a record's field, made when first needed: types may be recursive."""
            if name not in below:
                below[name] = self.decoder(known[name])
            return below[name]

        def decoded(raw: Any) -> Any:
            container = opened(raw)
            if container is None:
                return None
            if isinstance(kind, Record):
                return {name: of(name)(each) for name, each in container.items() if name in known}
            decode = below[""]
            return {k: decode(v) for k, v in container.items()} if isinstance(kind, Map) else [decode(each) for each in container]

        return decoded

    # ---- target
    def encoder(self, field: Field) -> Callable[[Any], Any]:
        """Python value or None → raw."""
        kind = _meant(field, self.target).type
        if isinstance(kind, Record | Map | List):
            return self._nested_encoder(field, kind)
        encode = scalar_encoder(field.with_(type=kind))
        return lambda value: NULL if value is None else msgspec.Raw(encode(value))

    def _nested_encoder(self, field: Field, kind: Record | Map | List) -> Callable[[Any], Any]:
        known = {f.name: f for f in kind.fields} if isinstance(kind, Record) else {}

        def encoded(value: Any) -> Any:
            match kind, value:
                case _, None:
                    return NULL
                case Record(), dict() if value.keys() <= known.keys():
                    return _raw({name: self.encoder(known[name])(each) for name, each in value.items()})
                case Map(of), dict():
                    encode = self.encoder(of)
                    return _raw({key: encode(each) for key, each in value.items()})
                case List(item), list() | tuple():
                    return _raw(list(map(self.encoder(item), value)))
            raise DataError(
                f"{value!r:.60} is not {type_text(kind):.60}",
                hint="The value cannot be written as that type.",
                where=Where(found=type(value).__name__, expected=type_text(kind)),
            )

        return encoded

    # ---- unions
    def branch_opener(self, field: Field) -> Callable[[Any], Any]:
        """raw → (number of the branch that it looks like, raw)."""
        kind = _meant(field, self.source).type
        assert isinstance(kind, Union)
        branches = Branches(kind.branches, self.source.definitions)

        def opened(raw: Any) -> tuple[int, Any] | None:
            text = b"null" if raw is None else bytes(raw)
            return None if text == b"null" else (branches.of(text), raw)

        return opened

    def branch_sealer(self, field: Field) -> Callable[[Any, int, Any], Any]:
        """(ignored, ignored, raw of the branch) → that."""
        return lambda opened, number, raw: raw

    def recoder(self, source: Field, target: Field) -> Callable[[Any], Any] | None:
        return None  # a value's text means the same everywhere

    def sealer(self, field: Field) -> Callable[[Any, Any], Any]:
        """(opened source or None, name → raw or list of raw) → raw.

        Unchanged members keep their text, order and spacing; a new record is written compactly. The members of a new key are
        spaced like its neighbours'.
        """
        kind = _meant(field, self.target).type
        if isinstance(kind, List):
            return _sealed_list
        arrangement = Arrangement(kind.names if isinstance(kind, Record) else ())

        def sealed(opened: Any, new: Any) -> Any:
            if new is None:
                return NULL
            if opened is None:
                return _raw(new)
            order = arrangement.order(opened, new)
            if opened.__class__ is SpelledObject:
                return _spliced(opened, new, [(name, name) for name in new] if order is None else order)
            members = new if order is None else {name: new[name] for name, _ in order}
            if opened.__class__ is not UniformObject or not members:
                return _raw(members)
            if None in members.values():
                members = {name: NULL if value is None else value for name, value in members.items()}
            return msgspec.Raw(opened.style.text(members))

        return sealed


def _meant(field: Field, schema: Schema) -> Field:
    """The field with the definition in the place of a reference."""
    if not isinstance(field.type, Reference) or field.type.name not in schema.definitions:
        return field
    return _meant(schema.definitions[field.type.name].with_(name=field.name, nullable=field.nullable), schema)


def _check_utf8(text: bytes) -> None:
    """A value's text is not looked into, so bytes that are no characters would go unseen there."""
    if not text.isascii():
        try:
            text.decode()
        except UnicodeDecodeError as error:
            raise not_utf8(error) from None


def _raw(members: Any) -> msgspec.Raw:
    try:
        return msgspec.Raw(compact(members))
    except UnicodeEncodeError:
        raise DataError("a key holds half a surrogate pair, which is no character", hint="Give the key another name.") from None


def _sealed_list(opened: Any, new: Any) -> Any:
    if new is None:
        return NULL
    if opened.__class__ is not SpelledList or len(opened) != len(new):
        return _raw(new)
    if all(a is b for a, b in zip(opened, new, strict=True)):
        return msgspec.Raw(opened.text)
    parts, position = [], 0
    for (start, end), value in zip(opened.items, new, strict=True):
        parts += opened.text[position:start], _text(value)
        position = end
    return msgspec.Raw(b"".join([*parts, opened.text[position:]]))


def _text(value: Any) -> bytes:
    return b"null" if value is None else bytes(value)


def _spliced(opened: SpelledObject, new: dict[str, Any], order: Iterable[tuple[str, str | None]]) -> msgspec.Raw:
    """The object's text with changed members replaced, each key's and separator's own text kept."""
    text, members = opened.text, opened.members
    if not members:
        return _raw({name: new[name] for name, _ in order}) if new else msgspec.Raw(text)
    if len(new) == len(opened) and all(name == old and new[name] is opened[name] for name, old in order):
        return msgspec.Raw(text)
    if not new:
        return msgspec.Raw(b"{}")
    spans = list(members.values())
    first, last = spans[0], spans[-1]
    head, tail = text[: first[0]], text[last[3] :]
    between = {name: text[spans[i][3] : span[0]] for i, (name, span) in enumerate(list(members.items())[1:])}
    usual = text[spans[-2][3] : last[0]] if len(spans) > 1 else _after_comma(text, first)
    parts: list[bytes] = []
    for name, old in order:
        parts.append((usual if old is None else between.get(old, usual)) if parts else head)
        span = last if old is None else members[old]
        parts.append(text[span[0] : span[1]] if name == old else compact(name))
        parts.append(text[span[1] : span[2]])
        parts.append(_text(new[name]))
    return msgspec.Raw(b"".join([*parts, tail]))


def _after_comma(text: bytes, first: Member) -> bytes:
    """The separator of an object with one member: its indentation again, or a blank where there is one after the colon."""
    return b"," + (text[text.index(b"{") + 1 : first[0]] or (b" " if text[first[2] - 1 : first[2]] == b" " else b""))
