"""A small pre-norm transformer with activation checkpointing in every block. Task: sort eight digits."""

from argparse import ArgumentParser, Namespace

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

DIGITS = 10
SEPARATOR = 10
LENGTH = 8


class Attention(nn.Module):
    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.proj = nn.Linear(dim, dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        b, t, d = x.shape
        q, k, v = self.qkv(x).view(b, t, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.proj(y.transpose(1, 2).reshape(b, t, d))


class Block(nn.Module):
    def __init__(self, dim: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.ln1, self.ln2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attn = Attention(dim, heads)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim), nn.Dropout(dropout))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.ln1(x))
        return x + self.mlp(self.ln2(x))


class Sorter(nn.Module):
    def __init__(self, dim: int = 64, depth: int = 3, heads: int = 4, reentrant: bool = False) -> None:
        super().__init__()
        self.reentrant = reentrant
        self.tokens = nn.Embedding(DIGITS + 1, dim)
        self.positions = nn.Parameter(0.02 * torch.randn(2 * LENGTH, dim))
        self.blocks = nn.ModuleList(Block(dim, heads, 0.05) for _ in range(depth))
        self.norm = nn.LayerNorm(dim)
        self.head = nn.Linear(dim, DIGITS, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.tokens(tokens) + self.positions[: tokens.shape[1]]
        for block in self.blocks:
            if self.training:
                x = checkpoint(block, x, use_reentrant=self.reentrant)
            else:
                x = block(x)
        return self.head(self.norm(x))


def make_batch(n: int) -> tuple[Tensor, Tensor]:
    """Inputs: the digits, a separator, the sorted digits but the last; targets: the sorted digits."""
    digits = torch.randint(0, DIGITS, (n, LENGTH))
    ordered = digits.sort(dim=1).values
    return torch.cat([digits, torch.full((n, 1), SEPARATOR), ordered[:, :-1]], dim=1), ordered


def train(opts: Namespace) -> None:
    torch.manual_seed(opts.seed)
    model = Sorter(reentrant=opts.reentrant)
    decay = [p for p in model.parameters() if p.ndim >= 2]
    rest = [p for p in model.parameters() if p.ndim < 2]
    optimizer = torch.optim.AdamW(
        [{"params": decay, "weight_decay": 0.1}, {"params": rest, "weight_decay": 0.0}], lr=opts.lr
    )
    warmup = torch.optim.lr_scheduler.LinearLR(optimizer, 0.05, total_iters=20)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(1, opts.steps - 20))
    scheduler = torch.optim.lr_scheduler.SequentialLR(optimizer, [warmup, cosine], milestones=[20])
    for step in range(1, opts.steps + 1):
        x, y = make_batch(32)
        loss = F.cross_entropy(model(x)[:, LENGTH:].flatten(0, 1), y.flatten())
        optimizer.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        if step % 50 == 0:
            print(f"{step=} loss={loss.item():.4f} norm={norm.item():.3f}")
    model.eval()
    with torch.no_grad():
        x, y = make_batch(256)
        exact = (model(x)[:, LENGTH:].argmax(-1) == y).float().mean()
    print(f"digits right: {exact:.4f}")


if __name__ == "__main__":
    cli = ArgumentParser()
    cli.add_argument("--steps", type=int, default=200)
    cli.add_argument("--lr", type=float, default=3e-3)
    cli.add_argument("--seed", type=int, default=9)
    cli.add_argument("--reentrant", action="store_true", help="the older kind of checkpoint")
    train(cli.parse_args())
