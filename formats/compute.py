"""pyarrow's compute functions under one name. pyarrow makes them when it is imported, so no type checker can know them."""

from __future__ import annotations

from typing import Any

import pyarrow.compute

pc: Any = pyarrow.compute
