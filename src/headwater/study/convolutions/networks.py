"""Deep convolutional networks that differ in what stands between their layers."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from headwater.errors import InputError

CHANNELS = 16
_SIDE = 10
"""Of images with more pixels a side the first convolution takes every other one."""


@dataclass(frozen=True)
class Variant:
    """One way to build a deep convolutional network.

    Attributes:
        title: what the reader sees.
        he: whether weights are drawn with variance ``2 / fan_in`` and biases are zero (He, Zhang, Ren and Sun 2015),
            else as PyTorch draws them: variance ``1 / (3 fan_in)``.
        normalised: whether a batch normalisation follows each convolution (Ioffe and Szegedy 2015).
        residual: whether a path leads around each pair of convolutions (He, Zhang, Ren and Sun 2016, "Deep residual
            learning for image recognition").
    """

    title: str
    he: bool = False
    normalised: bool = False
    residual: bool = False


VARIANTS: dict[str, Variant] = {
    "plain": Variant("plain"),
    "plain-he": Variant("plain, He initialisation", he=True),
    "normalised": Variant("batch normalisation", he=True, normalised=True),
    "residual": Variant("batch normalisation and residual connections", he=True, normalised=True, residual=True),
}
"""By name."""


class Block(nn.Module):
    """Two 3 x 3 convolutions; with a residual path ``relu(x + f(x))``, else ``relu(f(x))``."""

    def __init__(self, channels: int, variant: Variant) -> None:
        super().__init__()
        self.conv1, self.conv2 = (
            nn.Conv2d(channels, channels, 3, padding=1, bias=not variant.normalised) for _ in range(2)
        )
        self.norm1, self.norm2 = (nn.BatchNorm2d(channels) if variant.normalised else nn.Identity() for _ in range(2))
        self.residual = variant.residual

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns maps of the same shape, (batch, channels, height, width)."""
        f = self.norm2(self.conv2(self.norm1(self.conv1(x)).relu()))
        return (x + f if self.residual else f).relu()


def cnn(
    name: str, *, depth: int, side: int, classes: int = 10, channels: int = CHANNELS, seed: int = 0
) -> nn.Sequential:
    """Builds a first convolution, ``depth - 1`` more in blocks of two, the mean over the map, and a linear output.

    Args:
        name: key of `VARIANTS`.
        depth: number of convolutions, odd.
        side: height and width of the images; of large ones the first convolution takes every other pixel.
        classes: number of outputs.
        channels: maps of each layer.
        seed: of the weights; the global random state is left as it was.
    """
    if depth % 2 == 0 or depth < 1:
        raise InputError(f"Expected an odd number of convolutions, one and then pairs, got {depth}.")
    variant = VARIANTS[name]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        first = nn.Conv2d(1, channels, 3, stride=2 if side > _SIDE else 1, padding=1)
        blocks = [Block(channels, variant) for _ in range(depth // 2)]
        output = nn.Linear(channels, classes)
        network = nn.Sequential(first, nn.ReLU(), *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), output)
        if variant.he:
            _he(network)
    return network


def _he(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
