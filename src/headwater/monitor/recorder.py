"""Puts what a monitor sees into a run on disk."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import nn

from headwater.errors import StoreError
from headwater.monitor.about import trained
from headwater.monitor.alarms import Event
from headwater.monitor.figures import StepFigures
from headwater.monitor.follower import Follower
from headwater.monitor.sink import Sink
from headwater.monitor.texts import Texts
from headwater.records import Finding, Layer, Measurement, Status, gravity
from headwater.store import RunWriter

log = logging.getLogger("headwater")

SAVE_SECONDS, SAVE_SHARE = 30.0, 1e-3
"""A diagnosis is written anew after so long, and after so long that writing takes at most this share of the time.
Before that it is at the 1st, 2nd, 4th, 8th... probe of each optimizer: a process may be killed at any moment."""
RETRY_SECONDS = 10.0
"""After a write that failed, the next one is tried so much later."""
CLOSING = 2
"""Times that a run is tried to be closed: what fails for a moment must not leave it open."""


class Recorder(Sink):
    """Writes one process's part of a run. What the disk does not take is told once, kept, and tried again later.

    Args:
        writer: of the run.
        rendered: makes the text of ``report.json`` from a measurement and its findings.
        account: what is known of the run at its end (`headwater.records.RunInfo`).

    Attributes:
        status: how the run will be said to have ended.
    """

    def __init__(
        self,
        writer: RunWriter,
        rendered: Callable[[Measurement, Sequence[Finding]], str],
        account: Callable[[], Mapping[str, Any]],
    ) -> None:
        self.writer, self._rendered, self._account = writer, rendered, account
        self._newest: dict[str, tuple[Measurement, Sequence[Finding]]] = {}
        self._due: set[str] = set()
        self._events: list[Event] = []
        self._probes: dict[str, int] = {}
        self._texts = Texts()
        self._follower = Follower(writer, self._try)
        self._texts_due = False
        self._next = 0.0
        self._retry: float | None = None
        self._told = False
        self.status: Status = "finished"

    @property
    def eager(self) -> bool:
        """Whether somebody looks at the run; asking costs next to nothing."""
        self._follower.look()
        return self._follower.active

    def joined(self, track: str, optimizer: Any, models: Mapping[str, nn.Module]) -> None:
        """Writes what is trained besides."""
        known, found = self.writer.info, trained(models, {track: optimizer})
        names = {model.name for model in known.models}
        self._try(
            self.writer.update,
            models=(*known.models, *(model for model in found["models"] if model.name not in names)),
            optimizers=known.optimizers | found["optimizers"],
            sharded=known.sharded | found["sharded"],
        )

    def figures(self, track: str, figures: Sequence[StepFigures]) -> None:
        """Writes one row for each parameter of a step, and one for the whole network."""
        columns: dict[str, list[Any]] = {name: [] for name in _FIGURES}
        for each in figures:
            known = {name: norm for name, norm in each.gradients.items() if norm is not None}
            total = sum(norm * norm for norm in known.values()) ** 0.5 if known else None
            whole = (each.step, track, "", None, total, None, each.loss, each.learning_rate, each.clip, each.skipped)
            _add(columns, whole)
            for name, norm in known.items():
                layer, _, parameter = name.rpartition(".")
                weight = each.weights.get(name)
                _add(columns, (each.step, track, layer, parameter, norm, weight, None, None, None, None))
        self._try(self.writer.append, columns)
        self._retry_late()

    def probe(self, track: str, step: int, measurement: Measurement, findings: Sequence[Finding]) -> None:
        """Writes one row for each layer, and now and then all that waits."""
        layers = measurement.layers
        columns: dict[str, list[Any]] = {name: [_of(layer, name) for layer in layers] for name in _LAYERS}
        columns |= {
            "step": [step] * len(layers),
            "track": [track] * len(layers),
            "layer": [layer.name for layer in layers],
            "probe": [True] * len(layers),
        }
        self._try(self.writer.append, columns)
        self._newest[track] = measurement, findings
        self._due.add(track)
        if not self.writer.rank:
            self._texts_due |= self._texts.learn(measurement)
        count = self._probes[track] = self._probes.get(track, 0) + 1
        if count & (count - 1) == 0 or time.monotonic() >= self._next:
            self._save()

    def event(self, event: Event) -> None:
        """Writes the event, and the diagnoses."""
        self._events.append(event)
        self._save()

    def close(self) -> None:
        """Writes the newest diagnoses and what else waits, and closes the run."""
        self._follower.close()
        for _ in range(CLOSING):
            saved = self._save()
            if self._try(self.writer.close, self.status, **self._account()) and saved:
                return

    def _try(self, write: Callable[..., None], *args: Any, **options: Any) -> bool:
        """Whether something could be written."""
        try:
            write(*args, **options)
        except StoreError as error:
            self._retry = time.monotonic() + RETRY_SECONDS
            if not self._told:
                self._told = True
                log.warning("%s What is recorded waits in memory, and is written as soon as it can be.", error)
            log.debug("The failure in full", exc_info=error)
            return False
        return True

    def _save(self) -> bool:
        """Writes the rows, findings and diagnoses that wait; whether all of them could be."""
        self._retry, begin = None, time.monotonic()
        tried = [self._try(each) for each in self._writes()]
        now = time.monotonic()
        self._next = now + max(SAVE_SECONDS, (now - begin) / SAVE_SHARE)
        return all(tried)

    def _writes(self) -> tuple[Callable[[], None], ...]:
        return self._write_events, self._write_reports, self._write_texts, self.writer.flush

    def _retry_late(self) -> None:
        if self._retry is not None and time.monotonic() >= self._retry:
            self._save()

    def _write_events(self) -> None:
        while self._events:
            event = self._events[0]
            self.writer.finding(event.event, event.step, event.time, event.finding, event.track)
            del self._events[0]

    def _write_reports(self) -> None:
        """Writes what is new: each optimizer's where there are several, then the worst."""
        if not self._due or self.writer.rank:
            return
        if len(self._newest) > 1:
            for track in sorted(self._due | (self._newest.keys() - self.writer.reported)):
                self.writer.report(self._rendered(*self._newest[track]), track)
        worst = min(self._newest.values(), key=lambda newest: gravity(newest[1]))
        self.writer.report(self._rendered(*worst))
        self._due.clear()

    def _write_texts(self) -> None:
        if self._texts_due:
            self.writer.sources(self._texts.known)
            self._texts_due = False


_FIGURES = (
    "step", "track", "layer", "parameter", "grad_norm", "weight_norm", "loss", "learning_rate", "clip", "skipped",
)  # fmt: skip
_LAYERS: dict[str, Callable[[Layer], float | None]] = {
    "weight_norm": lambda layer: layer.weight_norm,
    "update_ratio": lambda layer: layer.update_ratio,
    "loss_share": lambda layer: layer.loss_share,
    "signal": lambda layer: layer.signal,
    "gain": lambda layer: layer.gain,
    "gain_activation": lambda layer: layer.gain_parts.activation if layer.gain_parts else None,
    "gain_weights": lambda layer: layer.gain_parts.weights if layer.gain_parts else None,
    "gain_normalisation": lambda layer: layer.gain_parts.normalisation if layer.gain_parts else None,
    "gain_other": lambda layer: layer.gain_parts.other if layer.gain_parts else None,
    "predicted_gain": lambda layer: layer.predicted_gain,
}


def _of(layer: Layer, column: str) -> float | None:
    return _LAYERS[column](layer)


def _add(columns: dict[str, list[Any]], row: tuple[Any, ...]) -> None:
    for name, value in zip(_FIGURES, row, strict=True):
        columns[name].append(value)
