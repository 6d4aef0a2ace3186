"""What is recorded of one training: the columns of its tables, and what it was."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Status = Literal["running", "finished", "interrupted", "crashed"]

KEYS = ("step", "rank", "track", "layer", "parameter")
"""Columns that say what a row is about. `step` counts the optimizer's steps from 0; `track` names the optimizer, and is
empty for the only one without a name; `layer` is a module path, and empty for the whole network; `parameter` is the
parameter's own name, and ``None`` in the row of its layer."""

STATISTICS: dict[str, str] = {
    "grad_norm": "Frobenius norm of the gradient that the optimizer consumed; of the local part, where it is sharded",
    "weight_norm": "Frobenius norm of the weights before the step; of the local part, where they are sharded",
    "update_ratio": "relative update |dw - decay| / |w| of the layer's weight",
    "loss_share": "the layer's share of the first-order decrease of the loss",
    "signal": "Frobenius norm of the gradient that reaches the layer's output, over the batch",
    "gain": "signal at the next layer below over the signal here",
    "gain_activation": "the activation's part of the gain",
    "gain_weights": "the weights' part of the gain",
    "gain_normalisation": "the normalisation's part of the gain",
    "gain_other": "all other parts of the gain",
    "predicted_gain": "what theory expects of the gain",
    "loss": "loss before the step, unscaled",
    "learning_rate": "largest rate of the optimizer's groups",
    "clip": "factor by which clipping shortened the gradient",
}
"""Columns of numbers, with their definitions; empty where a row has none."""

FLAGS: dict[str, str] = {
    "skipped": "whether a gradient scaler told the optimizer to leave the weights alone",
    "probe": "whether the step was itemised",
}
"""Columns of truth values."""


@dataclass(frozen=True)
class ModelInfo:
    """A model that is trained.

    Attributes:
        name: of the model among those that are trained; empty for the only one.
        kind: its class.
        parameters: number of its parameters' elements.
        layers: path of each module that holds parameters of its own, with its class, in the order of definition.
    """

    name: str
    kind: str
    parameters: int
    layers: dict[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class RunInfo:
    """What a run was.

    Attributes:
        name: of its folder.
        schema_version: of the files.
        status: how it ended, or ``"running"``.
        started, ended: UTC, ISO 8601.
        models: that are trained.
        optimizers: class names, by track.
        versions: of Python and the libraries.
        command: the command line.
        git_commit: of the folder in which it ran; ``None`` outside of a repository.
        host, process: where it ran.
        world_size: number of processes that train together.
        seeds: of the random number generators when the run began, where they tell: ``"torch"``, and ``"cuda"`` for the
            current device. What a script draws before differs from run to run all the same.
        budget: share of the time that watching was allowed to take.
        spent: share of the time that it took.
        steps: optimizer steps that were seen.
        thinned: every how many steps the oldest rows are kept, since the run grew too large; 1: nothing was thinned.
        sharded: parameters of which each process holds a part, with the number of equal copies of each part: the whole
            norm is the root of the sum of the squares over all ranks, divided by the copies.
    """

    name: str
    schema_version: int
    status: Status = "running"
    started: str = ""
    ended: str | None = None
    models: tuple[ModelInfo, ...] = ()
    optimizers: dict[str, str] = field(default_factory=dict[str, str])
    versions: dict[str, str] = field(default_factory=dict[str, str])
    command: tuple[str, ...] = ()
    git_commit: str | None = None
    host: str = ""
    process: int = 0
    world_size: int = 1
    seeds: dict[str, int] = field(default_factory=dict[str, int])
    budget: float = 0.0
    spent: float | None = None
    steps: int = 0
    thinned: int = 1
    sharded: dict[str, int] = field(default_factory=dict[str, int])
