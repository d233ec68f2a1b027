"""Type names as people write them in scripts: text to type, with a did-you-mean for the names other systems use."""

from __future__ import annotations

import re

from .errors import SchemaError, suggestion
from .schema import (
    Bool,
    Bytes,
    Date,
    Decimal,
    Duration,
    Enum,
    Field,
    Fixed,
    Float,
    Int,
    Integer,
    Json,
    List,
    Map,
    Null,
    Number,
    Record,
    String,
    Time,
    Timestamp,
    Type,
    Union,
    Uuid,
)  # fmt: skip

_PLAIN: dict[str, Type] = {
    "null": Null(), "bool": Bool(), "integer": Integer(), "number": Number(), "half": Float(16), "float": Float(32),
    "double": Float(64), "string": String(), "bytes": Bytes(), "date": Date(), "uuid": Uuid(), "json": Json(),
    **{f"int{bits}": Int(bits) for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": Int(bits, signed=False) for bits in (8, 16, 32, 64)},
}  # fmt: skip
_WITH_ARGUMENTS = ("decimal(p,s)", "fixed(n)", "time(u)", "timestamp(u)", "timestamp(u, tz)", "duration(u)", "enum(a, b)",
                   "list<T>", "map<T>", "record{name: T}", "union<A, B>")  # fmt: skip
_NATIVE = {
    "int": "int32", "long": "int64", "bigint": "int64", "smallint": "int16", "tinyint": "int8", "short": "int16", "byte": "int8",
    "varchar": "string", "text": "string", "str": "string", "utf8": "string", "large_string": "string", "char": "string",
    "boolean": "bool", "real": "float", "float32": "float", "float64": "double", "float16": "half", "object": "record{…}",
    "struct": "record{…}", "array": "list<T>", "blob": "bytes", "binary": "bytes", "bytea": "bytes", "numeric": "decimal(p,s)",
    "datetime": "timestamp(us)", "timestamptz": "timestamp(us, UTC)", "timestamp": "timestamp(us)", "time": "time(us)",
    "decimal": "decimal(p,s)", "date32": "date", "date64": "date", "enum": "enum(a, b)", "list": "list<T>", "map": "map<T>",
    "fixed": "fixed(n)", "record": "record{name: T}", "union": "union<A, B>", "duration": "duration(us)",
    "interval": "duration(us)",
}  # fmt: skip
_TOKEN = re.compile(r'\s*(?:(?P<quoted>"(?:[^"]|"")*")|(?P<word>[^\s<>(){},:?"]+)|(?P<mark>[<>(){},:?]))')
_COUNT = re.compile(r"[0-9]{1,18}")


def parse_type(text: str) -> Type:
    """`"list<decimal(10,2)?>"` to a type; the reverse of `type_text`.

    Raises:
        SchemaError: an unknown name (with a did-you-mean), a malformed text, an impossible argument.
    """
    field = parse_field_type(text)
    if field.nullable:
        raise SchemaError(f"{text!r} ends in '?'", hint="Say nullable=True (or op.allow_null) instead of '?' for the field itself.")
    return field.type


def parse_field_type(text: str) -> Field:
    """As `parse_type`, with an optional `?` at the end: the unnamed field of that type and nullability."""
    reader = _Reader(text)
    try:
        field = reader.field("")
    except RecursionError:
        raise reader.error("it is nested too deeply") from None
    if reader.peek():
        raise reader.error(f"unexpected {reader.peek()!r}")
    return field


class _Reader:
    """Recursive descent over the tokens of one type text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens: list[str] = []
        end = 0
        while text[end:].strip():
            token = _TOKEN.match(text, end)
            if token is None:
                raise self.error(f"cannot read from character {end + 1} on")
            self.tokens.append(token[0].strip())
            end = token.end()
        self.at = 0

    def error(self, what: str) -> SchemaError:
        return SchemaError(
            f"the type {self.text!r} cannot be read: {what}", hint=f"Types are {', '.join([*_PLAIN, *_WITH_ARGUMENTS])}."
        )

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def next(self) -> str:
        token = self.peek()
        if not token:
            raise self.error("it ends too early")
        self.at += 1
        return token

    def expect(self, mark: str) -> None:
        if (found := self.peek()) != mark:
            raise self.error(f"expected {mark!r}, found {found or 'the end'!r}")
        self.at += 1

    def accept(self, mark: str) -> bool:
        if self.peek() == mark:
            self.at += 1
            return True
        return False

    def field(self, name: str) -> Field:
        type = self.type()
        return Field(name, type, nullable=self.accept("?"))

    def type(self) -> Type:
        word = self.next()
        match word, self.peek():
            case "list", "<":
                return List(self.bracketed("item")[0])
            case "map", "<":
                *keys, value = self.bracketed("value")
                return Map(value, keys[0].type) if keys else Map(value)
            case "union", "<":
                return Union(tuple(f.with_(name=str(i)) for i, f in enumerate(self.bracketed(""))))
            case "record", "{":
                return Record(self.named())
            case (("decimal" | "fixed" | "time" | "timestamp" | "duration" | "enum"), "("):
                return self.with_arguments(word, self.arguments())
        if word in _PLAIN:
            return _PLAIN[word]
        if word.lower() in _NATIVE:
            raise SchemaError(
                f"{word!r} is not one of Instar's type names",
                hint=f"Did you mean {_NATIVE[word.lower()]!r}? Instar has one vocabulary for all formats.",
            )
        raise SchemaError(f"there is no type {word!r}", hint=suggestion(word, [*_PLAIN, *_WITH_ARGUMENTS]))

    def bracketed(self, name: str) -> list[Field]:
        self.expect("<")
        fields = [self.field(name)]
        while self.accept(","):
            fields.append(self.field(name))
        self.expect(">")
        return fields

    def named(self) -> tuple[Field, ...]:
        self.expect("{")
        fields: list[Field] = []
        while not self.accept("}"):
            name = self.next()
            self.expect(":")
            fields.append(self.field(name[1:-1].replace('""', '"') if name.startswith('"') else name))
            if self.peek() != "}":
                self.expect(",")
        return tuple(fields)

    def arguments(self) -> list[str]:
        """`(a, b:c)` as ["a", "b:c"]: a zone such as +02:00 has a colon."""
        self.expect("(")
        out = [""]
        while not self.accept(")"):
            token = self.next()
            if token == ",":
                out.append("")
            else:
                out[-1] += token[1:-1].replace('""', '"') if token.startswith('"') else token
        return out

    def with_arguments(self, word: str, given: list[str]) -> Type:
        match word, given:
            case "decimal", [precision, scale] if _COUNT.fullmatch(precision) and _COUNT.fullmatch(scale.removeprefix("-")):
                if 1 <= int(precision) <= 76 and int(scale) <= int(precision):
                    return Decimal(int(precision), int(scale))
            case "fixed", [size] if _COUNT.fullmatch(size):
                return Fixed(int(size))
            case (("time" | "duration"), [("s" | "ms" | "us" | "ns") as unit]):
                return Time(unit) if word == "time" else Duration(unit)
            case "timestamp", [("s" | "ms" | "us" | "ns") as unit]:
                return Timestamp(unit)
            case "timestamp", [("s" | "ms" | "us" | "ns") as unit, zone] if zone:
                return Timestamp(unit, zone)
            case "enum", symbols if (all(symbols) or '""' in self.text) and len(set(symbols)) == len(symbols):
                return Enum(tuple(symbols))
        raise self.error(f"{word}({', '.join(given)}) is not possible")
