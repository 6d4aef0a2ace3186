"""While somebody looks at a run, what is recorded reaches the disk at once, by a thread of its own.

A flush takes milliseconds, which would be most of a fast training's budget; in a thread the training waits for none of
them. The thread lives only while it is needed.
"""

from __future__ import annotations

import atexit
import threading
import time
from collections.abc import Callable

from headwater.store.following import NAME, is_followed
from headwater.store.writer import RunWriter

LOOK, EVERY = 1.0, 0.3
"""Seconds between two looks whether somebody follows, and between two flushes while somebody does."""
REST = 20.0
"""After segments were joined, none are for so many times the time that it took."""


class Follower:
    """Follows the followers of one run.

    Args:
        writer: of the run.
        tried: calls one of the writer's methods, and tells a disk that fails.
    """

    def __init__(self, writer: RunWriter, tried: Callable[[Callable[[], None]], bool]) -> None:
        self._writer, self._tried = writer, tried
        self._mark = writer.files.path(NAME) if writer.files.is_local else None
        self._thread: threading.Thread | None = None
        self._ended = threading.Event()
        self._next = 0.0

    def look(self) -> None:
        """Begins to flush often, if somebody follows; costs next to nothing."""
        now = time.monotonic()
        if self._mark is None or now < self._next:
            return
        self._next = now + LOOK
        if not self.active and is_followed(self._mark):
            self._thread = threading.Thread(target=self._run, name="headwater-follower", daemon=True)
            atexit.register(self.close)
            self._thread.start()

    @property
    def active(self) -> bool:
        """Whether somebody follows."""
        return self._thread is not None and self._thread.is_alive()

    def close(self) -> None:
        """Ends the thread, and waits for what it is writing just now."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
            atexit.unregister(self.close)

    def _run(self) -> None:
        rested = 0.0
        while not self._ended.wait(EVERY) and self._mark is not None and is_followed(self._mark):
            self._tried(self._writer.flush)
            begin = time.monotonic()
            if begin >= rested and self._tried(self._writer.merge):
                now = time.monotonic()
                rested = now + REST * (now - begin)
