"""The Parquet format."""

from .file import FORMAT

__all__ = ["FORMAT"]
