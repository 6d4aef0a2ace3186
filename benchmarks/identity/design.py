"""Which trainings are compared: a covering design, in which each two settings that can go together do so somewhere."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

CHOICES: dict[str, tuple[Any, ...]] = {
    "model": ("MLP", "CNN", "residual CNN", "LSTM", "transformer", "GRU"),
    "optimizer": ("SGD", "Adam", "AdamW fused", "Adagrad", "RMSprop", "LBFGS"),
    "precision": ("float32", "bfloat16", "float16 scaled"),
    "clipping": ("none", "norm", "value"),
    "compiled": ("no", "eager", "aot_eager"),
    "parallel": ("no", "DDP", "FSDP2"),
    "accumulation": (1, 3),
    "checkpointing": (False, True),
    "scheduler": (False, True),
    "dropout": (0.0, 0.2),
}
CONFIGURATIONS = 64
_TRIES = 60
"""Candidates from which each configuration of the design is chosen."""


@dataclass(frozen=True)
class Configuration:
    """How a network is trained; the values are those of `CHOICES`, and ``"inductor"`` for `compiled`."""

    model: str
    optimizer: str
    precision: str
    clipping: str
    compiled: str
    parallel: str
    accumulation: int
    checkpointing: bool
    scheduler: bool
    dropout: float

    def __str__(self) -> str:
        parts = [self.model, self.optimizer]
        parts += [self.precision] if self.precision != "float32" else []
        parts += [f"clip {self.clipping}"] if self.clipping != "none" else []
        parts += [f"compile {self.compiled}"] if self.compiled != "no" else []
        parts += [self.parallel] if self.parallel != "no" else []
        parts += [f"accumulate {self.accumulation}"] if self.accumulation > 1 else []
        parts += ["checkpointed"] if self.checkpointing else []
        parts += ["cosine"] if self.scheduler else []
        parts += [f"dropout {self.dropout}"] if self.dropout else []
        return ", ".join(parts)


_BASE = Configuration("MLP", "Adam", "float32", "none", "inductor", "no", 1, False, False, 0.0)
INDUCTOR = (
    _BASE,
    replace(_BASE, model="residual CNN", optimizer="SGD", clipping="norm", scheduler=True),
    replace(_BASE, optimizer="AdamW fused", precision="bfloat16", clipping="norm", dropout=0.2),
)
"""Compiling to machine code takes seconds each, so that these are few and outside of the design."""


def possible(configuration: Configuration) -> bool:
    """Whether PyTorch itself can train it (on a CPU)."""
    c = configuration
    if c.optimizer == "LBFGS" and (c.precision == "float16 scaled" or c.parallel == "FSDP2"):
        return False  # the scaler takes no closure; LBFGS flattens gradients across shards
    # compiled, accumulated or with DDP PyTorch raises: a batch norm's counter was changed in place
    return not (c.compiled != "no" and c.checkpointing and "CNN" in c.model)


def configurations(count: int = CONFIGURATIONS) -> list[Configuration]:
    """Returns a covering design, filled up to `count` by drawing, and those that are compiled to machine code."""
    rng = random.Random(0)
    found: list[Configuration] = []
    missing = {pair for _ in range(20_000) for pair in _pairs(_draw(rng))}
    while missing:
        wanted = min(missing, key=repr)
        candidates = [_draw(rng, dict(wanted)) for _ in range(_TRIES)]
        best = max(candidates, key=lambda each: (len(missing & set(_pairs(each))), -_cost(each)))
        found.append(best)
        missing -= set(_pairs(best))
    while len(found) < count - len(INDUCTOR):
        if (more := _draw(rng, {"compiled": "no", "parallel": "no"})) not in found:
            found.append(more)
    return sorted([*found, *INDUCTOR], key=lambda c: (c.parallel, c.compiled, str(c)))


def _draw(rng: random.Random, fixed: dict[str, Any] | None = None) -> Configuration:
    while True:
        drawn = {name: rng.choice(values) for name, values in CHOICES.items()}
        configuration = Configuration(**{**drawn, **(fixed or {})})
        if possible(configuration):
            return configuration


def _cost(configuration: Configuration) -> int:
    return (configuration.parallel != "no") + (configuration.compiled != "no")


def _pairs(configuration: Configuration) -> Iterator[tuple[tuple[str, Any], tuple[str, Any]]]:
    settings = [(field.name, getattr(configuration, field.name)) for field in fields(configuration)]
    return itertools.combinations(settings, 2)
