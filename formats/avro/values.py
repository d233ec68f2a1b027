"""The access to Avro's raw values (the `Values` of the format contract).

A raw value is its Avro binary without the index of a nullable union, None for null. The raw of a union of several branches begins
with the branch's index *among those that are not null*, so that it stays right where null is added, taken away or moved.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from instar.formats.avro.container import long_bytes
from instar.formats.avro.physical import Layout, layout, layouts, same_bytes
from instar.formats.avro.scalars import scalar_decoder, scalar_encoder
from instar.formats.avro.walk import Damaged, container_opener, long_at, values_walker
from instar.formats.errors import DataError, Where
from instar.formats.path import quoted_name
from instar.formats.schema import MISSING, Field, List, Map, Null, Record, Reference, Schema, Union, field_text, type_text

Raw = bytes | None
_SHOWN = 60


class AvroValues:
    """Fields of `source` are opened and decoded, of `target` sealed and encoded; references mean their own schema's definitions."""

    def __init__(self, source: Schema, target: Schema) -> None:
        self.source = source
        self.target = target
        self.source_layouts = layouts(source.definitions)
        self.target_layouts = layouts(target.definitions)

    # ---- source
    def opener(self, field: Field) -> Callable[[Any], Any]:
        """raw → its raws one level down; what is open already stays as it is."""
        field = _meant(field, self.source)
        if not isinstance(field.type, Record | List | Map):
            raise DataError(f"a {type_text(field.type)} has nothing inside to open", hint="Decode it instead.")
        kept = list if isinstance(field.type, List) else dict
        walk: list[Callable[[bytes], Any]] = []  # compiled when first needed: a file's records come opened

        def opened(raw: Any) -> Any:
            if raw is None or raw.__class__ is kept:
                return raw
            if not walk:
                walk.append(container_opener(layout(field).value, self.source_layouts))
            try:
                return walk[0](raw)
            except (Damaged, IndexError, RecursionError) as e:
                raise _unreadable(e, field) from None

        return opened

    def decoder(self, field: Field) -> Callable[[Any], Any]:
        """raw → Python value. A union's value is opaque: its raw is only checked."""
        field = _meant(field, self.source)
        match field.type:
            case Null():
                return lambda _: None
            case Record() | List() | Map():
                return self._nested_decoder(field)
            case Union():
                decode = self._checker(field)
            case _:
                decode = scalar_decoder(field)

        def decoded(raw: Raw) -> Any:
            if raw is None:
                return None
            try:
                return decode(raw)
            except (ValueError, IndexError, RecursionError) as e:
                raise _unreadable(e, field) from None

        return decoded

    def _nested_decoder(self, field: Field) -> Callable[[Any], Any]:
        opened = self.opener(field)
        inner: dict[str, Callable[[Any], Any]] = {}

        def of(name: str, child: Field) -> Callable[[Any], Any]:
            """The child's decoder, made when first needed: types may be recursive."""
            if name not in inner:
                inner[name] = self.decoder(child)
            return inner[name]

        def decoded(raw: Any) -> Any:
            container = opened(raw)
            match container, field.type:
                case None, _:
                    return None
                case _, Record(fields):
                    return {f.name: of(f.name, f)(container[f.name]) for f in fields}
                case _, Map(value):
                    return {key: of("", value)(each) for key, each in container.items()}
                case _, List(item):
                    return [of("", item)(each) for each in container]

        return decoded

    def _checker(self, field: Field) -> Callable[[bytes], bytes]:
        walk = values_walker(layout(field.with_(nullable=False)), self.source_layouts)

        def checked(raw: bytes) -> bytes:
            end = walk(raw, 0, 1, len(raw), [])
            if end != len(raw):
                raise Damaged(f"{len(raw) - end} bytes too many")
            return raw

        return checked

    # ---- target
    def encoder(self, field: Field) -> Callable[[Any], Any]:
        """Python value → raw. Of a union only a raw value is taken, which passes through."""
        field = _meant(field, self.target)
        match field.type:
            case Null():
                encode: Callable[[Any], Any] = lambda value: _not_null(value)  # noqa: E731
            case Record() | List() | Map():
                encode = self._nested_encoder(field)
            case Union():
                encode = _opaque
            case _:
                encode = scalar_encoder(field)

        def encoded(value: Any) -> Any:
            if value is None or value is MISSING:
                return None
            try:
                return encode(value)
            except ValueError as e:
                raise DataError(str(e), hint="Cast to a type that holds it, or change the value.") from None

        return encoded

    def _nested_encoder(self, field: Field) -> Callable[[Any], Any]:
        sealed = self.sealer(field)
        inner: dict[str, Callable[[Any], Any]] = {}

        def of(name: str, child: Field) -> Callable[[Any], Any]:
            if name not in inner:
                inner[name] = self.encoder(child)
            return inner[name]

        def encoded(value: Any) -> Any:
            match value, field.type:
                case dict(), Record(fields):
                    return sealed(None, {f.name: of(f.name, f)(value.get(f.name)) for f in fields})
                case dict(), Map(child):
                    return sealed(None, {key: of("", child)(each) for key, each in value.items()})
                case list(), List(child):
                    return sealed(None, [of("", child)(each) for each in value])
            raise ValueError(f"{value!r} is no {type_text(field.type)}")

        return encoded

    def sealer(self, field: Field) -> Callable[[Any, Any], Any]:
        """(ignored, name → raw, list of raw, or key → raw) → raw. None seals to None."""
        field = _meant(field, self.target)
        match field.type:
            case Record(fields):
                seal = self._record_sealer(fields)
            case List(item):
                seal = self._list_sealer(item)
            case Map(value):
                seal = self._map_sealer(value)
            case _:
                raise DataError(f"a {type_text(field.type)} has nothing inside to seal", hint="Encode it instead.")
        return lambda _, inside: None if inside is None else seal(inside)

    def _record_sealer(self, fields: tuple[Field, ...]) -> Callable[[dict[str, Any]], bytes]:
        """Joins the raws in the field's order by one generated expression; whatever is odd is looked at again, slowly."""
        placed = [self.placer(f) for f in fields]
        scope: dict[str, Any] = {}
        parts = [part for i, f in enumerate(fields) for part in _part(f, layout(f), i, scope, placed[i])]
        expression = f"join(({', '.join(parts)},))" if parts else "b''"
        fast = eval(compile(f"lambda d: {expression}", "<avro record>", "eval"), {"join": b"".join, **scope})

        def seal(inside: dict[str, Any]) -> bytes:
            try:
                return fast(inside)
            except (KeyError, TypeError):
                return b"".join([place(inside.get(f.name)) for f, place in zip(fields, placed, strict=True)])

        return seal

    def _list_sealer(self, item: Field) -> Callable[[list[Any]], bytes]:
        place = self.placer(item, "[]")

        def seal(items: list[Any]) -> bytes:
            return b"".join((long_bytes(len(items)), *map(place, items), b"\x00")) if items else b"\x00"

        return seal

    def _map_sealer(self, value: Field) -> Callable[[dict[str, Any]], bytes]:
        place = self.placer(value, "{}")
        key = scalar_encoder(Field("", Map(value).key))

        def seal(inside: dict[str, Any]) -> bytes:
            if not inside:
                return b"\x00"
            pairs = [part for name, raw in inside.items() for part in (key(name), place(raw))]
            return b"".join((long_bytes(len(inside)), *pairs, b"\x00"))

        return seal

    # ---- unions
    def branch_opener(self, field: Field) -> Callable[[Any], Any]:
        """raw → (number of the branch, its raw)."""
        field = _meant(field, self.source)
        assert isinstance(field.type, Union)
        count = len(field.type.branches)

        def opened(raw: Raw) -> tuple[int, bytes] | None:
            if raw is None:
                return None
            try:
                index, start = long_at(raw, 0)
                if not 0 <= index < count:
                    raise Damaged(f"a union's index {index} where there are {count} branches")
            except (Damaged, IndexError) as e:
                raise _unreadable(e, field) from None
            return index, raw[start:]

        return opened

    def branch_sealer(self, field: Field) -> Callable[[Any, int, Any], Any]:
        """(ignored, number of the branch, its raw) → raw."""
        field = _meant(field, self.target)
        assert isinstance(field.type, Union)
        place = [(long_bytes(i), self.placer(branch, f"<{branch.name}>")) for i, branch in enumerate(field.type.branches)]

        def sealed(_: Any, number: int, raw: Any) -> bytes:
            index, placed = place[number]
            return index + placed(raw)

        return sealed

    def placer(self, field: Field, name: str | None = None) -> Callable[[Any], bytes]:
        """raw → the bytes that stand in the container: with the index of its union.

        Raises:
            DataError: null or missing where the field requires a value; `name` is how to call the field then.
        """
        where = Layout("null") if isinstance(field.type, Null) else layout(field)
        if where.kind == "null":
            return lambda raw: b"" if raw is None or raw is MISSING else _refuse_value(raw)
        null = None if where.null is None else long_bytes(where.null)
        value = b"" if where.null is None or where.kind == "union" else long_bytes(1 - where.null)
        sealed: list[Callable[[Any, Any], Any]] = []

        def place(raw: Any) -> bytes:
            if raw is None or raw is MISSING:
                if null is None:
                    _refuse_null(field, name)
                return null
            if raw.__class__ is not bytes:  # a container that was opened and not sealed again
                sealed[:] = sealed or [self.sealer(field)]
                raw = sealed[0](None, raw)
            return value + raw if where.kind != "union" else _with_index(raw, where.null)

        return place

    # ---- beyond the contract
    def same_storage(self, source: Field, target: Field) -> bool:
        """Are raws of `source`, as they are, raws of `target`? (Not where null-ness, order or storage differs inside.)"""
        a, b = (layout(f).value for f in (source, target))
        return same_bytes(a, b, self.source_layouts, self.target_layouts)

    def recoder(self, source: Field, target: Field) -> Callable[[Any], Any] | None:
        """raw of `source` → raw of `target`, for a value that is only carried between fields of one structure; None where the raw
        itself will do. A file's variant may have other null-ness, order or storage inside than the version it becomes.
        """
        return None if self.same_storage(source, target) else _Recoder(self).of(source, target)


