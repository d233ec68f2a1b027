"""Whoever caused an event is its actor; repositories have their size in megabytes."""

from instar import op

upgrade = [
    op.rename("sender", to="actor"),
    op.derive("repository.size_mb", "number", sql="size / 1024"),
    op.drop("repository.size"),
    op.add("source", "string", default="github"),
]
downgrade = {"repository.size": "round(size_mb * 1024)::BIGINT"}
