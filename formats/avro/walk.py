"""Finding the bytes of each field in Avro's binary without decoding values (Avro 1.12, "Binary Encoding").

Avro has no offsets: to know where a field ends one must step over everything before it. For each layout a Python function is
written and compiled once, in which every field is a few straight lines; that is some ten times faster than walking a tree of
types for each record. The generated source holds nothing of the data, and names only as quoted constants.

The functions read `b` (bytes of `n` length) from position `p`. Damage never makes them loop or allocate beyond the block: lengths
and counts are checked against what is left, reading past the end is an IndexError, and each record's end is checked.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from instar.formats.avro.container import long_bytes
from instar.formats.avro.physical import Definitions, Layout
from instar.formats.path import EACH_ITEM, EACH_VALUE, Branch, Path, path_text

MOST_EMPTY_ITEMS = 1 << 24
"""How many items of no bytes at all (nulls, empty records) a list or a block may claim."""

_SIZES = {
    "null": 0,
    "boolean": 1,
    "int": 1,
    "long": 1,
    "enum": 1,
    "float": 4,
    "double": 8,
    "bytes": 1,
    "string": 1,
    "array": 1,
    "map": 1,
}
_DEEPEST = 12  # levels of indentation before a function of its own is made; Python allows 20 nested loops


class Damaged(ValueError):
    """The bytes are not of the layout. `place` is a field path or empty; `bare` says the problem without what is there."""

    def __init__(self, problem: str, place: str = "", bare: str = "") -> None:
        super().__init__(problem, place)
        self.problem = problem
        self.place = place
        self.bare = bare


def records_walker(layout: Layout, known: Definitions) -> Callable[[bytes, int, int, int, list, list], int]:
    """(b, p, count, n, opened, raws) → p: appends each record's dict of raws to `opened` and its bytes to `raws`.

    A nullable field's raw is without the union's index, None for null; a union's index counts the branches but null.
    """
    return _compiled_records_walker(layout, tuple(known.items()))


@lru_cache(maxsize=16)
def _compiled_records_walker(layout: Layout, known: tuple[tuple[str, Layout], ...]) -> Callable[..., int]:
    """Kept for a run over many small files: compiling takes longer than walking a hundred records."""
    code = _Code(dict(known))
    body = ["r = p", *code.fields(layout, ())]
    body += ["if p > n: raise Damaged('it ends beyond what there is')", "keep(b[r:p])", f"add({_display(layout)})"]
    head = ["def walk(b, p, count, n, opened, raws):", " add = opened.append", " keep = raws.append", " for _ in range(count):"]
    return code.made([*head, *_indented(body, 2), " return p"], "walk")


@lru_cache(maxsize=16)
def fields_walker(
    layout: Layout, known: tuple[tuple[str, Layout], ...], names: frozenset[str]
) -> Callable[[bytes, int, int, int, list], int]:
    """(b, p, count, n, opened) → p: appends each record's dict of the raws of the fields `names`; the others are stepped over."""
    code = _Code(dict(known))
    body = [*code.fields(layout, (), names), "if p > n: raise Damaged('it ends beyond what there is')"]
    head = ["def walk(b, p, count, n, opened):", " add = opened.append", " for _ in range(count):"]
    return code.made([*head, *_indented([*body, f"add({_display(layout, names)})"], 2), " return p"], "walk")


def values_walker(layout: Layout, known: Definitions) -> Callable[[bytes, int, int, int, list], int]:
    """(b, p, count, n, raws) → p: appends each value's raw to `raws`; for data that are not records."""
    code = _Code(known)
    body = [*code.take(layout, "v", ()), "if p > n: raise Damaged('it ends beyond what there is')", "keep(v)"]
    head = ["def walk(b, p, count, n, raws):", " keep = raws.append", " for _ in range(count):"]
    return code.made([*head, *_indented(body, 2), " return p"], "walk")


def container_opener(layout: Layout, known: Definitions) -> Callable[[bytes], Any]:
    """bytes of one record, list or map → its raws one level down, all bytes used.

    Raises:
        Damaged, IndexError, RecursionError: the bytes are not of the layout.
    """
    code = _Code(known)
    match layout.kind:
        case "record":
            body = [*code.fields(layout, ()), f"out = {_display(layout)}"]
        case "array":
            body = ["out = []", *code.items(layout, ["out.append(v)"])]
        case _:
            key = ["q = p", *_SKIP_TEXT, "w = text(b, q, p)"]
            body = ["out = {}", *code.items(layout, ["if w in out: twice(w)", "out[w] = v"], key)]
    end = ["if p != n: raise Damaged('it has %d bytes too many' % (n - p) if p < n else 'it ends too early')", "return out"]
    return code.made(["def walk(b):", " p = 0", " n = len(b)", *_indented([*body, *end], 1)], "walk")


MOST_LEAST = 1 << 31
"""Bytes that no value is taken to need more of: it is a bound from below, and fits the compiled part's numbers."""


def least_size(layout: Layout, known: Definitions) -> int:
    """The fewest bytes a value can have, or `MOST_LEAST` if these are more; a recursion counts as none."""
    return min(_least(layout, known, {}), MOST_LEAST)


