"""Keeps every fault of Headwater's own out of the training that it watches."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any

log = logging.getLogger("headwater")


class Shield:
    """Wraps hooks: the first exception in one is logged, watching ends, and the training goes on.

    This is the one place where Headwater catches what it does not expect. ``KeyboardInterrupt`` and ``SystemExit`` are
    the user's and pass.

    Attributes:
        fault: the exception that ended watching, if there was one.
    """

    def __init__(self, detach: Callable[[], None]) -> None:
        self._detach = detach
        self.fault: Exception | None = None

    def guard(self, hook: Callable[..., Any]) -> Callable[..., Any]:
        """Returns a hook that does what the given one does, never raises, and does nothing after a fault."""

        @functools.wraps(hook)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            if self.fault is not None:
                return None
            try:
                return hook(*args, **kwargs)
            except Exception as error:
                self._fail(error)
                return None

        return guarded

    def _fail(self, error: Exception) -> None:
        self.fault = error
        log.warning(
            "Headwater no longer watches this training, which goes on untouched. It failed by itself: %s: %s. Please "
            "report this with the traceback below.",
            type(error).__name__,
            error,
            exc_info=error,
        )
        try:
            self._detach()
        except Exception as second:
            log.debug("Headwater could not remove all of its hooks", exc_info=second)
