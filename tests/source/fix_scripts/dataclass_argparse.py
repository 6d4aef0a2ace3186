#!/usr/bin/env python
import argparse
from dataclasses import dataclass

import torch
import torch.nn as nn


@dataclass
class Config:
    width: int = 32
    depth: int = 8
    lr: float = 0.05
    momentum: float = 0.9
    steps: int = 200
    batch_size: int = 64
    activation: type[nn.Module] = nn.Sigmoid


def parse() -> Config:
    parser = argparse.ArgumentParser()
    parser.add_argument("--width", type=int, default=Config.width)
    parser.add_argument("--depth", type=int, default=Config.depth)
    parser.add_argument("--lr", type=float, default=Config.lr)
    parser.add_argument("--momentum", type=float, default=Config.momentum)
    parser.add_argument("--steps", type=int, default=Config.steps)
    return Config(**vars(parser.parse_args()))


def make_model(config: Config) -> nn.Module:
    layers: list[nn.Module] = [nn.Linear(16, config.width), config.activation()]
    for _ in range(config.depth - 1):
        layers += [nn.Linear(config.width, config.width), config.activation()]
    return nn.Sequential(*layers, nn.Linear(config.width, 4))


def main() -> None:
    config = parse()
    torch.manual_seed(0)
    x = torch.randn(1000, 16)
    y = (x @ torch.randn(16, 4)).argmax(1)
    model = make_model(config)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(
        model.parameters(),
        lr=config.lr,
        momentum=config.momentum,
    )
    for _ in range(config.steps):
        batch = torch.randint(800, (config.batch_size,))
        optimizer.zero_grad()
        loss = criterion(model(x[batch]), y[batch])
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        out = model(x[800:])
    print(f"final: loss {criterion(out, y[800:]):.4f}, accuracy {(out.argmax(1) == y[800:]).float().mean():.3f}")


if __name__ == "__main__":
    main()