class _Recoder:
    """Opens with the one field and seals with the other, level by level; each pair of fields is prepared when it is first met."""

    def __init__(self, values: AvroValues) -> None:
        self.values = values
        self.made: dict[tuple[int, int], Callable[[Any], Any]] = {}
        self.kept: list[tuple[Field, Field]] = []  # so that no id is used again

    def of(self, source: Field, target: Field) -> Callable[[Any], Any]:
        pair = id(source), id(target)
        if pair not in self.made:
            self.kept.append((source, target))
            self.made[pair] = self._made(_meant(source, self.values.source), _meant(target, self.values.target))
        return self.made[pair]

    def _made(self, source: Field, target: Field) -> Callable[[Any], Any]:
        values = self.values
        if isinstance(source.type, Union) and isinstance(target.type, Union):
            return self._union(source.type.branches, target.type.branches)
        if not isinstance(source.type, Record | List | Map):
            decode, encode = values.decoder(source), values.encoder(target)
            return lambda raw: encode(decode(raw))
        opened, sealed = values.opener(source), values.sealer(target)

        def recoded(raw: Any) -> Any:
            inside = opened(raw)
            match inside, source.type, target.type:
                case dict(), Record(), Record(fields):
                    return sealed(None, {f.name: self.of(source.type[f.name], f)(inside[f.name]) for f in fields})
                case dict(), Map(a), Map(b):
                    return sealed(None, {key: self.of(a, b)(each) for key, each in inside.items()})
                case list(), List(a), List(b):
                    return sealed(None, [self.of(a, b)(each) for each in inside])
            return None

        return recoded

    def _union(self, source: tuple[Field, ...], target: tuple[Field, ...]) -> Callable[[Any], Any]:
        def recoded(raw: Any) -> Any:
            if raw is None:
                return None
            index, start = long_at(raw, 0)
            return raw[:start] + self.of(source[index], target[index])(raw[start:])

        return recoded