def _least(layout: Layout, known: Definitions, found: dict[str, int]) -> int:
    """`found`: of each named type, once; a type may be used twice at every level of a schema."""
    if layout.null is not None or layout.kind == "union":
        return 1
    match layout.kind:
        case "fixed":
            return layout.size
        case "record":
            return sum(_least(each, known, found) for each in layout.of)
        case "reference":
            if layout.name not in found:
                found[layout.name] = 0  # inside of itself
                found[layout.name] = _least(known[layout.name].value, known, found)
            return found[layout.name]
        case kind:
            return _SIZES[kind]


# ---- what the generated code calls
def long_at(b: bytes, p: int) -> tuple[int, int]:
    """The long at `p`, and where it ends."""
    start, number, shift = p, 0, 0
    while (byte := b[p]) > 0x7F:
        number |= (byte & 0x7F) << shift
        shift += 7
        p += 1
        if shift > 63:
            raise Damaged("a number has more than 10 bytes")
    number |= byte << shift
    if number >> 64:
        raise Damaged(f"the number at byte {start} has more than 64 bits")
    return (number >> 1) ^ -(number & 1), p + 1


def _length(b: bytes, p: int) -> int:
    """Where the text (or bytes) at `p` ends."""
    length, p = long_at(b, p)
    if length < 0:
        raise Damaged(f"a length of {length}")
    return p + length


def _number(b: bytes, p: int) -> int:
    return long_at(b, p)[1]


