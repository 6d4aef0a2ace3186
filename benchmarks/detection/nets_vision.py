"""Convolutional networks and mixers of the benchmark; their input is one channel of 8 x 8 pixels."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from benchmarks.detection.nets import ACTIVATIONS


def cnn(
    channels: int, depth: int, outputs: int = 10, act: str = "relu", *, norm: bool = False, pool_every: int = 0
) -> nn.Sequential:
    """`depth` 3 x 3 convolutions, global average pooling, a linear head."""
    layers: list[nn.Module] = []
    for index in range(depth):
        layers.append(nn.Conv2d(1 if index == 0 else channels, channels, 3, padding=1, padding_mode="circular"))
        if norm:
            layers.append(nn.BatchNorm2d(channels))
        layers.append(ACTIVATIONS[act]())
        if pool_every and (index + 1) % pool_every == 0:
            layers.append(nn.MaxPool2d(2))
    side = 8 // 2 ** (depth // pool_every if pool_every else 0)
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels * side * side, outputs))


class ConvBlock(nn.Module):
    """Basic block of a residual network; `zero_gamma` starts it as the identity."""

    def __init__(self, channels: int, zero_gamma: bool):
        super().__init__()
        self.conv1, self.conv2 = (nn.Conv2d(channels, channels, 3, padding=1, bias=False) for _ in range(2))
        self.norm1, self.norm2 = nn.BatchNorm2d(channels), nn.BatchNorm2d(channels)
        if zero_gamma:
            nn.init.zeros_(self.norm2.weight)

    def forward(self, x: Tensor) -> Tensor:
        return (x + self.norm2(self.conv2(self.norm1(self.conv1(x)).relu()))).relu()


def resnet(channels: int, blocks: int, outputs: int = 10, *, zero_gamma: bool = True) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, channels, 3, padding=1),
        nn.ReLU(),
        *(ConvBlock(channels, zero_gamma) for _ in range(blocks)),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(channels, outputs),
    )


class DenseNet(nn.Module):
    """Every convolution reads all maps before it."""

    def __init__(self, growth: int, depth: int, outputs: int = 10):
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(1 + growth * i, growth, 3, padding=1) for i in range(depth))
        self.norms = nn.ModuleList(nn.BatchNorm2d(growth) for _ in range(depth))
        self.head = nn.Linear((1 + growth * depth) * 4, outputs)

    def forward(self, x: Tensor) -> Tensor:
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = torch.cat([x, norm(conv(x)).relu()], 1)
        return self.head(nn.functional.adaptive_avg_pool2d(x, 2).flatten(1))


class UNet(nn.Module):
    """Two levels with a skip connection; reconstructs its input."""

    def __init__(self, channels: int):
        super().__init__()
        self.down, self.inner = nn.Conv2d(1, channels, 3, padding=1), nn.Conv2d(channels, channels, 3, padding=1)
        self.up = nn.ConvTranspose2d(channels, channels, 2, stride=2)
        self.out = nn.Conv2d(2 * channels, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        skip = self.down(x).relu()
        deep = self.inner(nn.functional.max_pool2d(skip, 2)).relu()
        return self.out(torch.cat([skip, self.up(deep).relu()], 1))


class AutoEncoder(nn.Module):
    """Bottleneck of a few units: the number of units changes by a factor of sixteen on the way."""

    def __init__(self, width: int, code: int = 8):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(64, width), nn.ReLU(), nn.Linear(width, code))
        self.decoder = nn.Sequential(nn.Linear(code, width), nn.ReLU(), nn.Linear(width, 64))

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.encoder(x))


class MixerBlock(nn.Module):
    def __init__(self, tokens: int, width: int, act: str, skip: bool, norm: bool):
        super().__init__()
        self.norm1, self.norm2 = (nn.LayerNorm(width) if norm else nn.Identity() for _ in range(2))
        self.tokens = nn.Sequential(nn.Linear(tokens, 2 * tokens), ACTIVATIONS[act](), nn.Linear(2 * tokens, tokens))
        self.channels = nn.Sequential(nn.Linear(width, 2 * width), ACTIVATIONS[act](), nn.Linear(2 * width, width))
        self.skip = float(skip)

    def forward(self, x: Tensor) -> Tensor:
        x = self.skip * x + self.tokens(self.norm1(x).transpose(1, 2)).transpose(1, 2)
        return self.skip * x + self.channels(self.norm2(x))


class Mixer(nn.Module):
    """MLP-Mixer over sixteen patches of four pixels."""

    def __init__(
        self, width: int, depth: int, outputs: int = 10, act: str = "gelu", *, skip: bool = True, norm: bool = True
    ):
        super().__init__()
        self.embed = nn.Linear(4, width)
        self.blocks = nn.Sequential(*(MixerBlock(16, width, act, skip, norm) for _ in range(depth)))
        self.head = nn.Linear(width, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(self.embed(x)).mean(1))
