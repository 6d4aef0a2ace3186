"""Train an MLP on the scikit-learn digits.

usage: python train_digits.py --epochs 12 --lr 2e-3 --seed 1
"""

import argparse
import math
import random

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch.utils.data import DataLoader, TensorDataset


def get_args():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--depth", type=int, default=4)
    parser.add_argument("--warmup", type=int, default=20, help="warm-up steps")
    parser.add_argument("--clip", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--log-every", type=int, default=50)
    return parser.parse_args()


class MLP(nn.Module):
    def __init__(self, width, depth, n_in=64, n_out=10):
        super().__init__()
        self.stem = nn.Linear(n_in, width)
        self.hidden = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        self.head = nn.Linear(width, n_out)
        for layer in [self.stem, *self.hidden]:
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)

    def forward(self, x):
        x = F.relu(self.stem(x))
        for layer in self.hidden:
            x = F.relu(layer(x))
        return self.head(x)


def get_loaders(args):
    x, y = load_digits(return_X_y=True)
    x = (x - x.mean()) / x.std()
    xtr, xte, ytr, yte = train_test_split(x, y, test_size=0.2, random_state=args.seed, stratify=y)
    train = TensorDataset(torch.tensor(xtr, dtype=torch.float32), torch.tensor(ytr))
    test = TensorDataset(torch.tensor(xte, dtype=torch.float32), torch.tensor(yte))
    return (
        DataLoader(train, batch_size=args.batch_size, shuffle=True, drop_last=True),
        DataLoader(test, batch_size=256),
    )


@torch.no_grad()
def evaluate(model, loader):
    model.eval()
    correct = total = 0
    for x, y in loader:
        correct += (model(x).argmax(1) == y).sum().item()
        total += len(y)
    model.train()
    return correct / total


def main():
    args = get_args()
    random.seed(args.seed)
    np.random.seed(args.seed)
    torch.manual_seed(args.seed)

    train_loader, test_loader = get_loaders(args)
    model = MLP(args.width, args.depth)
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.lr, weight_decay=1e-2)
    total = args.epochs * len(train_loader)

    def schedule(step):
        if step < args.warmup:
            return (step + 1) / args.warmup
        progress = (step - args.warmup) / max(1, total - args.warmup)
        return 0.5 * (1 + math.cos(math.pi * progress))

    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, schedule)
    step, best = 0, 0.0
    for epoch in range(args.epochs):
        for x, y in train_loader:
            loss = F.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            norm = nn.utils.clip_grad_norm_(model.parameters(), args.clip)
            optimizer.step()
            scheduler.step()
            if step % args.log_every == 0:
                print(
                    f"step {step:4d}  loss {loss.item():.4f}  grad norm {norm:.3f}  lr {scheduler.get_last_lr()[0]:.2e}"
                )
            step += 1
        best = max(best, evaluate(model, test_loader))
        print(f"epoch {epoch:2d}  best accuracy {best:.4f}")
    print(f"done: {step} steps, final loss {loss.item():.4f}, best accuracy {best:.4f}")


if __name__ == "__main__":
    main()
