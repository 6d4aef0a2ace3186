"""Networks in narrow number formats, and optimizers that round or clip, of the benchmark."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, Optimizer

from benchmarks.detection.problem import Factory


class Kept(nn.Module):
    """A network whose weights are kept in a narrow dtype; it takes and gives float32."""

    def __init__(self, network: nn.Module, dtype: torch.dtype):
        super().__init__()
        self.network, self.dtype = network.to(dtype), dtype

    def forward(self, x: Tensor) -> Tensor:
        return self.network(x.to(self.dtype) if x.is_floating_point() else x).float()


class Autocast(nn.Module):
    """A network with float32 weights that computes in a narrow dtype."""

    def __init__(self, network: nn.Module, dtype: torch.dtype):
        super().__init__()
        self.network, self.dtype = network, dtype

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast("cpu", self.dtype):
            return self.network(x).float()


class StoredLinear(nn.Module):
    """A linear layer whose weight is stored in one byte and used in float32; its gradient is float32's, rounded."""

    def __init__(self, inputs: int, outputs: int, dtype: torch.dtype):
        super().__init__()
        drawn = torch.randn(outputs, inputs) * (2 / inputs) ** 0.5
        self.weight, self.bias = nn.Parameter(drawn.to(dtype)), nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.linear(x, self.weight.to(x.dtype), self.bias)


def stored_mlp(inputs: int, width: int, outputs: int, dtype: torch.dtype) -> nn.Sequential:
    return nn.Sequential(
        StoredLinear(inputs, width, dtype),
        nn.ReLU(),
        StoredLinear(width, width, dtype),
        nn.ReLU(),
        nn.Linear(width, outputs),
    )


class LayerScaled(nn.Module):
    """Residual blocks whose branches start at a millionth (layer scale, by design)."""

    def __init__(self, inputs: int, width: int, blocks: int, outputs: int):
        super().__init__()
        self.stem, self.head = nn.Linear(inputs, width), nn.Linear(width, outputs)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))
            for _ in range(blocks)
        )
        self.scales = nn.ParameterList(nn.Parameter(torch.full((width,), 1e-6)) for _ in range(blocks))

    def forward(self, x: Tensor) -> Tensor:
        h = self.stem(x)
        for block, scale in zip(self.blocks, self.scales, strict=True):
            h = h + scale * block(h)
        return self.head(h)


class RoundingAdam(Optimizer):
    """Adam with float32 moments that writes its step into narrow weights: `how` says what becomes of the rest."""

    def __init__(self, params: Any, lr: float, how: str):
        super().__init__(params, {"lr": lr, "eps": 1e-8})
        self.how = how

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    self._write(p, self._update(p, group), self.state[p])

    def _update(self, p: Tensor, group: dict[str, Any]) -> Tensor:
        state, g = self.state[p], p.grad.float()
        state["t"] = state.get("t", 0) + 1
        state["m"] = 0.9 * state.get("m", torch.zeros_like(g)) + 0.1 * g
        state["v"] = 0.999 * state.get("v", torch.zeros_like(g)) + 0.001 * g * g
        size = (state["v"] / (1 - 0.999 ** state["t"])).sqrt() + group["eps"]
        return -group["lr"] * state["m"] / (1 - 0.9 ** state["t"]) / size

    def _write(self, p: Tensor, update: Tensor, state: dict[str, Any]) -> None:
        start = p.float()
        if self.how == "master":
            state["master"] = state.get("master", start) + update
            p.data = state["master"].to(p.dtype)
        elif self.how == "kahan":
            wanted = update + state.get("rest", torch.zeros_like(update)).float()
            p.data = (start + wanted).to(p.dtype)
            state["rest"] = (wanted - (p.float() - start)).to(torch.bfloat16)
        elif self.how == "stochastic":
            spacing = torch.finfo(p.dtype).eps * 2 ** torch.floor(torch.log2((start + update).abs().clamp_min(1e-30)))
            p.data = (start + update + (torch.rand_like(start) - 0.5) * spacing).to(p.dtype)
        else:
            p.data = (start + update).to(p.dtype)


def rounding(lr: float, how: str = "nearest") -> Factory:
    return partial(RoundingAdam, lr=lr, how=how)


class ClippedSGD(SGD):
    """Gradient descent that clips inside its step, as people subclass it."""

    def __init__(self, params: Any, lr: float, max_norm: float, momentum: float = 0.0):
        super().__init__(params, lr=lr, momentum=momentum)
        for group in self.param_groups:
            group["max_norm"] = max_norm

    def step(self, closure: Any = None) -> Any:
        nn.utils.clip_grad_norm_(_held(self), self.param_groups[0]["max_norm"])
        return super().step(closure)


def clipped(lr: float, max_norm: float, momentum: float = 0.0) -> Factory:
    return partial(ClippedSGD, lr=lr, max_norm=max_norm, momentum=momentum)


def hooked(make: Callable[[Any], Optimizer], clip: Callable[[Any, float], Any], limit: float) -> Factory:
    """An optimizer with a hook that clips before each step, as ``nn.utils.clip_grad_norm_`` or ``clip_grad_value_``."""

    def factory(parameters: Any) -> Optimizer:
        optimizer = make(parameters)
        for group in optimizer.param_groups:
            group["max_norm"] = limit
        optimizer.register_step_pre_hook(lambda opt, *_: _nothing(clip(_held(opt), opt.param_groups[0]["max_norm"])))
        return optimizer

    return factory


def warming(make: Callable[[Any], Optimizer], start: float) -> Factory:
    """An optimizer at the first step of a warm-up from `start` times its rate."""

    def factory(parameters: Any) -> Optimizer:
        optimizer = make(parameters)
        torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, start + step / 50))
        return optimizer

    return factory


def adam_with(lr: float, **options: Any) -> Factory:
    return partial(Adam, lr=lr, **options)


def _held(optimizer: Optimizer) -> list[Tensor]:
    return [p for group in optimizer.param_groups for p in group["params"]]


def _nothing(_: Any) -> None:
    """A hook before a step must return None: anything else would replace the step's arguments."""
