"""What was computed of segments, which never change: kept up to a limit, the least used goes first."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

MOST_BYTES = 40 << 20


class Cache:
    """Columns of numbers by key.

    Args:
        most: bytes that are kept.
    """

    def __init__(self, most: int = MOST_BYTES) -> None:
        self._most, self._held = most, 0
        self._found: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Returns what is kept under the key, or makes it."""
        with self._lock:
            if key in self._found:
                self._found.move_to_end(key)
                return self._found[key][0]
        made = make()
        size = sum(int(column.nbytes) for column in made.values() if hasattr(column, "nbytes"))
        with self._lock:
            if key not in self._found:
                self._found[key] = made, size
                self._held += size
            while self._held > self._most and len(self._found) > 1:
                self._held -= self._found.popitem(last=False)[1][1]
        return made


CACHE = Cache()
"""Of this process."""
