"""Watches the steps of a probation for what is lost on the way from the gradient to the weights.

What is dear runs only where there is something to look at: the wide step for weights in a narrow dtype, or for such
as hardly move (and then at every other step); the pass with a scaled loss where gradients are small for their dtype;
the shuffled targets where epsilon or decay rule.
"""

from __future__ import annotations

import statistics
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from headwater.measure.fit import model_fit
from headwater.measure.norms import dense
from headwater.measure.objective import Objective
from headwater.measure.optimizers import adaptive, needs_closure, rate_of
from headwater.measure.precision.clipping import Clipping
from headwater.measure.precision.decay import LOOK, TAKES, coupled_decay, decay_to_gradient, plain_decay, toward_zero
from headwater.measure.precision.epsilon import epsilon_effect, epsilon_of
from headwater.measure.precision.intended import Intended
from headwater.measure.precision.underflow import Lost, is_narrow, lost_gradients, narrowest, suspicious
from headwater.measure.updates import Updates
from headwater.records import ClipRecord, NumbersRecord, PrecisionRecord, Trace

_FLOAT32_STANDS = 1e-6
"""A relative update near float32's spacing (1.2e-7): part of it may be lost there too."""
_WARMING = 0.5
"""A rate below this share of the schedule's own is in warm-up or at the end of its decay: not the rate to judge by."""
_HALF, _KEPT = 0.5, 0.9
"""Half of the elements ruled by epsilon with less of their step left, or half of a step lost: has it converged?"""


@dataclass
class _Weight:
    """What was seen of one weight."""

    captured: list[tuple[int, float, float, float]] = field(default_factory=list[tuple[int, float, float, float]])
    decay_to_gradient: float | None = None
    toward_zero: float | None = None
    shrink: float | None = None


