"""Train the demand forecaster from a YAML file.

The settings are read from config.yaml beside this file unless --config names another; --set overrides one of them.
Logs go to stderr through logging, the last line on stdout is JSON for the pipeline that calls this.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

logger = logging.getLogger("forecaster")


@dataclass(frozen=True)
class Splits:
    train: DataLoader[tuple[Tensor, ...]]
    validation: DataLoader[tuple[Tensor, ...]]


class Forecaster(nn.Module):
    """Dilated causal convolutions and a linear read-out of the last position."""

    def __init__(self, channels: list[int], kernel: int, dropout: float) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        width = 1
        for level, out in enumerate(channels):
            dilation = 2**level
            layers += [
                nn.ConstantPad1d(((kernel - 1) * dilation, 0), 0.0),
                nn.Conv1d(width, out, kernel, dilation=dilation),
                nn.ReLU(),
                nn.Dropout(dropout),
            ]
            width = out
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(width, 1)

    def forward(self, window: Tensor) -> Tensor:
        return self.head(self.body(window.unsqueeze(1))[:, :, -1]).squeeze(-1)


def build_data(config: dict[str, Any], seed: int) -> Splits:
    generator = torch.Generator().manual_seed(seed)
    t = torch.arange(config["length"], dtype=torch.float32)
    series = torch.sin(t / 6) + 0.5 * torch.sin(t / 17) + 0.1 * torch.randn(len(t), generator=generator)
    windows = series.unfold(0, config["window"] + 1, 1)
    inputs, targets = windows[:, :-1].contiguous(), windows[:, -1].contiguous()
    cut = int(len(inputs) * 0.8)
    return Splits(
        DataLoader(TensorDataset(inputs[:cut], targets[:cut]), config["batch_size"], shuffle=True, generator=generator),
        DataLoader(TensorDataset(inputs[cut:], targets[cut:]), 512),
    )


def validate(model: nn.Module, loader: DataLoader[tuple[Tensor, ...]]) -> float:
    model.eval()
    with torch.no_grad():
        errors = [(model(x) - y).square() for x, y in loader]
    model.train()
    return torch.cat(errors).mean().item()


def train(config: dict[str, Any], checkpoint: Path) -> dict[str, float]:
    torch.manual_seed(config["seed"])
    data = build_data(config["data"], config["seed"])
    model = Forecaster(**config["model"])
    settings = dict(config["optimizer"])
    optimizer = getattr(torch.optim, settings.pop("name"))(model.parameters(), **settings)
    schedule = config["schedule"]
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, schedule["milestones"], schedule["gamma"])
    best, step, loss = float("inf"), 0, torch.tensor(0.0)
    while step < schedule["max_steps"]:
        for inputs, targets in data.train:
            loss = nn.functional.huber_loss(model(inputs), targets)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_value_(model.parameters(), config["clip_value"])
            optimizer.step()
            scheduler.step()
            step += 1
            if step % config["log_every"] == 0:
                error = validate(model, data.validation)
                logger.info("step %d: loss %.5f, validation %.5f", step, loss.item(), error)
                if error < best:
                    best = error
                    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, checkpoint)
            if step >= schedule["max_steps"]:
                break
    return {"steps": step, "loss": round(loss.item(), 5), "validation": round(validate(model, data.validation), 5)}


def parse(argv: list[str] | None = None) -> dict[str, Any]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, default=Path(__file__).with_name("config.yaml"))
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    arguments = parser.parse_args(argv)
    config = yaml.safe_load(arguments.config.read_text(encoding="utf-8"))
    for override in arguments.set:
        path, value = override.split("=", 1)
        *parents, leaf = path.split(".")
        node = config
        for key in parents:
            node = node[key]
        node[leaf] = yaml.safe_load(value)
    return config


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    config = parse()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(train(config, Path(folder) / "best.pt")))
    return 0


if __name__ == "__main__":
    sys.exit(main())
