"""Ways to watch a training: ours, and those of other tools as their documentation shows them."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import headwater
from benchmarks.overhead.networks import Training
from benchmarks.zoo.entry import register_missing_operators
from headwater.monitor import patches
from headwater.monitor.settings import BUDGET

BLOCK = 10
"""Steps in a row at least: a tenth of a second to a second, in which the machine's load changes little."""


class Unwatched:
    """Nothing is watched; what other variants do, they do in `attach`.

    Attributes:
        switches: whether it can be switched off outside of `turn`, so that one training serves for both sides.
    """

    switches = False

    def attach(self, training: Training, length: int) -> None:
        """Begins to watch, in turns of so many steps."""

    @contextmanager
    def turn(self) -> Generator[None]:
        """Encloses a block of steps."""
        yield

    def probes(self) -> int | None:
        """Steps that were itemised."""
        return None

    def share(self) -> float | None:
        """Share of the time that watching says it took."""
        return None

    def close(self) -> None:
        """Ends watching."""


class Headwater(Unwatched):
    """`headwater.watch`. Outside of its turn what it replaces in PyTorch is put back, and its hooks are off.

    Where each step is itemised, the next one is being listened to when a turn ends: then it does not switch.
    """

    def __init__(self, budget: float, *, only_norms: bool = False) -> None:
        self._budget, self._only_norms, self._probes = budget, only_norms, 0
        self.switches = math.isfinite(budget)

    def attach(self, training: Training, length: int) -> None:
        self._watch = headwater.watch(training.model, training.optimizer, budget=self._budget)
        self._track = self._watch.monitor.tracks[0]
        governor: Any = self._track.governor
        if self._only_norms:
            governor.wants_probe, governor.stride = lambda step: False, lambda: 1
        if self.switches:  # no probe may be open between two turns
            wants = governor.wants_probe
            governor.wants_probe = lambda step: step % length > 0 and wants(step)
        training.optimizer.register_step_post_hook(self._count)
        optimizer: Any = training.optimizer
        self._hooks = [
            (hooks, dict(hooks))
            for hooks in (optimizer._optimizer_step_pre_hooks, optimizer._optimizer_step_post_hooks)
        ]
        self._leave()

    def _count(self, *_: Any) -> None:
        self._probes += self._track.was_probe

    @contextmanager
    def turn(self) -> Generator[None]:
        self._listen()
        try:
            yield
        finally:
            self._leave()

    def _listen(self) -> None:
        """Goes on, as if no time had gone by: that of the other training must not count as its own."""
        governor, away = self._track.governor, time.perf_counter() - self._left
        for mark in ("_start", "_last_end", "_last_probe", "_asked"):
            if (moment := getattr(governor, mark)) is not None:
                setattr(governor, mark, moment + away)
        patches.listen(self._watch.monitor)
        for hooks, ours in self._hooks:
            hooks.update(ours)

    def _leave(self) -> None:
        self._left = time.perf_counter()
        patches.leave(self._watch.monitor)
        for hooks, _ in self._hooks:
            hooks.clear()

    def probes(self) -> int | None:
        return self._probes

    def share(self) -> float | None:
        return self._track.governor.spent / self._track.governor.elapsed

    def close(self) -> None:
        self._listen()
        self._watch.close()
        if self._watch.monitor.fault is not None:
            raise RuntimeError("Watching failed, and its cost was not measured") from self._watch.monitor.fault


class WandB(Unwatched):
    """``wandb.watch``, offline; it records when the loop logs, so that the loop logs the number of the step."""

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self._options = options

    def attach(self, training: Training, length: int) -> None:
        import wandb

        self._folder = tempfile.TemporaryDirectory()
        settings = wandb.Settings(console="off", silent=True)
        self._run = wandb.init(mode="offline", dir=self._folder.name, project="overhead", settings=settings)
        self._run.watch(training.model, **self._options)
        training.before_update = lambda: self._run.log({"step": training.steps})

    def close(self) -> None:
        self._run.finish()
        self._folder.cleanup()


class InLoop(Unwatched):
    """What a user writes ahead of ``optimizer.step()``; outside of its turn it is left out."""

    switches = True

    def attach(self, training: Training, length: int) -> None:
        self._training = training

    def look(self) -> None:
        """Is called ahead of each update."""
        raise NotImplementedError

    @contextmanager
    def turn(self) -> Generator[None]:
        before, self._training.before_update = self._training.before_update, self.look
        try:
            with super().turn():
                yield
        finally:
            self._training.before_update = before


class Lightning(InLoop):
    """``lightning.pytorch.utilities.grad_norm``, as in the documentation's ``on_before_optimizer_step``."""

    def attach(self, training: Training, length: int) -> None:
        super().attach(training, length)
        register_missing_operators()  # Lightning imports torchvision
        from lightning.pytorch.utilities import grad_norm

        self._grad_norm = grad_norm

    def look(self) -> None:
        self.norms = self._grad_norm(self._training.model, norm_type=2)


class TensorBoard(InLoop):
    """Histograms of all parameters and gradients."""

    def attach(self, training: Training, length: int) -> None:
        super().attach(training, length)
        from torch.utils.tensorboard import SummaryWriter

        self._folder = tempfile.TemporaryDirectory()
        self._writer = SummaryWriter(self._folder.name)

    def look(self) -> None:
        training = self._training
        for name, parameter in training.model.named_parameters():
            self._writer.add_histogram(name, parameter, training.steps)
            self._writer.add_histogram(f"{name}.grad", parameter.grad, training.steps)

    def close(self) -> None:
        self._writer.close()
        self._folder.cleanup()


class Loop(InLoop):
    """The loop that people write."""

    def look(self) -> None:
        self.norms = {
            name: parameter.grad.norm().item()
            for name, parameter in self._training.model.named_parameters()
            if parameter.grad is not None
        }


@dataclass(frozen=True)
class Variant:
    """A way to watch, what it records, and for which part of `--long` it is timed, where it acts now and then."""

    make: Callable[[], Unwatched]
    records: str
    long: float = 0.0


DEFAULT = "headwater.watch, default"
NORMS = "headwater.watch, norms on each step"
EVERYTHING = "headwater.watch, everything on each step"

VARIANTS = {
    DEFAULT: Variant(lambda: Headwater(BUDGET), "norms of gradients; at probes everything", long=1.0),
    NORMS: Variant(lambda: Headwater(BUDGET, only_norms=True), "norms of gradients; of weights each 32nd step; loss"),
    EVERYTHING: Variant(
        lambda: Headwater(math.inf),
        "norms; forward and backward signal of each operation, updates, verdict",
    ),
    'wandb.watch(log="all", log_freq=1)': Variant(
        lambda: WandB(log="all", log_freq=1), "histograms of weights and gradients"
    ),
    "wandb.watch, default": Variant(WandB, "histograms of gradients, each 1000th step", long=0.25),
    "TensorBoard add_histogram": Variant(TensorBoard, "histograms of weights and gradients"),
    "Lightning grad_norm": Variant(Lightning, "norms of gradients"),
    "loop with .grad.norm().item()": Variant(Loop, "norms of gradients"),
    "plain, against itself": Variant(Unwatched, "nothing"),
}
