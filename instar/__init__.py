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
    from instar.formats.errors import Collected as Collected
    from instar.formats.errors import ConfigurationError as ConfigurationError
    from instar.formats.errors import DataError as DataError
    from instar.formats.errors import DatasetError as DatasetError
    from instar.formats.errors import FileError as FileError
    from instar.formats.errors import GateError as GateError
    from instar.formats.errors import InstarError as InstarError
    from instar.formats.errors import LockedError as LockedError
    from instar.formats.errors import MigrationError as MigrationError
    from instar.formats.errors import ProofError as ProofError
    from instar.formats.errors import RegistryError as RegistryError
    from instar.formats.errors import RunError as RunError
    from instar.formats.errors import SchemaError as SchemaError
    from instar.formats.errors import UnreadableError as UnreadableError
    from instar.formats.errors import UsageError as UsageError
    from instar.transforms import events as events
    from instar.transforms import operations as op
    from instar.transforms.account import Account as Account
    from instar.transforms.adopt import init as init
    from instar.transforms.answers import CheckReport as CheckReport
    from instar.transforms.answers import ConvertReport as ConvertReport
    from instar.transforms.answers import HistoryReport as HistoryReport
    from instar.transforms.answers import RunsReport as RunsReport
    from instar.transforms.answers import StampReport as StampReport
    from instar.transforms.answers import StatusReport as StatusReport
    from instar.transforms.audit.report import AuditReport as AuditReport
    from instar.transforms.comparison.report import ComparisonReport as ComparisonReport
    from instar.transforms.dataset import Dataset as Dataset
    from instar.transforms.gc import GcReport as GcReport
    from instar.transforms.job import Options as Options
    from instar.transforms.plan import Plan as Plan
    from instar.transforms.progress import Progress as Progress
    from instar.transforms.progress import Silent as Silent
    from instar.transforms.project import Project as Project
    from instar.transforms.project import compare_sides as compare
    from instar.transforms.project import convert_files as convert
    from instar.transforms.project import open_project as open
    from instar.transforms.report import RunReport as RunReport
    from instar.transforms.report import VerifyReport as VerifyReport

    __version__: str

__all__ = [
    "Account", "AuditReport", "CheckReport", "Collected", "ComparisonReport", "ConfigurationError", "ConvertReport",
    "DataError", "Dataset", "DatasetError", "FileError", "GateError", "GcReport", "HistoryReport", "InstarError",
    "LockedError", "MigrationError", "Options", "Plan", "Progress", "Project", "ProofError", "RegistryError",
    "RunError", "RunReport", "RunsReport", "SchemaError", "Silent", "StampReport", "StatusReport", "UnreadableError",
    "UsageError", "VerifyReport", "__version__", "compare", "convert", "events", "init", "op", "open",
]  # fmt: skip

_ERRORS = "instar.formats.errors"
_REPORTS = "instar.transforms.report"
_ANSWERS = "instar.transforms.answers"
_HOMES = {
    "compare": ("instar.transforms.project", "compare_sides"),
    "convert": ("instar.transforms.project", "convert_files"),
    "open": ("instar.transforms.project", "open_project"),
    "init": ("instar.transforms.adopt", "init"),
    "Project": ("instar.transforms.project", "Project"),
    "Dataset": ("instar.transforms.dataset", "Dataset"),
    "AuditReport": ("instar.transforms.audit.report", "AuditReport"),
    "Account": ("instar.transforms.account", "Account"),
    "Options": ("instar.transforms.job", "Options"),
    "Plan": ("instar.transforms.plan", "Plan"),
    "Progress": ("instar.transforms.progress", "Progress"),
    "Silent": ("instar.transforms.progress", "Silent"),
    "Collected": (_ERRORS, "Collected"),
    "ConfigurationError": (_ERRORS, "ConfigurationError"),
    "DataError": (_ERRORS, "DataError"),
    "DatasetError": (_ERRORS, "DatasetError"),
    "FileError": (_ERRORS, "FileError"),
    "GateError": (_ERRORS, "GateError"),
    "InstarError": (_ERRORS, "InstarError"),
    "LockedError": (_ERRORS, "LockedError"),
    "MigrationError": (_ERRORS, "MigrationError"),
    "ProofError": (_ERRORS, "ProofError"),
    "RegistryError": (_ERRORS, "RegistryError"),
    "RunError": (_ERRORS, "RunError"),
    "SchemaError": (_ERRORS, "SchemaError"),
    "UnreadableError": (_ERRORS, "UnreadableError"),
    "UsageError": (_ERRORS, "UsageError"),
    "CheckReport": (_ANSWERS, "CheckReport"),
    "ComparisonReport": ("instar.transforms.comparison.report", "ComparisonReport"),
    "ConvertReport": (_ANSWERS, "ConvertReport"),
    "GcReport": ("instar.transforms.gc", "GcReport"),
    "HistoryReport": (_ANSWERS, "HistoryReport"),
    "RunReport": (_REPORTS, "RunReport"),
    "RunsReport": (_ANSWERS, "RunsReport"),
    "StampReport": (_ANSWERS, "StampReport"),
    "StatusReport": (_ANSWERS, "StatusReport"),
    "VerifyReport": (_REPORTS, "VerifyReport"),
}
_MODULES = {"op": "instar.transforms.operations", "events": "instar.transforms.events"}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _MODULES:
        return import_module(_MODULES[name])
    if name == "__version__":
        from importlib.metadata import version

        return version("instar")
    if name in _HOMES:
        module, attribute = _HOMES[name]
        return getattr(import_module(module), attribute)
    raise AttributeError(f"module 'instar' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
