"""A file as a user writes it: every way to build and to call that the source lines are tested on.

Lines that a test asks for end in a comment ``# <name>``, or ``# <name> call`` where the module is called.
"""

USER_FILE = """
from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import nn


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.fc = nn.Linear(width, width)  # fc
        self.multi = nn.Linear(  # multi
            width,
            width,
        )
        self.weight = nn.Parameter(torch.eye(width))

    def forward(self, x):
        x = F.relu(self.fc(x))  # fc call
        x = torch.tanh(self.multi(x))  # multi call
        return F.linear(x, self.weight)  # weight call


class Tower(nn.Sequential):
    def __init__(self, width):
        super().__init__(
            nn.Linear(width, width),  # tower.0
            nn.ReLU(),
            nn.Linear(width, width),  # tower.2
        )


class Net(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.blocks = nn.ModuleList([Block(width) for _ in range(2)])  # blocks
        self.listed = nn.ModuleList(nn.Linear(width, width) for _ in range(2))  # listed
        self.body = nn.Sequential(
            nn.Linear(width, width),  # body.0
            nn.Sigmoid(),
            nn.Linear(width, width),  # body.2
        )
        self.named = nn.Sequential(OrderedDict([
            ("first", nn.Linear(width, width)),  # named.first
            ("second", nn.Linear(width, width)),  # named.second
        ]))
        layers = []
        for _ in range(2):
            layers.append(nn.Linear(width, width))  # tail
            layers += [nn.ReLU()]
        self.tail = nn.Sequential(*layers)
        for i in range(2):
            setattr(self, f"step{i}", nn.Linear(width, width))  # step
        self.chosen = nn.ModuleDict({
            "a": nn.Linear(width, width),  # chosen.a
        })
        self.encoder = nn.TransformerEncoderLayer(width, 2, 16, batch_first=True)  # encoder
        self.tower = Tower(width)

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        for layer in self.listed:
            x = layer(x)  # listed call
        x = self.named(self.body(x))  # body call
        double = lambda x: 2 * self.step1(x)  # step1 call
        x = double(self.step0(self.tail(x)))  # tail call
        x = self.chosen["a"](x)  # chosen call
        x = self.encoder(x[:, None])[:, 0]  # encoder call
        return self.tower(x)  # tower call


def data():
    return [(torch.randn(16, 8), torch.randint(8, (16,))) for _ in range(3)]


def network():
    return Net(), data(), nn.CrossEntropyLoss()


def plain():
    model = nn.Sequential(
        nn.Linear(8, 8),  # plain.0
        nn.ReLU(),
        *(nn.Linear(8, 8) for _ in range(3)),  # plain.rest
    )
    return model, data(), nn.CrossEntropyLoss()


def diagnosed(headwater):
    model, batches, loss = plain()
    return headwater.diagnose(model, batches, loss)  # plain call


def vision():
    import timm

    model = timm.create_model("vit_tiny_patch16_224", num_classes=10, depth=1)  # vision
    return model, [(torch.randn(2, 3, 224, 224), torch.randint(10, (2,)))], nn.CrossEntropyLoss()
"""


def line(marker: str) -> int:
    """Number of the line that ends in a marker."""
    (number,) = [i for i, text in enumerate(USER_FILE.splitlines(), 1) if text.endswith(f"# {marker}")]
    return number
