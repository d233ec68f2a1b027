"""One logical type in two Arrow forms (`formats/storage.py`), where expressions look for it."""

from __future__ import annotations

from instar.formats.storage import items_of, lengths_of, relisted, stored, struct_of, taken

__all__ = ["items_of", "lengths_of", "relisted", "stored", "struct_of", "taken"]
