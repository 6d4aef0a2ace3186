"""A GAN learns eight Gaussians on a ring: non-saturating loss, one optimizer each, EMA of the generator."""

from __future__ import annotations

import argparse
import copy
import math

import torch
import torch.nn as nn
import torch.nn.functional as F

LATENT = 8


def real_samples(n: int) -> torch.Tensor:
    angle = torch.randint(0, 8, (n,)) * (2 * math.pi / 8)
    return torch.stack([angle.cos(), angle.sin()], dim=1) + 0.05 * torch.randn(n, 2)


def make_generator() -> nn.Module:
    return nn.Sequential(
        nn.Linear(LATENT, 128), nn.LeakyReLU(0.2), nn.Linear(128, 128), nn.LeakyReLU(0.2), nn.Linear(128, 2)
    )


def make_discriminator() -> nn.Module:
    return nn.Sequential(
        nn.Linear(2, 128), nn.LeakyReLU(0.2), nn.Linear(128, 128), nn.LeakyReLU(0.2), nn.Linear(128, 1)
    )


@torch.no_grad()
def update_average(average: nn.Module, model: nn.Module, decay: float = 0.99) -> None:
    for old, new in zip(average.parameters(), model.parameters(), strict=True):
        old.lerp_(new, 1 - decay)


@torch.no_grad()
def coverage(generator: nn.Module) -> tuple[int, float]:
    """Modes with at least 2 % of 1000 samples within 0.2, and the share of samples near any mode."""
    samples = generator(torch.randn(1000, LATENT))
    angle = torch.arange(8) * (2 * math.pi / 8)
    distance = torch.cdist(samples, torch.stack([angle.cos(), angle.sin()], dim=1))
    near, mode = distance.min(dim=1)
    counts = torch.bincount(mode[near < 0.2], minlength=8)
    return int((counts >= 20).sum()), (near < 0.2).float().mean().item()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--batch", type=int, default=128)
    opts = parser.parse_args()
    torch.manual_seed(3)

    netG, netD = make_generator(), make_discriminator()
    averageG = copy.deepcopy(netG).requires_grad_(False)
    optG = torch.optim.Adam(netG.parameters(), lr=1e-3, betas=(0.5, 0.9))
    optD = torch.optim.Adam(netD.parameters(), lr=1e-3, betas=(0.5, 0.9))

    for step in range(1, opts.steps + 1):
        # (1) discriminator: real against detached fakes
        real = real_samples(opts.batch)
        fake = netG(torch.randn(opts.batch, LATENT))
        optD.zero_grad()
        lossD = F.softplus(-netD(real)).mean() + F.softplus(netD(fake.detach())).mean()
        lossD.backward()
        optD.step()

        # (2) generator: the same fakes through the new discriminator, whose own gradients are thrown away
        optG.zero_grad()
        lossG = F.softplus(-netD(fake)).mean()
        lossG.backward()
        optG.step()
        update_average(averageG, netG)

        if step % 250 == 0 or step == opts.steps:
            modes, share = coverage(averageG)
            print(f"[{step}/{opts.steps}] loss D {lossD:.3f} loss G {lossG:.3f} modes {modes}/8 near {share:.2f}")


if __name__ == "__main__":
    main()