def _count(b: bytes, p: int, n: int, least: int) -> tuple[int, int]:
    """The count at the head of a list's block, and where its items begin; checked against the bytes left."""
    count, p = long_at(b, p)
    if count < 0:
        count = -count
        size, p = long_at(b, p)
        if not 0 <= size <= n - p:
            raise Damaged(f"a list's block of {size} bytes where {n - p} are left")
    if count > ((n - p) // least if least else MOST_EMPTY_ITEMS):
        raise Damaged(f"a list of {count} items where {max(n - p, 0)} bytes are left")
    return count, p


def _leap(b: bytes, p: int, n: int, least: int) -> tuple[int, int]:
    """As `_count`, but a block that states its size is leapt over: the count is -1 then."""
    count, start = long_at(b, p)
    if count < 0:
        size, start = long_at(b, start)
        if not 0 <= size <= n - start:
            raise Damaged(f"a list's block of {size} bytes where {n - start} are left")
        return -1, start + size
    return _count(b, p, n, least)


def text_at(b: bytes, q: int, p: int) -> str:
    """The string that is b[q:p], its length in front."""
    _, start = long_at(b, q)
    if p > len(b):
        raise Damaged("a text ends beyond its value")
    try:
        return b[start:p].decode()
    except UnicodeDecodeError as e:
        raise Damaged(f"a text that is not UTF-8: {b[start:p][:40]!r} ({e.reason})", bare="a text that is not UTF-8") from None


def _twice(key: str) -> None:
    raise Damaged(f"the key {key!r} occurs twice", bare="a key occurs twice")


def _no_branch(b: bytes, p: int, branches: int, place: str) -> None:
    raise Damaged(f"a union's index {long_at(b, p)[0]} where there are {branches} branches", place)


_STEPS = tuple(1 + (byte >> 1) if byte < 0x80 and not byte & 1 else 0 for byte in range(256))
"""How far a text whose length is this one byte reaches, its length included; 0: longer, or not a length."""

_CALLED = {
    "Damaged": Damaged, "long_at": long_at, "length": _length, "number": _number, "count_at": _count, "leap": _leap,
    "text": text_at, "twice": _twice, "no_branch": _no_branch, "STEPS": _STEPS,
}  # fmt: skip

# ---- the generator
Lines = list[str]
_SKIP_NUMBER = ["if b[p] < 128: p += 1", "else: p = number(b, p)"]
_SKIP_TEXT = ["c = STEPS[b[p]]", "p = p + c if c else length(b, p)"]


class _Code:
    """Collects the functions of one walker. `take` leaves a value's raw in a variable, `skip` steps over a value."""

    def __init__(self, known: Definitions) -> None:
        self.known = known
        self.functions: Lines = []
        self.named: dict[str, str] = {}
        self.made_functions = 0

    def made(self, lines: Lines, name: str) -> Callable[..., Any]:
        scope: dict[str, Any] = dict(_CALLED)
        exec(compile("\n".join([*self.functions, *lines]), "<avro layout>", "exec"), scope)
        return scope[name]

    def fields(self, layout: Layout, path: Path, names: frozenset[str] | None = None) -> Lines:
        """Each field in a variable; with `names` only those."""
        lines: Lines = []
        for i, (name, each) in enumerate(zip(layout.names, layout.of, strict=True)):
            wanted = names is None or name in names
            lines += self.take(each, f"v{i}", (*path, name)) if wanted else self.skip(each, (*path, name), 1)
        return lines

    def items(self, layout: Layout, each: Lines, key: Lines | None = None) -> Lines:
        """A loop over all blocks of a list or map."""
        item = layout.of[0]
        least = least_size(item, self.known) + (key is not None)
        inner = [*(key or []), *self.take(item, "v", (EACH_VALUE if key else EACH_ITEM,)), *each]
        block = [f"k, p = count_at(b, p, n, {least})", "if not k: break", "for _ in range(k):", *_indented(inner, 1)]
        return ["while True:", *_indented(block, 1)]

    def take(self, layout: Layout, into: str, path: Path) -> Lines:
        if layout.kind == "null":
            return [f"{into} = None"]
        if layout.kind == "union":
            return self.union(layout, path, into)
        if layout.null is None:
            return ["s = p", *self.skip(layout, path, 1), f"{into} = b[s:p]"]
        null, value = layout.null << 1, (1 - layout.null) << 1
        some = ["p += 1", "s = p", *self.skip(layout.value, path, 2), f"{into} = b[s:p]"]
        return [
            "c = b[p]",
            f"if c == {value}:", *_indented(some, 1),
            f"elif c == {null}: p += 1; {into} = None",
            f"else: no_branch(b, p, 2, {path_text(path)!r})",
        ]  # fmt: skip

    def skip(self, layout: Layout, path: Path, depth: int) -> Lines:
        if depth > _DEEPEST:
            return [f"p = {self.function(layout, path)}(b, p, n)"]
        if layout.null is not None and layout.kind != "union":
            return self.branches([layout.value], layout.null, path, depth)
        match layout.kind:
            case "null":
                return []
            case "int" | "long" | "enum":
                return _SKIP_NUMBER
            case "bytes" | "string":
                return _SKIP_TEXT
            case "record":
                return [
                    line
                    for name, each in zip(layout.names, layout.of, strict=True)
                    for line in self.skip(each, (*path, name), depth)
                ]
            case "array":
                return self.loop(layout.of[0], (*path, EACH_ITEM), depth, ())
            case "map":
                return self.loop(layout.of[0], (*path, EACH_VALUE), depth, _SKIP_TEXT)
            case "union":
                return self.branches(list(layout.of), layout.null, path, depth)
            case "reference":
                return [f"p = {self.recursion(layout.name)}(b, p, n)"]
            case kind:
                return [f"p += {layout.size if kind == 'fixed' else _SIZES[kind]}"]

    def loop(self, item: Layout, path: Path, depth: int, key: Lines | tuple[()]) -> Lines:
        least = least_size(item, self.known) + bool(key)
        inner = [*key, *self.skip(item, path, depth + 2)]
        k = f"k{depth}"
        block = [f"{k}, p = leap(b, p, n, {least})", f"if not {k}: break"]
        if inner:
            block += [f"for _ in range({k}):", *_indented(inner, 1)]
        return ["while True:", *_indented(block, 1)]

    def branches(self, branches: list[Layout], null: int | None, path: Path, depth: int, into: str = "") -> Lines:
        """Steps over a union, index included; with `into`, leaves its raw there."""
        places: list[Layout | None] = list(branches)
        if null is not None:
            places.insert(null, None)
        lines = ["u = p", "i, p = long_at(b, p)"] if into else ["i, p = long_at(b, p)"]
        word = "if"
        for i, each in enumerate(places):
            inner = self.branch(each, i - (null is not None and i > null), i, path, depth + 1, into)
            lines += [f"{word} i == {i}:", *_indented(inner or ["pass"], 1)]
            word = "elif"
        refusal = f"raise Damaged('a union\\'s index %d where there are {len(places)} branches' % i, {path_text(path)!r})"
        return [*lines, "else:", *_indented([refusal], 1)] if places else [*lines, refusal]

    def branch(self, each: Layout | None, index: int, written: int, path: Path, depth: int, into: str) -> Lines:
        if each is None:
            return [f"{into} = None"] if into else []
        skipped = self.skip(each, (*path, Branch(str(index))), depth)
        if not into:
            return skipped
        if index == written:
            return [*skipped, f"{into} = b[u:p]"]
        return ["u = p", *skipped, f"{into} = {long_bytes(index)!r} + b[u:p]"]

    def union(self, layout: Layout, path: Path, into: str) -> Lines:
        return self.branches(list(layout.of), layout.null, path, 1, into)

    def function(self, layout: Layout, path: Path, name: str = "") -> str:
        """A function (b, p, n) → p of its own that steps over the layout."""
        self.made_functions += 1
        name = name or f"step{self.made_functions}"
        body = self.skip(layout, path, 1)
        self.functions += [f"def {name}(b, p, n):", *_indented([*body, "return p"], 1)]
        return name

    def recursion(self, definition: str) -> str:
        if definition not in self.named:
            name = self.named[definition] = f"type{len(self.named)}"
            self.function(self.known[definition].value, (Branch(definition),), name)
        return self.named[definition]


def _display(layout: Layout, names: frozenset[str] | None = None) -> str:
    return "{" + ", ".join(f"{name!r}: v{i}" for i, name in enumerate(layout.names) if names is None or name in names) + "}"


def _indented(lines: Lines, by: int) -> Lines:
    return [" " * by + line for line in lines]
