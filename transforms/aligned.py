"""Schemas before and after a run, field by field beside each other: for reports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from instar.formats.schema import Schema
from instar.transforms.difference import difference
from instar.transforms.mapping import Mapping as Fused
from instar.transforms.migration import Chain
from instar.transforms.spelling import operation_text


def aligned(chains: Mapping[int, Chain]) -> tuple[dict[str, Any], ...]:
    """One entry for each version that files were at: the migrations on the way, and every field, old beside new."""
    return tuple(of_chain(version, chain) for version, chain in sorted(chains.items()))


def of_chain(version: int, chain: Chain) -> dict[str, Any]:
    """The way from one version, `by` its scripts."""
    steps = [
        {"version": m.version, "message": m.message, "operations": [operation_text(o) for o in m.operations]}
        for m in chain.migrations
    ]
    mapping = chain.mapping
    fields = fields_of(mapping.source, mapping.target, mapping)
    return {"from": version, "to": chain.to_version, "by": "scripts", "migrations": steps, "fields": fields}


def fields_of(old: Schema, new: Schema, mapping: Fused | None) -> list[dict[str, Any]]:
    """Every field of either schema as `instar diff` has it, those of types that are defined apart last."""
    fields, types = difference(old, new, mapping)
    return [line.as_json() for top in (*fields, *types.values()) for line in top.every()]
