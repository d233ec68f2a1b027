"""The changes as somebody would write them for dicts: no more than the work itself, in place. And the same for jq."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Record = dict[str, Any]


def avro_rename(record: Record) -> Record:
    record["temperature"] = record.pop("temp")
    return record


def avro_chain(record: Record) -> Record:
    direction = record["wind_dir"]
    if direction is not None:
        record["wind_dir"] = int(direction)
    record["source"] = "noaa"
    del record["wind_gust"]
    return record


def json_flat(record: Record) -> Record:
    record["departure_delay"] = record.pop("dep_delay")
    record["arrival_delay"] = record.pop("arr_delay")
    record["flight"] = str(record["flight"])
    record["currency"] = "USD"
    return record


def json_nested(record: Record) -> Record:
    record["actor"] = record.pop("sender")
    repository = record["repository"]
    repository["id"] = str(repository["id"])
    del repository["size"]
    record["source"] = "github"
    return record


RECORDS: dict[str, Callable[[Record], Record]] = {
    "avro rename": avro_rename,
    "avro cast, default, drop": avro_chain,
    "json flat": json_flat,
    "json nested": json_nested,
}

JQ = {
    "json flat": ".departure_delay = .dep_delay | .arrival_delay = .arr_delay | del(.dep_delay, .arr_delay)"
    ' | .flight |= tostring | .currency = "USD"',
    "json nested": '.actor = .sender | del(.sender, .repository.size) | .repository.id |= tostring | .source = "github"',
}
