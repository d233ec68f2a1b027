"""pyarrow's compute functions under one name. pyarrow makes them when it is imported, so no type checker can know them, and that
takes as long as importing all the rest of it: who only copies does without."""

from __future__ import annotations

from typing import Any


class _Compute:
    """`pyarrow.compute`, imported when something of it is first asked for."""

    def __getattr__(self, name: str) -> Any:
        import pyarrow.compute

        found = getattr(pyarrow.compute, name)
        setattr(self, name, found)
        return found


pc: Any = _Compute()
