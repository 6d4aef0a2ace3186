"""Trains one configuration, watched or not, and keeps every bit of what the training left behind."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor

import headwater
from benchmarks.identity.design import Configuration
from benchmarks.identity.networks import Network, batch, build

STEPS = 50
SEED = 5
LIMIT = {"norm": 0.5, "value": 0.01}

OPTIMIZERS: dict[str, Callable[[Any], torch.optim.Optimizer]] = {
    "SGD": lambda parameters: torch.optim.SGD(parameters, lr=0.05, momentum=0.9),
    "Adam": lambda parameters: torch.optim.Adam(parameters, lr=1e-2),
    "AdamW fused": lambda parameters: torch.optim.AdamW(parameters, lr=1e-2, fused=True),
    "Adagrad": lambda parameters: torch.optim.Adagrad(parameters, lr=1e-2),
    "RMSprop": lambda parameters: torch.optim.RMSprop(parameters, lr=1e-3),
    "LBFGS": lambda parameters: torch.optim.LBFGS(parameters, lr=0.1, max_iter=3, history_size=5),
}


@dataclass
class Run:
    """What a training left behind.

    Attributes:
        state: every tensor and number, by a name that says where it was found.
        probes: steps that were to be itemised.
        verdicts: those after which the measurements were judged anew.
        findings: codes of the last verdict.
        fault: Headwater's own failure, if there was one.
    """

    state: dict[str, bytes]
    probes: int = 0
    verdicts: int = 0
    findings: list[str] = field(default_factory=list[str])
    fault: str = ""


def train(configuration: Configuration, budget: float | None, rank: int = 0, steps: int = STEPS) -> Run:
    """Trains from the same seed; `budget` is that of `headwater.watch`, ``None`` trains without it."""
    torch._dynamo.reset()
    for seed in (torch.manual_seed, random.seed, np.random.seed):
        seed(SEED)  # the same weights on each rank
    training = _Training(configuration)
    for seed in (torch.manual_seed, random.seed, np.random.seed):
        seed(SEED + rank)  # other data on each rank
    if budget is None:
        losses = [training.step() for _ in range(steps)]
        return Run(training.state(losses))
    watched, probes, seen = headwater.watch(training.model, training.optimizer, budget=budget), 0, list[Any]([None])
    losses: list[torch.Tensor] = []
    with watched:
        (track,) = watched.monitor.tracks
        for _ in range(steps):
            losses.append(training.step())
            probes += track.was_probe
            if track.measured is not seen[-1]:
                seen.append(track.measured)
    fault = watched.monitor.fault
    codes = sorted({finding.code for finding in watched.findings if finding.severity != "info"})
    return Run(
        training.state(losses),
        probes,
        len(seen) - 1,
        codes,
        "" if fault is None else f"{type(fault).__name__}: {fault}",
    )


class _Training:
    """A model, an optimizer and a loop, as users write them."""

    def __init__(self, configuration: Configuration) -> None:
        c = self.c = configuration
        self.inside = build(c.model, c.dropout, c.checkpointing)
        self.model = _wrapped(self.inside, c)
        self.optimizer = OPTIMIZERS[c.optimizer](self.model.parameters())
        self.scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimizer, STEPS) if c.scheduler else None
        self.scaler = torch.amp.GradScaler("cpu", enabled=c.precision == "float16 scaled", growth_interval=10)

    def step(self) -> torch.Tensor:
        batches = [batch(self.c.model) for _ in range(self.c.accumulation)]
        if self.c.optimizer == "LBFGS":
            loss = self.optimizer.step(lambda: self._gradients(batches))
        else:
            loss = self._gradients(batches)
            self.scaler.step(self.optimizer)
            self.scaler.update()
        if self.scheduler is not None:
            self.scheduler.step()
        assert isinstance(loss, torch.Tensor)
        return loss

    def _gradients(self, batches: list[tuple[torch.Tensor, torch.Tensor]]) -> torch.Tensor:
        self.optimizer.zero_grad()
        total = torch.zeros(())
        for x, y in batches:
            with self._autocast():
                loss = F.cross_entropy(self.model(x), y) / len(batches)
            self.scaler.scale(loss).backward()
            total += loss.detach()
        if self.c.clipping != "none":
            if self.scaler.is_enabled():
                self.scaler.unscale_(self.optimizer)
            clip = {"norm": nn.utils.clip_grad_norm_, "value": nn.utils.clip_grad_value_}[self.c.clipping]
            clip(self.model.parameters(), LIMIT[self.c.clipping])
        return total

    def _autocast(self) -> Any:
        if self.c.precision == "float32":
            return nullcontext()
        return torch.autocast("cpu", torch.bfloat16 if self.c.precision == "bfloat16" else torch.float16)

    def state(self, losses: list[torch.Tensor]) -> dict[str, bytes]:
        """Returns every bit that a further step, or the user, could depend on."""
        gradients = {name: p.grad for name, p in self.inside.named_parameters()}
        whole = {
            "loss": torch.stack(losses),
            "weights and buffers": self.inside.state_dict(),
            "gradients": gradients,
            "optimizer": self.optimizer.state_dict(),
            "scheduler": {} if self.scheduler is None else self.scheduler.state_dict(),
            "scaler": self.scaler.state_dict(),
            "modes": {name: module.training for name, module in self.inside.named_modules()},
            "random": {"torch": torch.get_rng_state(), "python": random.getstate(), "numpy": np.random.get_state()},
        }
        return dict(_leaves("", whole))


def _wrapped(model: Network, c: Configuration) -> nn.Module:
    wrapped: Any = model
    if c.parallel == "FSDP2":
        mesh = init_device_mesh("cpu", (torch.distributed.get_world_size(),))
        for block in model.blocks:
            fully_shard(block, mesh=mesh)
        fully_shard(model, mesh=mesh)
    elif c.parallel == "DDP":
        wrapped = nn.parallel.DistributedDataParallel(model)
    return wrapped if c.compiled == "no" else torch.compile(wrapped, backend=c.compiled)


def _leaves(name: str, value: Any) -> Iterator[tuple[str, bytes]]:
    """Takes a nested state apart; of a tensor that is spread over ranks this rank's part."""
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield from _leaves(f"{name}/{key}", each)
    elif isinstance(value, list | tuple):
        for place, each in enumerate(value):
            yield from _leaves(f"{name}/{place}", each)
    elif isinstance(value, torch.Tensor):
        local = value.to_local() if isinstance(value, DTensor) else value
        kind = f"{local.dtype} {tuple(local.shape)} ".encode()
        yield name, kind + local.detach().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
    elif isinstance(value, np.ndarray):
        yield name, value.tobytes()
    else:
        yield name, repr(value).encode()
