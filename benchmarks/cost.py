"""What a traced step costs: time against a plain forward and backward, interleaved in one process, and peak memory.

    python -m benchmarks.cost [--device cuda] [--repeats 15]

A traced step is the forward pass with module names learned, the walk over the graph, and the hooked backward pass.
Peak memory is that of the tensors of one step, beyond parameters and data, as the allocator counts it.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

import headwater
from benchmarks.tables import markdown, write
from headwater.graph import owners


@dataclass(frozen=True)
class Network:
    """A network with its data and the limits that its traced step must keep."""

    build: Callable[[], tuple[nn.Module, torch.Tensor, torch.Tensor]]
    time_limit: float


def _resnet50() -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    return ResNet50(), torch.randn(8, 3, 224, 224), torch.randint(0, 1000, (8,))


def _transformer() -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    layer = nn.TransformerEncoderLayer(512, 8, 2048, batch_first=True)
    encoder = nn.TransformerEncoder(layer, 6, enable_nested_tensor=False)
    return nn.Sequential(encoder, Mean(), nn.Linear(512, 10)), torch.randn(8, 128, 512), torch.randint(0, 10, (8,))


def _mlp() -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    hidden: list[nn.Module] = []
    for _ in range(50):
        hidden += [nn.Linear(64, 64), nn.ReLU()]
    return nn.Sequential(*hidden, nn.Linear(64, 10)), torch.randn(64, 64), torch.randint(0, 10, (64,))


class Mean(nn.Module):
    """Mean over the sequence."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean(dim=1)


class Bottleneck(nn.Module):
    """He, Zhang, Ren and Sun 2016, figure 5 right."""

    def __init__(self, channels: int, inner: int, stride: int) -> None:
        super().__init__()
        outer = 4 * inner
        self.branch = nn.Sequential(
            *(nn.Conv2d(channels, inner, 1, bias=False), nn.BatchNorm2d(inner), nn.ReLU(inplace=True)),
            *(nn.Conv2d(inner, inner, 3, stride, 1, bias=False), nn.BatchNorm2d(inner), nn.ReLU(inplace=True)),
            *(nn.Conv2d(inner, outer, 1, bias=False), nn.BatchNorm2d(outer)),
        )
        same = stride == 1 and channels == outer
        shortcut = (nn.Conv2d(channels, outer, 1, stride, bias=False), nn.BatchNorm2d(outer))
        self.shortcut = nn.Identity() if same else nn.Sequential(*shortcut)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(self.branch(x) + self.shortcut(x), inplace=True)


class ResNet50(nn.Sequential):
    """ResNet-50, table 1 of the same paper."""

    def __init__(self) -> None:
        blocks: list[nn.Module] = []
        channels = 64
        for inner, count, stride in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
            for i in range(count):
                blocks.append(Bottleneck(channels, inner, stride if i == 0 else 1))
                channels = 4 * inner
        stem = (nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1))
        super().__init__(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 1000))


NETWORKS = {
    "ResNet-50, 8 x 224 x 224": Network(_resnet50, 1.5),
    "6-layer d=512 transformer, 8 x 128": Network(_transformer, 1.5),
    "50-layer width-64 MLP, 64": Network(_mlp, 4.0),
}
MEMORY_LIMIT = 1.2


def plain(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> None:
    """One forward and backward pass."""
    F.cross_entropy(model(x), y).backward()


def traced(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> None:
    """The same, itemised."""
    with owners(model) as learned:
        loss = F.cross_entropy(model(x), y)
    headwater.trace(loss, model=model, owners=learned)


MODES = {"plain": plain, "traced": traced}


def seconds(mode: str, model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> float:
    """Wall time of one step, the device's work included."""
    model.zero_grad(set_to_none=True)
    _synchronise(x.device)
    start = time.perf_counter()
    MODES[mode](model, x, y)
    _synchronise(x.device)
    return time.perf_counter() - start


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def build(name: str, device: str) -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    """Returns model, inputs and targets on the device."""
    torch.manual_seed(0)
    model, x, y = NETWORKS[name].build()
    return model.to(device), x.to(device), y.to(device)


def peak(mode: str, model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> int:
    """Peak bytes of tensors allocated during one step, beyond parameters and data: from the allocator's own events."""
    if x.device.type == "cuda":
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        seconds(mode, model, x, y)
        return torch.cuda.max_memory_allocated() - before
    model.zero_grad(set_to_none=True)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profiler:
        MODES[mode](model, x, y)
    events = [e for e in profiler.profiler.kineto_results.events() if e.name() == "[memory]"]
    sizes = [event.nbytes() for event in sorted(events, key=lambda e: e.start_ns())]
    return max(itertools.accumulate(sizes))


def row(name: str, device: str, repeats: int) -> tuple[list[str], bool]:
    """Measures one network: the row, and whether it keeps its limits."""
    parts = build(name, device)
    for mode in MODES:
        seconds(mode, *parts)
    times = [(seconds("plain", *parts), seconds("traced", *parts)) for _ in range(repeats)]
    ratio = statistics.median(b / a for a, b in times)
    spread = sorted(b / a for a, b in times)
    memory = peak("traced", *parts) / peak("plain", *parts)
    limit = NETWORKS[name].time_limit
    cells = [
        name,
        f"{1e3 * statistics.median(a for a, _ in times):.1f} ms",
        f"{ratio:.2f}x ({spread[0]:.2f} to {spread[-1]:.2f})",
        f"{limit}x",
        f"{memory:.2f}x",
        f"{MEMORY_LIMIT}x",
    ]
    return cells, ratio <= limit and memory <= MEMORY_LIMIT


def main() -> int:
    """Prints and writes the table; returns 1 when a limit is broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--repeats", type=int, default=15)
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows = [row(name, args.device, args.repeats) for name in NETWORKS]
    device = torch.cuda.get_device_name() if args.device == "cuda" else "CPU"
    header = ["network", "plain step", "traced / plain (least to most)", "limit", "peak memory", "limit"]
    table = markdown(header, [cells for cells, _ in rows])
    name = "cost" if args.device == "cpu" else "cost-gpu"
    write(name, f"Cost of a traced step ({device})", f"python -m benchmarks.cost --device {args.device}", table)
    return int(not all(kept for _, kept in rows))


if __name__ == "__main__":
    sys.exit(main())
