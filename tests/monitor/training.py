"""Runs the same training with and without watching, and compares everything that it leaves behind."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import torch
from torch import nn
from torch.amp.grad_scaler import GradScaler
from torch.nn.utils import clip_grad
from torch.utils._python_dispatch import TorchDispatchMode

from headwater.monitor import Event, Monitor, Settings, Sink
from headwater.monitor.figures import StepFigures
from headwater.records import Finding, Measurement
from headwater.watch import Watch

DOORS = (
    (torch.autograd, "backward"),
    (clip_grad, "_clip_grads_with_norm_"),
    (clip_grad, "clip_grad_value_"),
    (torch.nn.utils, "clip_grad_value_"),
    (torch.nn.utils, "clip_grads_with_norm_"),
    (GradScaler, "step"),
)
"""What PyTorch lets no one hook, as it is before anybody listens."""
INSIDE = [cell.cell_contents for cell in cast(Any, clip_grad.clip_grad_value_).__closure__]
CLOSED = tuple(getattr(holder, name) for holder, name in DOORS)


@dataclass
class Watched:
    """A training that was watched, after its end.

    Attributes:
        watch: as it was closed.
        figures: of every step that was noted, by optimizer.
        events: as they were told.
        probed: steps of which a probe was told.
    """

    watch: Watch
    figures: dict[str, list[StepFigures]] = field(default_factory=dict[str, list[StepFigures]])
    events: list[Event] = field(default_factory=list[Event])
    probed: list[int] = field(default_factory=list[int])

    @property
    def monitor(self) -> Monitor:
        return self.watch.monitor

    @property
    def steps(self) -> list[StepFigures]:
        """Figures of the only optimizer."""
        (figures,) = self.figures.values()
        return figures

    @property
    def codes(self) -> set[str]:
        """Codes of all findings of the last verdicts."""
        return {finding.code for finding in self.watch.findings}

    def probes(self, name: str = "") -> int:
        """How many passes the last verdict rests on."""
        track = next(track for track in self.monitor.tracks if track.name == name)
        return len(track.measured.steps) if track.measured is not None else 0


Start = Callable[..., Watched | None]
"""Called by a training once its model and its optimizer exist; returns what watches, or nothing in the plain run."""
Training = Callable[[Start], Any]


def begin(model: Any, optimizer: Any, budget: float = math.inf, **options: Any) -> Watched:
    """Watches, and keeps all figures."""
    kept = _Kept()
    monitor = Monitor(model, optimizer, Settings(budget=budget, **options), [kept])
    monitor.attach()
    return Watched(Watch(monitor), kept.by_track, kept.events, kept.probed)


class Listed(TorchDispatchMode):
    """Lists the operations that run inside."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.append(str(func))
        return func(*args, **(kwargs or {}))


class _Kept(Sink):
    def __init__(self) -> None:
        self.by_track: dict[str, list[StepFigures]] = {}
        self.events: list[Event] = []
        self.probed: list[int] = []

    def figures(self, track: str, figures: Sequence[StepFigures]) -> None:
        self.by_track.setdefault(track, []).extend(figures)

    def probe(self, track: str, step: int, measurement: Measurement, findings: Sequence[Finding]) -> None:
        self.probed.append(step)

    def event(self, event: Event) -> None:
        self.events.append(event)


def assert_identical(train: Training, budget: float = math.inf, **options: Any) -> Watched:
    """Trains twice from the same seeds, plain and watched: all that is left must be equal to the last bit."""
    plain, _ = _run(train, lambda *_: None)
    seen, watched = _run(train, lambda *given: begin(*given, budget=budget, **options))
    assert watched is not None, "the training must call start(model, optimizer)"
    assert watched.monitor.fault is None, repr(watched.monitor.fault)
    assert_equal(plain, seen)
    return watched


def assert_equal(one: Any, other: Any, place: str = "state") -> None:
    """Compares nested states; tensors and arrays bit for bit."""
    assert type(one) is type(other), f"{place}: {type(one)} and {type(other)}"
    if isinstance(one, torch.Tensor):
        numbers = [torch.view_as_real(t) if t.is_complex() else t for t in (one, other)]
        same = one.dtype == other.dtype and torch.equal(*map(torch.nan_to_num, numbers))
        assert same, f"{place} differs by {(one.double() - other.double()).abs().max()}"
    elif isinstance(one, np.ndarray):
        assert np.array_equal(one, other), place
    elif isinstance(one, dict):
        assert list(one) == list(other), place
        for key in one:
            assert_equal(one[key], other[key], f"{place}.{key}")
    elif isinstance(one, list | tuple):
        assert len(one) == len(other), place
        for i, pair in enumerate(zip(one, other, strict=True)):
            assert_equal(*pair, f"{place}[{i}]")
    else:
        assert one == other or (one != one and other != other), f"{place}: {one} and {other}"