def _part(field: Field, where: Layout, i: int, scope: dict[str, Any], place: Callable[[Any], bytes]) -> list[str]:
    """The field's piece of the expression: bytes, or a KeyError or TypeError where it is odd."""
    name = repr(field.name)
    if where.kind == "null":
        return []
    if where.kind == "union":
        scope[f"p{i}"] = place
        return [f"p{i}(d[{name}])"]
    if where.null is None:
        return [f"d[{name}]"]
    null, value = long_bytes(where.null), long_bytes(1 - where.null)
    return [f"{null!r} if (v := d[{name}]) is None else {value!r} + v"]


def _with_index(raw: bytes, null: int | None) -> bytes:
    """A union's raw with the index that its branch has in the target."""
    if null is None:
        return raw
    index, start = long_at(raw, 0)
    return long_bytes(index + 1) + raw[start:] if index >= null else raw


def _meant(field: Field, schema: Schema) -> Field:
    """The field with the definition in the place of a reference."""
    if not isinstance(field.type, Reference):
        return field
    definition = schema.definitions[field.type.name]
    return definition.with_(name=field.name, nullable=field.nullable)


def _unreadable(error: Exception, field: Field) -> DataError:
    if isinstance(error, RecursionError):
        problem, place = "the value is nested too deeply", ""
    elif isinstance(error, Damaged):
        problem, place = error.problem, error.place
    else:
        problem, place = ("the value ends too early" if isinstance(error, IndexError) else str(error)), ""
    path = ".".join(part for part in (quoted_name(field.name) if field.name else "", place) if part)
    return DataError(
        f"not {field_text(field)[:_SHOWN]}: {problem}",
        hint="The file is damaged here; write it again from its source, or exclude it.",
        where=Where(path=path or None, expected=field_text(field)),
    )


def _refuse_null(field: Field, name: str | None) -> NoReturn:
    path = quoted_name(field.name) if name is None else name
    raise DataError(
        f"null where {type_text(field.type)[:_SHOWN]} is required",
        hint="Fill it (op.require with fill=…) or allow null (op.allow_null).",
        where=Where(path=path, found="null", expected=type_text(field.type)),
    )


def _refuse_value(raw: Any) -> NoReturn:
    raise DataError(f"{raw!r} in a field that holds only nulls", hint="Cast the field to a type that holds the value.")


def _not_null(value: Any) -> NoReturn:
    raise ValueError(f"{value!r} is not null")


def _opaque(value: Any) -> bytes:
    if not isinstance(value, bytes):
        raise ValueError(f"{value!r} cannot be written to a union; only a value that was read from one can")
    return value
