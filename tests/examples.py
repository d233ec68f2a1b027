"""How many examples a property gets."""

from __future__ import annotations

import os


def examples(*, bounded: int, many: int) -> int:
    """`many` where `make test-all` asks for many of everything."""
    return many if "INSTAR_EXAMPLES" in os.environ else bounded
