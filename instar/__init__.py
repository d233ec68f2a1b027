"""Instar: schema evolution for directories of Parquet, Avro and JSON files.

    import instar
    project = instar.open("my-project")          # the folder with instar.toml
    flights = project.dataset("flights")
    flights.plan()                               # what would happen; nothing is written
    report = flights.upgrade()                   # staged, proved, published in one step
    flights.rollback()                           # exactly as it was

Public names are loaded when they are first used, so that `import instar` is instant.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from instar.formats.errors import InstarError as InstarError
    from instar.transforms import operations as op
    from instar.transforms.adopt import init as init
    from instar.transforms.dataset import Dataset as Dataset
    from instar.transforms.job import Options as Options
    from instar.transforms.project import Project as Project
    from instar.transforms.project import convert_files as convert
    from instar.transforms.project import open_project as open

    __version__: str

__all__ = ["Dataset", "InstarError", "Options", "Project", "__version__", "convert", "init", "op", "open"]

_HOMES = {
    "convert": ("instar.transforms.project", "convert_files"),
    "open": ("instar.transforms.project", "open_project"),
    "init": ("instar.transforms.adopt", "init"),
    "Project": ("instar.transforms.project", "Project"),
    "Dataset": ("instar.transforms.dataset", "Dataset"),
    "Options": ("instar.transforms.job", "Options"),
    "InstarError": ("instar.formats.errors", "InstarError"),
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name == "op":
        return import_module("instar.transforms.operations")
    if name == "__version__":
        from importlib.metadata import version

        return version("instar")
    if name in _HOMES:
        module, attribute = _HOMES[name]
        return getattr(import_module(module), attribute)
    raise AttributeError(f"module 'instar' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
