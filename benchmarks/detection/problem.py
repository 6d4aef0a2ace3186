"""What a case of the benchmark is: a network in training, and the verdict that it deserves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import cycle, islice
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

Batch = tuple[Any, Any]
LossFn = Callable[[Any, Any], Tensor]
Factory = Callable[[Iterable[nn.Parameter]], Optimizer]
Score = Callable[[nn.Module, Batch], float]
Half = Literal["tune", "held_out"]
Effect = Literal["fails", "worse", "slow", "part", "level", "diverges"]


@dataclass(frozen=True)
class Problem:
    """A network with everything that its training needs.

    Attributes:
        model, batches, loss_fn, optimizer: what is handed to `headwater.diagnose`.
        test: the held-out batch that `score` reads.
        score: 0 for the best constant prediction, 1 for a perfect one; whatever the loss is, so that twins compare.
        train_steps: the honest budget.
        step: ``step(model, batch) -> loss`` where `loss_fn` does not do.
        schedule: called after each training step; `headwater.diagnose` never sees it.
    """

    model: nn.Module
    batches: Sequence[Batch]
    test: Batch
    score: Score
    loss_fn: LossFn | None = None
    optimizer: Optimizer | Factory | None = None
    train_steps: int = 200
    step: Callable[[nn.Module, Batch], Tensor] | None = None
    schedule: Callable[[], object] | None = None

    def loss(self, batch: Batch) -> Tensor:
        if self.step is not None:
            return self.step(self.model, batch)
        assert self.loss_fn is not None
        return self.loss_fn(forward(self.model, batch[0]), batch[1])

    def make_optimizer(self) -> Optimizer:
        if self.optimizer is None:
            return torch.optim.SGD(self.model.parameters(), lr=1e-2)
        if isinstance(self.optimizer, Optimizer):
            return self.optimizer
        return self.optimizer(self.model.parameters())


@dataclass(frozen=True)
class Case:
    """One network and the verdict that it deserves.

    Attributes:
        expect: code of the leading finding; ``None`` for a healthy network.
        half: thresholds may be tuned on ``"tune"`` only; ``"held_out"`` is for judging them.
        twin: the same network without the fault.
        effect: how the fault shows in training (`benchmarks.detection.truth` states the criteria).
        part: prefix of the parameters that the effect ``"part"`` speaks of.
        accept: other leading codes that would name the same fault truthfully; counted apart.
        learns: score that a healthy network must reach.
        tempts: for a healthy network that is no twin, the code that it invites by mistake.
    """

    name: str
    expect: str | None
    family: str
    half: Half
    build: Callable[..., Problem]
    twin: str | None = None
    effect: Effect = "fails"
    part: str = ""
    accept: tuple[str, ...] = ()
    learns: float = 0.6
    note: str = ""
    tempts: str | None = None

    @property
    def architecture(self) -> str:
        """Kind of the network where the builder makes several, else the family."""
        options: dict[str, Any] = getattr(self.build, "keywords", {})
        return options.get("kind", "mlp" if self.family == "data" else self.family)


@dataclass(frozen=True)
class Family:
    """Makes cases of one architecture family that share a builder."""

    name: str
    builder: Callable[..., Problem]
    common: dict[str, Any] = field(default_factory=dict[str, Any])

    def pair(
        self,
        name: str,
        code: str,
        half: Half,
        common: dict[str, Any],
        broken: dict[str, Any],
        healthy: dict[str, Any],
        **fields: Any,
    ) -> tuple[Case, Case]:
        """A broken network and its twin: the two dicts show the one difference between them."""
        learns = fields.pop("learns", 0.6)
        twin = f"{name}/healthy"
        return (
            Case(name, code, self.name, half, self._build(common, broken), twin=twin, **fields),
            Case(twin, None, self.name, half, self._build(common, healthy), learns=learns),
        )

    def healthy(
        self, name: str, half: Half, *, learns: float = 0.6, note: str = "", tempts: str | None = None, **options: Any
    ) -> Case:
        """A healthy network that invites a false alarm."""
        return Case(name, None, self.name, half, self._build(options, {}), learns=learns, note=note, tempts=tempts)

    def _build(self, common: dict[str, Any], own: dict[str, Any]) -> Callable[..., Problem]:
        return partial(self.builder, **{**self.common, **common, **own})


def forward(model: nn.Module, inputs: Any) -> Any:
    if isinstance(inputs, dict):
        return model(**inputs)
    return model(*inputs) if isinstance(inputs, tuple | list) else model(inputs)


def fit(problem: Problem, steps: int, watch: Callable[[int, float], None] | None = None) -> None:
    """Train in place; `watch` sees the step and its loss. Stops where the loss is no longer finite."""
    problem.model.train()
    optimizer = problem.make_optimizer()
    for index, batch in enumerate(islice(cycle(problem.batches), steps)):
        optimizer.zero_grad()
        loss = problem.loss(batch)
        value = float(loss.detach())
        if loss.isfinite():
            loss.backward()
            optimizer.step()
        if problem.schedule is not None:
            problem.schedule()
        if watch is not None:
            watch(index + 1, value)
        if not loss.isfinite():
            return


def sgd(lr: float, momentum: float = 0.0) -> Factory:
    return partial(torch.optim.SGD, lr=lr, momentum=momentum)


def adam(lr: float) -> Factory:
    return partial(torch.optim.Adam, lr=lr)


def adamw(lr: float) -> Factory:
    return partial(torch.optim.AdamW, lr=lr)


def rmsprop(lr: float) -> Factory:
    return partial(torch.optim.RMSprop, lr=lr)


def adagrad(lr: float) -> Factory:
    return partial(torch.optim.Adagrad, lr=lr)
