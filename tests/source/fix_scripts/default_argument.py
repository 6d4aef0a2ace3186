import torch
from torch import nn


def mlp(sizes, activation=nn.Sigmoid, output_activation=nn.Identity):
    layers = []
    for j in range(len(sizes) - 1):
        act = activation if j < len(sizes) - 2 else output_activation
        layers += [nn.Linear(sizes[j], sizes[j + 1]), act()]
    return nn.Sequential(*layers)


def train(net, x, y, steps=200):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
    criterion = nn.CrossEntropyLoss()
    for _ in range(steps):
        rows = torch.randint(len(x), (64,))
        optimizer.zero_grad()
        criterion(net(x[rows]), y[rows]).backward()
        optimizer.step()


torch.manual_seed(0)
x = torch.randn(1000, 16)
y = (x @ torch.randn(16, 4)).argmax(1)
net = mlp([16] + [32] * 8 + [4])
train(net, x[:800], y[:800])
out = net(x[800:])
loss = nn.functional.cross_entropy(out, y[800:]).item()
print(f"final: loss {loss:.4f}, accuracy {(out.argmax(1) == y[800:]).float().mean().item():.3f}")
