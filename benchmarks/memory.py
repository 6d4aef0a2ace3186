"""What watching keeps in memory: over many steps, and on a device for a model of 100 million parameters.

Run: python -m benchmarks.memory [--steps 10000]

Writes docs/benchmarks/memory.md; leaves with status 1 when something grows, or takes a megabyte on the device.
"""

from __future__ import annotations

import argparse
import dataclasses
import gc
import math
import resource
import sys
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from benchmarks.tables import markdown, write
from headwater.measure import Updates
from headwater.monitor import Monitor, Settings
from headwater.monitor.figures import BLOCK, Figures, Notes
from headwater.monitor.window import FOLLOWED_ON_DEVICE

ROUNDED = 512
"""Bytes that PyTorch's allocator for CUDA gives at least."""
MEGABYTE = 1_000_000
MORE_TENSORS, MORE_BLOCKS, MORE_MEGABYTES = 4, 1_000, 1.0
"""What may come and go: a row is taken anywhere between two flushes of the figures. A leak of one object a step would
come to eight times as many blocks."""
HEADER = ("step", "live tensors", "blocks of Python's memory", "peak resident MB")


class Transformer(nn.Module):
    """The parameters of a GPT-2 small (Radford et al. 2019); only counted, never run."""

    def __init__(self, vocabulary: int = 50257, width: int = 768, blocks: int = 12, positions: int = 1024) -> None:
        super().__init__()
        self.tokens, self.positions = nn.Embedding(vocabulary, width), nn.Embedding(positions, width)
        self.blocks = nn.ModuleList(
            nn.ModuleDict(
                {
                    "first": nn.LayerNorm(width),
                    "attention": nn.Linear(width, 3 * width),
                    "projection": nn.Linear(width, width),
                    "second": nn.LayerNorm(width),
                    "up": nn.Linear(width, 4 * width),
                    "down": nn.Linear(4 * width, width),
                }
            )
            for _ in range(blocks)
        )
        self.last = nn.LayerNorm(width)


def transformer_100m() -> nn.Module:
    """A model of 124 million parameters without memory."""
    with torch.device("meta"):
        return Transformer()


def bytes_on_device(model: nn.Module) -> dict[str, int]:
    """Bytes of all tensors that lie on the parameters' device between two steps, when everything is held at once.

    Counted on the objects themselves, which do on the meta device what they do on any, and rounded up as the allocator
    of CUDA does: a full block of figures on its way to the host and the next one, and the samples of the weights before
    a probed step with their change, which is of the same size and in float32.
    """
    parameters = dict(model.named_parameters())
    optimizer = torch.optim.SGD(parameters.values(), lr=0.01)
    for p in parameters.values():
        p.grad = torch.empty_like(p)
    figures = Figures(parameters)
    for step in range(BLOCK + 1):
        figures.take(step, Notes(loss=torch.ones((), device="meta"), learning_rate=0.01))
    updates = Updates(parameters, optimizer, most=FOLLOWED_ON_DEVICE)
    updates.keep()
    held = {"figures": _bytes(figures), "updates": 2 * _bytes(updates)}
    return {**held, "in all": sum(held.values())}


def _bytes(holder: object) -> int:
    """Bytes of the storages that an object's attributes hold; parameters are the user's."""
    storages: dict[int, int] = {}  # meta tensors have no address: their storages are told apart by object
    stack: list[Any] = list(vars(holder).values())
    while stack:
        each = stack.pop()
        if isinstance(each, torch.Tensor) and not isinstance(each, nn.Parameter):
            storage = each.untyped_storage()
            storages[storage._cdata] = -(-storage.nbytes() // ROUNDED) * ROUNDED
        elif isinstance(each, dict):
            stack += each.values()
        elif isinstance(each, list | tuple):
            stack += each
        elif dataclasses.is_dataclass(each):
            stack += vars(each).values()
    return sum(storages.values())


def growth(steps: int, budget: float) -> list[tuple[int, int, int, float]]:
    """Step, live tensors, blocks of Python memory and peak resident megabytes, ten times in a watched training."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 2))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    monitor = Monitor(model, optimizer, Settings(budget=budget))
    monitor.attach()
    rows: list[tuple[int, int, int, float]] = []
    for step in range(1, steps + 1):
        inputs = torch.randn(16, 16)
        optimizer.zero_grad()
        F.cross_entropy(model(inputs), (inputs.sum(dim=1) > 0).long()).backward()
        optimizer.step()
        if step % (steps // 10) == 0:
            rows.append((step, *_living()))
    monitor.detach()
    return rows


def _living() -> tuple[int, int, float]:
    gc.collect()
    tensors = sum(issubclass(type(each), torch.Tensor) for each in gc.get_objects())
    return tensors, sys.getallocatedblocks(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> int:
    """Writes all tables; with everything measured, after a fifth of the steps."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--steps", type=int, default=10_000)
    steps = options.parse_args().steps
    torch.set_num_threads(1)
    parts: list[str] = []
    grows = False
    for name, budget, number in (
        ("At the default budget", 0.01, steps),
        ("Everything on every step", math.inf, steps // 5),
    ):
        rows = growth(number, budget)
        _, tensors, blocks, peak = (last - first for first, last in zip(rows[1], rows[-1], strict=True))
        grew = tensors > MORE_TENSORS or blocks > MORE_BLOCKS or peak > MORE_MEGABYTES
        grows = grows or grew
        parts += [
            f"## {name}",
            markdown(HEADER, [(*each, f"{peak:.1f}") for *each, peak in rows]),
            f"From the second row to the last: {tensors:+d} tensors, {blocks:+d} blocks, {peak:+.1f} MB. "
            + ("**It grows.**" if grew else "Nothing grows."),
        ]
    model = transformer_100m()
    held = bytes_on_device(model)
    parts += [
        "## On a device",
        f"For a model of {sum(p.numel() for p in model.parameters()) / 1e6:.0f} million parameters, counted on the "
        "meta device and rounded up as the allocator of CUDA does (no GPU was at hand):",
        markdown(("what", "KB"), [(name, f"{count / 1e3:.1f}") for name, count in held.items()]),
    ]
    write("memory", "What watching keeps in memory", "python -m benchmarks.memory", *parts)
    return int(grows or held["in all"] >= MEGABYTE)


if __name__ == "__main__":
    sys.exit(main())