@contextmanager
def seeded() -> Iterator[None]:
    """Sets all seeds, and puts the generators back afterwards."""
    before = torch.get_rng_state(), np.random.get_state(), random.getstate()
    torch.manual_seed(0)
    np.random.seed(0)
    random.seed(0)
    try:
        yield
    finally:
        torch.set_rng_state(before[0])
        np.random.set_state(before[1])
        random.setstate(before[2])


def _run(train: Training, watch: Callable[..., Watched | None]) -> tuple[Any, Watched | None]:
    given: list[tuple[Any, Any]] = []
    watched: list[Watched | None] = []

    def start(model: Any, optimizer: Any) -> Watched | None:
        given.append((model, optimizer))
        watched.append(watch(model, optimizer))
        return watched[0]

    with seeded():
        result = train(start)
        ((model, optimizer),) = given
        if watched[0] is not None:
            watched[0].watch.close()
        assert_as_found()
        left = list(hooks(model, optimizer).values())  # some wrappers hook their modules at the first step
        return [*state(model, optimizer), left, _plain(result)], watched[0]


def state(model: Any, optimizer: Any) -> list[Any]:
    """Weights, buffers, gradients, the state of the optimizers, and of every generator of random numbers."""
    models, optimizers = _several(model), _several(optimizer)
    return [
        [_plain(dict(each.state_dict())) for each in models],
        [[None if p.grad is None else _local(p.grad) for p in each.parameters()] for each in models],
        [_plain(each.state_dict()) for each in optimizers if hasattr(each, "state_dict")],
        [torch.get_rng_state(), np.random.get_state(), list(random.getstate())],
    ]


def assert_untouched(model: Any, optimizer: Any, before: dict[str, Any]) -> None:
    """Nothing of ours is left: no hook, no function in another's place, no mode of autograd."""
    assert hooks(model, optimizer) == before
    assert_as_found()


def assert_as_found() -> None:
    """PyTorch's functions are its own again, also inside of what is decorated, and no mode of autograd is left on."""
    assert tuple(getattr(holder, name) for holder, name in DOORS) == CLOSED
    assert [cell.cell_contents for cell in cast(Any, clip_grad.clip_grad_value_).__closure__] == INSIDE
    assert not torch.is_anomaly_enabled()
    assert not torch.overrides._len_torch_function_stack()  # type: ignore[attr-defined]


def hooks(model: Any, optimizer: Any) -> dict[str, Any]:
    """Counts hooks, and what stands in for a method, on modules, parameters and optimizers, in their order."""
    found: dict[str, Any] = {}
    for i, each in enumerate(_several(model)):
        for name, module in each.named_modules():
            kinds = [value for key, value in vars(module).items() if "hooks" in key and isinstance(value, dict)]
            found[f"hooks {i} {name} {id(module)}"] = sum(map(len, kinds))
            found[f"own {i} {name} {id(module)}"] = [key for key in vars(module) if key in ("forward", "__call__")]
        for name, p in each.named_parameters():
            kinds = [p._backward_hooks, getattr(p, "_post_accumulate_grad_hooks", None)]
            found[f"hooks {i} {name} {id(p)}"] = sum(len(kind) for kind in kinds if kind is not None)
    for i, each in enumerate(_several(optimizer)):
        kinds = [value for key, value in vars(each).items() if "hooks" in key and isinstance(value, dict)]
        found[f"hooks optimizer {i}"] = sum(map(len, kinds))
        found[f"own optimizer {i}"] = "step" in vars(each)
    return found


def _several(given: Any) -> list[Any]:
    if isinstance(given, dict):
        return list(given.values())
    return list(given) if isinstance(given, list | tuple) else [given]


def _plain(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return _local(value)
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value


def _local(tensor: torch.Tensor) -> torch.Tensor:
    tensor = tensor.detach()
    tensor = tensor.to_local() if hasattr(tensor, "to_local") else tensor  # type: ignore[operator]
    return tensor.to_dense() if tensor.is_sparse else tensor.clone()


def mlp(width: int = 8, depth: int = 3, out: int = 2) -> nn.Sequential:
    """A small network with dropout and batch normalisation, so that random numbers and buffers are at stake."""
    layers: list[nn.Module] = [nn.Linear(4, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Dropout(0.2)]
    for _ in range(depth - 2):
        layers += [nn.Linear(width, width), nn.Tanh()]
    return nn.Sequential(*layers, nn.Linear(width, out))


def batch(n: int = 8) -> tuple[torch.Tensor, torch.Tensor]:
    """Draws inputs and classes."""
    inputs = torch.randn(n, 4)
    return inputs, (inputs.sum(dim=1) > 0).long()


def norm(tensors: Any) -> float:
    """Norm of all tensors together, in float64."""
    return math.sqrt(sum(float(each.detach().double().square().sum()) for each in tensors if each is not None))


def joint(figures: StepFigures) -> float:
    """Norm of the whole gradient of a step, from the figures."""
    return math.sqrt(sum(value * value for value in figures.gradients.values() if value is not None))
