"""A server beside a training: out of its way, and gone when nobody needs it."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

from headwater.dashboard.guard import App, Receive, Scope, Send

NICENESS = 19
LINGERS, LOOK = 150.0, 1.0
"""Seconds without a request, after the training has ended, after which the server ends; and between two looks. A page
that nobody sees asks every half minute, which its browser may stretch to a minute."""


class Beside:
    """Counts the requests of an application, and tells when it is of no more use.

    Args:
        app: the application.
        process: number of the process that trains, our parent.
    """

    def __init__(self, app: App, process: int) -> None:
        self._app, self._process = app, process
        self._open = 0
        self._last = time.monotonic()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request, as ASGI has it; an open stream is a request that goes on."""
        self._open += scope["type"] == "http"
        try:
            await self._app(scope, receive, send)
        finally:
            self._open -= scope["type"] == "http"
            self._last = time.monotonic()

    @property
    def needed(self) -> bool:
        """Whether the training goes on or somebody looks on."""
        return os.getppid() == self._process or self._open > 0 or time.monotonic() - self._last < LINGERS

    def watch(self, end: Callable[[], None]) -> None:
        """Calls a function when the server is needed no longer, and makes this process yield to all others."""
        if hasattr(os, "nice"):
            os.nice(NICENESS)

        def look() -> None:
            while self.needed:
                time.sleep(LOOK)
            end()

        threading.Thread(target=look, daemon=True).start()
