"""The gradient through time: one recurrent layer, step by step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Direction = Literal["forward", "reverse"]
Probe = Literal["loss", "jacobian"]

HORIZONS, LSTM_HORIZONS = 14, 10
"""Memory horizons over which a layer is not expected to recall what nothing nearer teaches: plain RNNs and GRUs learned
it over 13; LSTMs over 7, and none of 36 over 8 (`python -m benchmarks.recall`, which tries 14 at most). With some room,
as an alarm that is false does more harm than one that is missing."""


@dataclass(frozen=True)
class Dependence:
    """How much of the targets' variance linear predictors find in the steps of a sequence (cross-validated).

    Attributes:
        near: share that the steps within the layer's reach explain.
        far: share that the steps beyond it explain on top of that.
        certainty: by how many standard errors the farther steps lower the squared error.
        alone: by how many standard errors the nearer steps lower it, against predicting the mean.
        reach: how many of the last steps count as near.
        samples: sequences that this rests on.
    """

    near: float
    far: float
    certainty: float
    alone: float
    reach: int
    samples: int


@dataclass(frozen=True)
class TimeProfile:
    """The gradient along the steps of one recurrent layer in one direction.

    Steps are counted in the order in which the layer takes them. Sequences of unequal length are aligned at their last
    step, and each norm is scaled to the whole batch.

    Attributes:
        name: path of the module, or of the weight that a loop applies.
        kind: ``"RNN"``, ``"LSTM"``, ``"GRU"``, or the class that owns the weight of a loop.
        layer: number of the layer where a module stacks several, from 0.
        direction: ``"reverse"`` for the half of a bidirectional layer that reads from the end.
        length: number of steps of the longest sequence.
        steps: the steps that are recorded, from 0; all of them unless there are very many.
        log_gradient: ``ln |d loss/d h_t|_F`` over the batch, or ``ln |v^T d h_T/d h_t|`` with the other probe, at those
            steps; steps at which it is exactly zero are left out of both.
        gain: factor per step toward the first one: robust slope of `log_gradient`.
        horizon: memory horizon in steps, ``-1 / ln gain``; ``None`` where the gain is not below one.
        probe: ``"loss"``: the gradient of the loss. ``"jacobian"``: random unit vectors sent back from the last state,
            because a loss that reads many steps hides the decay between them.
        needed: the longest lag that the loss spans, when it reads the last state only; else ``None``.
        gated: whether gates carry the state (LSTM, GRU), which can learn to hold it.
        dependence: whether the targets depend on steps beyond the reach; ``None`` where there was no reason to ask, or
            no way to tell.
        file, line: the user's source line that runs it, when known.
    """

    name: str
    kind: str
    direction: Direction
    length: int
    steps: tuple[int, ...]
    log_gradient: tuple[float, ...]
    gain: float | None
    horizon: float | None
    probe: Probe
    layer: int = 0
    needed: int | None = None
    gated: bool = False
    dependence: Dependence | None = None
    file: str | None = None
    line: int | None = None

    @property
    def reach(self) -> int | None:
        """Steps back from the last one over which the layer may learn; ``None``: any number."""
        horizons = LSTM_HORIZONS if self.kind == "LSTM" else HORIZONS
        return None if self.horizon is None else max(1, round(horizons * self.horizon))

    @property
    def falls_short(self) -> bool:
        """Whether the loss, read at the last step, spans lags beyond the reach."""
        reach, needed = self.reach, self.needed
        return self.direction == "forward" and needed is not None and reach is not None and reach < needed
