from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.optim import Optimizer


class Classifier(nn.Module):
    """A multilayer perceptron."""

    def __init__(self, inputs: int, width: int, depth: int, classes: int) -> None:
        super().__init__()
        self.embed: nn.Linear = nn.Linear(inputs, width)
        self.layers: nn.ModuleList = nn.ModuleList([nn.Linear(width, width) for _ in range(depth)])
        self.activation: nn.Module = nn.Sigmoid()
        self.head: nn.Linear = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        hidden: Tensor = self.activation(self.embed(x))
        for layer in self.layers:
            hidden = self.activation(layer(hidden))
        return self.head(hidden)


def minibatches(x: Tensor, y: Tensor, size: int = 64) -> Iterator[tuple[Tensor, Tensor]]:
    for rows in torch.randperm(len(x)).split(size):
        yield x[rows], y[rows]


def train(model: nn.Module, optimizer: Optimizer, x: Tensor, y: Tensor, epochs: int) -> None:
    criterion: nn.Module = nn.CrossEntropyLoss()
    for _ in range(epochs):
        for inputs, targets in minibatches(x, y):
            optimizer.zero_grad()
            loss: Tensor = criterion(model(inputs), targets)
            loss.backward()
            optimizer.step()


@torch.no_grad()
def evaluate(model: nn.Module, x: Tensor, y: Tensor) -> tuple[float, float]:
    out: Tensor = model(x)
    return nn.functional.cross_entropy(out, y).item(), (out.argmax(1) == y).float().mean().item()


torch.manual_seed(0)
x: Tensor = torch.randn(1000, 16)
y: Tensor = (x @ torch.randn(16, 4)).argmax(1)
model: nn.Module = Classifier(inputs=16, width=32, depth=7, classes=4)
optimizer: Optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
train(model, optimizer, x[:800], y[:800], epochs=15)
loss, accuracy = evaluate(model, x[800:], y[800:])
print(f"final: loss {loss:.4f}, accuracy {accuracy:.3f}")
