"""PyArrow, which has no types of its own, under names that a type checker takes as they are."""

from __future__ import annotations

from typing import Any, TypeAlias

import pyarrow
import pyarrow.compute
import pyarrow.parquet

pa: Any = pyarrow
pc: Any = pyarrow.compute
pq: Any = pyarrow.parquet
Table: TypeAlias = Any
"""A ``pyarrow.Table``."""
