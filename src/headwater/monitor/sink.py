"""Where what is seen goes to: a run on disk, a logger of another tool, a function of the user's."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from torch import nn

from headwater.monitor.alarms import Event
from headwater.monitor.figures import StepFigures
from headwater.records import Finding, Measurement

log = logging.getLogger("headwater")


class Sink:
    """Takes what a monitor sees. Every method does nothing here: override those that are of use.

    An exception in one of them is logged and ends this sink; the others, the monitor and the training go on.
    """

    @property
    def eager(self) -> bool:
        """Whether somebody waits for what it gets: then loss and rate come often, and figures as often as they can."""
        return False

    def joined(self, track: str, optimizer: Any, models: Mapping[str, nn.Module]) -> None:
        """One more optimizer is watched from now on.

        Args:
            track: its name.
            optimizer: as it is.
            models: that it trains, by name.
        """

    def figures(self, track: str, figures: Sequence[StepFigures]) -> None:
        """Figures of optimizer steps have arrived, some steps late, in their order.

        Args:
            track: name of the optimizer; empty for the only one without a name.
            figures: one for each step whose figures were taken; or, without norms, whose loss was noted.
        """

    def probe(self, track: str, step: int, measurement: Measurement, findings: Sequence[Finding]) -> None:
        """A step was itemised and judged, together with the probes before it.

        Args:
            track: name of the optimizer; empty for the only one without a name.
            step: its number, from 0.
            measurement: medians over the newest probes.
            findings: root cause first.
        """

    def event(self, event: Event) -> None:
        """A finding was raised, or has healed."""

    def close(self) -> None:
        """Watching ends."""


class Teller(Sink):
    """Calls a function with each event."""

    def __init__(self, tell: Callable[[Event], None]) -> None:
        self._tell = tell

    def event(self, event: Event) -> None:
        """Tells it."""
        self._tell(event)


class Sinks(Sink):
    """Passes everything on to several sinks, and lets go of one that fails; it is closed with the others."""

    def __init__(self, sinks: Iterable[Sink]) -> None:
        self._sinks = list(sinks)
        self._failed: list[Sink] = []

    def add(self, sink: Sink) -> None:
        """Passes everything on to one more."""
        self._sinks.append(sink)

    @property
    def eager(self) -> bool:
        """Whether one of them is."""
        return any(sink.eager for sink in self._sinks)

    def joined(self, track: str, optimizer: Any, models: Mapping[str, nn.Module]) -> None:
        """Passes it on."""
        self._each("joined", track, optimizer, models)

    def figures(self, track: str, figures: Sequence[StepFigures]) -> None:
        """Passes them on."""
        self._each("figures", track, figures)

    def probe(self, track: str, step: int, measurement: Measurement, findings: Sequence[Finding]) -> None:
        """Passes it on."""
        self._each("probe", track, step, measurement, findings)

    def event(self, event: Event) -> None:
        """Passes it on."""
        self._each("event", event)

    def close(self) -> None:
        """Closes all."""
        failed = list(self._failed)  # those before; what fails to close now was tried
        self._each("close")
        self._sinks.clear()
        for sink in failed:
            try:
                sink.close()
            except Exception as error:  # its first failure was told
                log.debug("%s could not be closed", type(sink).__name__, exc_info=error)
        self._failed.clear()

    def _each(self, method: str, *args: Any) -> None:
        for sink in list(self._sinks):
            try:
                getattr(sink, method)(*args)
            except Exception as error:  # as in the shield: a full disk must not end a training, nor the watching
                self._sinks.remove(sink)
                self._failed.append(sink)
                log.warning(
                    "%s gets nothing more from Headwater, which watches on: %s: %s",
                    type(sink).__name__,
                    type(error).__name__,
                    error,
                )
                log.debug("The failure in full", exc_info=error)
