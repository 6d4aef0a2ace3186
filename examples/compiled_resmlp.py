"""torch.compile on a residual MLP, forward and loss in one compiled function; learns a modular sum."""

import argparse

import torch
import torch.nn as nn
import torch.nn.functional as F


class ResidualMLP(nn.Module):
    def __init__(self, modulus: int, dim: int = 96, depth: int = 2):
        super().__init__()
        self.embed = nn.Embedding(modulus, dim)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, 2 * dim), nn.GELU(), nn.Linear(2 * dim, dim))
            for _ in range(depth)
        )
        self.norm = nn.LayerNorm(dim)
        self.head = nn.Linear(dim, modulus)

    def forward(self, pair, target=None):
        x = self.embed(pair).sum(dim=1)
        for block in self.blocks:
            x = x + block(x)
        logits = self.head(self.norm(x))
        loss = None if target is None else F.cross_entropy(logits, target)
        return logits, loss


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backend", default="aot_eager", help="inductor takes a C++ compiler and half a minute")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--modulus", type=int, default=17)
    parser.add_argument("--no-compile", action="store_true")
    args = parser.parse_args()

    torch.manual_seed(0)
    p = args.modulus
    pairs = torch.cartesian_prod(torch.arange(p), torch.arange(p))
    sums = pairs.sum(1) % p
    model = ResidualMLP(p)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, betas=(0.9, 0.98), weight_decay=0.1)
    run = model if args.no_compile else torch.compile(model, backend=args.backend)

    for step in range(args.steps):
        idx = torch.randint(0, len(pairs), (128,))
        _, loss = run(pairs[idx], sums[idx])
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if step % 100 == 99 or step + 1 == args.steps:
            print(f"step {step + 1}: loss {loss.item():.4f}")

    model.eval()
    with torch.no_grad():
        logits, _ = model(pairs)
    print(f"accuracy {(logits.argmax(1) == sums).float().mean().item():.4f}")


if __name__ == "__main__":
    main()
