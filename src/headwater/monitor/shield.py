"""Keeps every fault of Headwater's own out of the training that it watches."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterable
from typing import Any

log = logging.getLogger("headwater")


class Shield:
    """Wraps hooks: the first exception in one is logged, watching ends, and the training goes on.

    This is the one place where Headwater catches what it does not expect. ``KeyboardInterrupt`` and ``SystemExit`` are
    the user's and pass.

    Attributes:
        fault: the exception that ended watching, if there was one.
    """

    def __init__(self) -> None:
        self._removers: list[Callable[[], None]] = []
        self.fault: Exception | None = None

    def guard(self, hook: Callable[..., Any]) -> Callable[..., Any]:
        """Returns a hook that does what the given one does and never raises."""
        return Guarded(self, hook)

    def run(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Calls a function and never raises; ``None`` where it did."""
        try:
            return function(*args, **kwargs)
        except Exception as error:
            self.fail(error)
            return None

    def at_end(self, remover: Callable[[], None]) -> None:
        """Takes note of what removes a hook; the last one that was noted will run first."""
        self._removers.append(remover)

    def forget(self, removers: Iterable[Callable[[], None]]) -> None:
        """Drops removers whose hooks are gone by themselves."""
        for remover in removers:
            if remover in self._removers:
                self._removers.remove(remover)

    def end(self) -> None:
        """Removes everything. One remover that fails keeps no other from running, and is tried again next time."""
        for remover in reversed(tuple(self._removers)):
            try:
                remover()
                self._removers.remove(remover)
            except Exception as error:
                self._report(error)

    def fail(self, error: Exception) -> None:
        """Ends watching because of an exception."""
        if self.fault is None:
            self._report(error)
            self.end()

    def _report(self, error: Exception) -> None:
        if self.fault is not None:
            log.debug("Headwater could not remove all of its hooks", exc_info=error)
            return
        self.fault = error
        log.warning(
            "Headwater no longer watches this training, which goes on untouched. It failed by itself: %s: %s. Please "
            "report this with the traceback below.",
            type(error).__name__,
            error,
            exc_info=error,
        )


class Guarded:
    """A hook on the user's modules, whose copies do nothing.

    A model may be copied or saved as a whole while hooks are on it (the best one so far, a moving average of the
    weights). A copy must not report here, and a file must not ask for Headwater: in both stands a callable of Python's
    own that takes anything and returns ``None``.
    """

    def __init__(self, shield: Shield, hook: Callable[..., Any]) -> None:
        self._shield, self._hook = shield, hook

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Does what the hook does."""
        return self._shield.run(self._hook, *args, **kwargs)

    def __deepcopy__(self, memo: dict[int, Any]) -> Callable[..., None]:
        return _nothing()

    def __reduce__(self) -> tuple[Any, ...]:
        return getattr, (contextlib.nullcontext(), "__exit__")


def _nothing() -> Callable[..., None]:
    return contextlib.nullcontext().__exit__