class Precision:
    """Follows one optimizer over its steps: `before_step`, `step`, `after_step`; then `look` and `record`."""

    def __init__(self, model: nn.Module, optimizer: Optimizer, *, given: bool) -> None:
        self._model, self._optimizer, self._given = model, optimizer, given
        self._groups = {id(p): group for group in optimizer.param_groups for p in group["params"]}
        self._weights = {n: p for n, p in model.named_parameters() if p.requires_grad and _judged(p)}
        self._seen = {name: _Weight() for name in self._weights}
        self._clipping = Clipping([p for p in model.parameters() if p.requires_grad])
        self._clips: list[ClipRecord] = []
        self._slow: frozenset[str] = frozenset()
        self._suspicious, self._dtype, self._number = False, "", -1
        self._intended: Intended | None = None
        self._before: dict[str, torch.Tensor] = {}
        self._effects: dict[str, tuple[float, float]] = {}
        self._scale: float | None = None
        self._lost: dict[str, Lost] = {}
        self._fit: float | None = None
        self._wide = given and not needs_closure(optimizer)

    def before_step(self, trace: Trace) -> None:
        """Reads the backward pass that has just run."""
        self._number += 1
        self._dtype = narrowest(trace, self._weights)
        self._suspicious = suspicious(trace, self._weights)
        self._clipping.before()
        self._intended = None

    @contextmanager
    def step(self) -> Generator[None]:
        """Surrounds the optimizer's step."""
        if not self._wide:
            yield
            return
        handle = self._optimizer.register_step_pre_hook(self._about_to_step)
        try:
            with self._clipping.calls():
                yield
        finally:
            handle.remove()

    def after_step(self, updates: Updates) -> None:
        """Compares what the weights did with what was meant."""
        norms = self._clipping.norms()
        if norms is not None:
            self._clips.append(ClipRecord(self._number, *norms))
        for name, parameter in self._weights.items():
            seen = self._seen[name]
            captured = self._intended.captured(parameter) if self._intended is not None else None
            if captured is not None:
                seen.captured.append((self._number, *captured))
            if name in self._before:
                seen.toward_zero, seen.shrink = toward_zero(self._before[name], dense(parameter))
        self._slow = updates.barely_moved(_FLOAT32_STANDS)
        self._before = {}

    def look(self, objective: Objective, batch: Any) -> None:
        """Runs the model once more where something must be looked at; `batch` is what it runs on."""
        self._effects = {
            name: effect
            for name, p in self._weights.items()
            if self._given and (effect := self._epsilon(p)) is not None
        }
        if self._suspicious:
            narrow = is_narrow(self._dtype)
            self._scale, self._lost = lost_gradients(self._model, objective, batch, self._weights, narrow=narrow)
        ruled = any(share > _HALF and kept < _KEPT for share, kept in self._effects.values())
        lost = any(along < _HALF * size for seen in self._seen.values() for _, along, size, _ in seen.captured[-1:])
        if ruled or lost or any(seen.toward_zero is not None for seen in self._seen.values()):
            self._fit = model_fit(self._model, objective, batch)

    def record(self, judged: Sequence[int]) -> PrecisionRecord:
        """Puts the record together, over the judged steps."""
        weights = (self._numbers(name, judged) for name in self._weights)
        groups = self._optimizer.param_groups
        return PrecisionRecord(
            weights=tuple(w for w in weights if w != NumbersRecord(w.name, w.dtype, w.numel)),
            clips=tuple(clip for clip in self._clips if clip.step in judged),
            adaptive=adaptive(self._optimizer),
            epsilon=next((e for group in groups if (e := epsilon_of(group)) is not None), None),
            weight_decay=max((float(group.get("weight_decay") or 0.0) for group in groups), default=0.0),
            loss_scale=self._scale,
            gradient_dtype=self._dtype,
            fit=self._fit,
        )

    def _about_to_step(self, *_: Any) -> None:
        """Runs behind all other hooks; once more where a subclass calls ``super().step()``, behind its clipping."""
        self._clipping.consumed()
        if self._intended is not None:
            return
        self._intended = Intended(self._optimizer, self._watched() if self._number % 2 else [])
        for name, parameter in self._weights.items():
            group = self._groups.get(id(parameter), {})
            decay = coupled_decay(self._optimizer, group)
            ratio = decay_to_gradient(decay, parameter) if decay else None
            self._seen[name].decay_to_gradient = ratio
            self._seen[name].toward_zero = self._seen[name].shrink = None
            if (ratio is not None and ratio > LOOK) or plain_decay(self._optimizer, group) > TAKES:
                self._before[name] = dense(parameter).clone()

    def _watched(self) -> list[nn.Parameter]:
        """The weights whose next step may be lost to rounding."""
        return [p for n, p in self._weights.items() if (_is_low(p) or n in self._slow) and self._at_full_rate(p)]

    def _at_full_rate(self, parameter: torch.Tensor) -> bool:
        group = self._groups.get(id(parameter), {"lr": 0.0})
        rate = rate_of(group)
        peak = max(float(group.get(name) or 0.0) for name in ("initial_lr", "max_lr"))
        return rate is None or (rate > 0 and rate >= _WARMING * peak)

    def _epsilon(self, parameter: torch.Tensor) -> tuple[float, float] | None:
        group = self._groups.get(id(parameter))
        return epsilon_effect(self._optimizer, group, parameter) if group is not None else None

    def _numbers(self, name: str, judged: Sequence[int]) -> NumbersRecord:
        seen, parameter = self._seen[name], self._weights[name]
        lost, effect = self._lost.get(name), self._effects.get(name)
        taken = [(along, size, norm) for step, along, size, norm in seen.captured if step in judged and size > 0]
        ratios = [size**0.5 / norm for _, size, norm in taken if norm > 0]
        return NumbersRecord(
            name=name,
            dtype=str(parameter.dtype).removeprefix("torch."),
            numel=parameter.numel(),
            captured=sum(a for a, _, _ in taken) / sum(s for _, s, _ in taken) if taken else None,
            intended_ratio=statistics.median(ratios) if ratios else None,
            gradient_lost=lost.share if lost else None,
            gradient_captured=lost.captured if lost else None,
            recovered=lost is None or lost.recovered,
            epsilon_share=effect[0] if effect else None,
            step_kept=effect[1] if effect else None,
            decay_to_gradient=seen.decay_to_gradient,
            toward_zero=seen.toward_zero,
            shrink=seen.shrink,
        )


def _judged(parameter: torch.Tensor) -> bool:
    """Weights only: gains and biases start at one or zero, are few, and often stay there."""
    return parameter.dim() > 1 and not parameter.is_complex() and parameter.numel() > 0


def _is_low(parameter: torch.Tensor) -> bool:
    return parameter.is_floating_point() and torch.finfo(parameter.dtype).bits < 32
