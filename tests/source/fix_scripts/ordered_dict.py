from collections import OrderedDict

import torch
from torch import nn

torch.manual_seed(0)
x = torch.randn(1000, 16)
y = (x @ torch.randn(16, 4)).argmax(1)

model = nn.Sequential(OrderedDict([
    ("fc1", nn.Linear(16, 32)), ("sigmoid1", nn.Sigmoid()),
    ("fc2", nn.Linear(32, 32)), ("sigmoid2", nn.Sigmoid()),
    ("fc3", nn.Linear(32, 32)), ("sigmoid3", nn.Sigmoid()),
    ("fc4", nn.Linear(32, 32)), ("sigmoid4", nn.Sigmoid()),
    ("fc5", nn.Linear(32, 32)), ("sigmoid5", nn.Sigmoid()),
    ("fc6", nn.Linear(32, 32)), ("sigmoid6", nn.Sigmoid()),
    ("fc7", nn.Linear(32, 32)), ("sigmoid7", nn.Sigmoid()),
    ("out", nn.Linear(32, 4)),
]))

optimizer = torch.optim.SGD(model.parameters(), 0.05, 0.9)
criterion = nn.CrossEntropyLoss()
for i in range(200):
    rows = torch.randint(800, (64,))
    optimizer.zero_grad()
    criterion(model(x[rows]), y[rows]).backward()
    optimizer.step()

out = model(x[800:])
print(f"final: loss {criterion(out, y[800:]).item():.4f}, accuracy {(out.argmax(1) == y[800:]).float().mean().item():.3f}")
