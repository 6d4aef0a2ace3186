"""Puts what a monitor sees into a run on disk."""

from __future__ import annotations

import os
import platform
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import distributed, nn

import headwater
from headwater.graph import class_of
from headwater.monitor.alarms import Event
from headwater.monitor.figures import StepFigures
from headwater.monitor.names import module_of
from headwater.monitor.sink import Sink
from headwater.records import Finding, Layer, Measurement, ModelInfo, RunInfo, Status, gravity
from headwater.store import RunWriter


class Recorder(Sink):
    """Writes one process's part of a run.

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
        self.status: Status = "finished"

    def joined(self, track: str, optimizer: Any, models: Mapping[str, nn.Module]) -> None:
        """Writes what is trained besides."""
        known, found = self.writer.info, _trained(models, {track: optimizer})
        names = {model.name for model in known.models}
        self.writer.update(
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
        self.writer.append(columns)

    def probe(self, track: str, step: int, measurement: Measurement, findings: Sequence[Finding]) -> None:
        """Writes one row for each layer."""
        layers = measurement.layers
        columns: dict[str, list[Any]] = {name: [_of(layer, name) for layer in layers] for name in _LAYERS}
        columns |= {
            "step": [step] * len(layers),
            "track": [track] * len(layers),
            "layer": [layer.name for layer in layers],
            "probe": [True] * len(layers),
        }
        self.writer.append(columns)
        self._newest[track] = measurement, findings
        self._due.add(track)

    def event(self, event: Event) -> None:
        """Writes the event, and the diagnoses."""
        self.writer.finding(event.event, event.step, event.time, event.finding, event.track)
        self._write_reports()

    def close(self) -> None:
        """Writes the newest diagnoses and closes the run."""
        self._write_reports()
        self.writer.close(self.status, **self._account())

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


def run_info(models: Mapping[str, nn.Module], optimizers: Mapping[str, Any], budget: float) -> RunInfo:
    """Describes the training of this process."""
    return RunInfo(
        name="",
        schema_version=0,
        **_trained(models, optimizers),
        versions={
            "headwater": headwater.__version__,
            "python": platform.python_version(),
            "torch": str(torch.__version__),
        },
        command=tuple(sys.argv),
        git_commit=_git_commit(),
        host=socket.gethostname(),
        process=os.getpid(),
        world_size=world_size(),
        budget=budget,
    )


def _trained(models: Mapping[str, nn.Module], optimizers: Mapping[str, Any]) -> dict[str, Any]:
    """What `RunInfo` says of models and optimizers."""
    return {
        "models": tuple(
            ModelInfo(name, class_of(module_of(model)).__name__, sum(p.numel() for p in model.parameters()))
            for name, model in models.items()
        ),
        "optimizers": {name: type(optimizer).__name__ for name, optimizer in optimizers.items()},
        "sharded": _sharded(models),
    }


def rank() -> int:
    """Number of this process among those that train together."""
    return distributed.get_rank() if _together() else int(os.environ.get("RANK", "0"))


def world_size() -> int:
    """Number of processes that train together."""
    return distributed.get_world_size() if _together() else int(os.environ.get("WORLD_SIZE", "1"))


def _together() -> bool:
    """Whether the processes know each other; before that only torchrun's variables tell."""
    return distributed.is_available() and distributed.is_initialized()


def _sharded(models: Mapping[str, nn.Module]) -> dict[str, int]:
    """Parameters that are distributed, with the number of equal copies of each part."""
    found: dict[str, int] = {}
    for prefix, model in models.items():
        for name, parameter in module_of(model).named_parameters():
            mesh: Any = getattr(parameter, "device_mesh", None)
            if mesh is not None:
                copies = 1
                for size, placement in zip(mesh.shape, parameter.placements, strict=True):  # type: ignore[attr-defined]
                    copies *= 1 if placement.is_shard() else int(size)
                found[f"{prefix}.{name}" if len(models) > 1 else name] = copies
    return found


def _git_commit() -> str | None:
    command = ["git", "rev-parse", "HEAD"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=5, cwd=Path.cwd(), check=False)
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip() or None


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
