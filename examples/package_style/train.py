import argparse

import torch
from torch.nn.functional import mse_loss

from .data import make_loaders
from .model import DenoisingAutoencoder


def train_epoch(model, loader, optimizer):
    model.train()
    total = 0.0
    for noisy, clean in loader:
        loss = mse_loss(model(noisy), clean)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(noisy)
    return total / len(loader.dataset)


@torch.no_grad()
def evaluate(model, loader):
    model.eval()
    noisy, clean = next(iter(loader))
    return mse_loss(model(noisy), clean).item(), mse_loss(noisy, clean).item()


def main(argv=None):
    parser = argparse.ArgumentParser(prog="package_style")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--workers", type=int, default=1, help="loader processes; 0 loads in this one")
    parser.add_argument("--lr", type=float, default=2e-3)
    args = parser.parse_args(argv)
    torch.manual_seed(4)
    train_loader, test_loader = make_loaders(args.workers)
    model = DenoisingAutoencoder()
    optimizer = torch.optim.Adam(
        [
            {"params": model.encoder.parameters(), "lr": args.lr},
            {"params": model.decoder.parameters(), "lr": args.lr / 2},
        ]
    )
    for epoch in range(args.epochs):
        loss = train_epoch(model, train_loader, optimizer)
        print(f"epoch {epoch + 1}/{args.epochs} loss {loss:.5f}")
    error, noise = evaluate(model, test_loader)
    print(f"test error {error:.5f}, of the noise {noise:.5f}")
