"""Names in Avro documents: which are legal, and how a spelling and a namespace make a full name (Avro 1.12, "Names")."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

PRIMITIVES = ("null", "boolean", "int", "long", "float", "double", "bytes", "string")
_LEGAL = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def legal(name: str) -> bool:
    """Is it a name as a field, a symbol or the last part of a full name may have it?"""
    return _LEGAL.fullmatch(name) is not None


def legal_full(name: str) -> bool:
    """Is it a full name: legal parts joined by dots?"""
    return all(map(legal, name.split(".")))


def legalised(text: str) -> str:
    """The nearest legal name."""
    name = re.sub(r"[^A-Za-z0-9_]", "_", text)
    return name if legal(name) else f"_{name}"


def namespace_of(full: str) -> str:
    return full.rpartition(".")[0]


def full_name(name: str, namespace: str | None, enclosing: str) -> str:
    """A definition's full name. `namespace` is its attribute (None: not given), `enclosing` the namespace it stands in."""
    if "." in name:
        return name
    space = enclosing if namespace is None else namespace
    return f"{space}.{name}" if space else name


def referred(spelling: str, enclosing: str, known: Collection[str]) -> str:
    """The full name that a reference means.

    The specification gives a name without a dot the enclosing namespace; as Avro's Java library does, one that is not defined
    there is looked for without a namespace.
    """
    full = full_name(spelling, None, enclosing)
    return spelling if full not in known and spelling in known else full


def reference(full: str, enclosing: str) -> str:
    """The shortest spelling of a reference to `full` that `referred` reads back."""
    space, _, name = full.rpartition(".")
    return name if space == enclosing and name not in PRIMITIVES else full


def named_attributes(full: str, enclosing: str, written: Mapping[str, Any]) -> dict[str, Any]:
    """`name` and, where one is needed, `namespace` of a definition: as `written` while that still means `full`."""
    namespace = written.get("namespace")
    as_written = "name" in written and full_name(written["name"], _space(written), enclosing) == full
    if as_written:
        return {"name": written["name"], **({"namespace": namespace} if "namespace" in written else {})}
    space, _, name = full.rpartition(".")
    return {"name": name} if space == enclosing and "namespace" not in written else {"name": name, "namespace": space}


def _space(written: Mapping[str, Any]) -> str | None:
    """The namespace attribute; null and the empty string both say: no namespace."""
    return (written["namespace"] or "") if "namespace" in written else None


def unique(wanted: str, taken: Collection[str]) -> str:
    """`wanted`, or with the first number behind it that makes it new."""
    if wanted not in taken:
        return wanted
    number = 2
    while f"{wanted}_{number}" in taken:
        number += 1
    return f"{wanted}_{number}"
