import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim


class MLP(nn.Module):
    def __init__(self):
        super().__init__()
        self.l1, self.l2, self.l3 = nn.Linear(16, 32), nn.Linear(32, 32), nn.Linear(32, 32)
        self.l4, self.l5, self.l6 = nn.Linear(32, 32), nn.Linear(32, 32), nn.Linear(32, 32)
        self.l7 = nn.Linear(32, 4)

    def forward(self, x):
        h = F.sigmoid(self.l1(x))
        h = F.sigmoid(self.l2(h))
        h = F.sigmoid(self.l3(h))
        h = F.sigmoid(self.l4(h))
        h = F.sigmoid(self.l6(F.sigmoid(self.l5(h))))
        return self.l7(h)


def batches(x, y, size=64):
    order = torch.randperm(len(x))
    for start in range(0, len(x), size):
        yield x[order[start : start + size]], y[order[start : start + size]]


torch.manual_seed(2)
inputs = torch.randn(1000, 16)
targets = (inputs @ torch.randn(16, 4)).argmax(1)
mlp = MLP()
sgd = optim.SGD(mlp.parameters(), lr=0.05, momentum=0.9)
for epoch in range(15):
    for x, y in batches(inputs[:800], targets[:800]):
        sgd.zero_grad()
        F.cross_entropy(mlp(x), y).backward()
        sgd.step()

with torch.no_grad():
    scores = mlp(inputs[800:])
    print(
        "final: loss {:.4f}, accuracy {:.3f}".format(
            F.cross_entropy(scores, targets[800:]), (scores.argmax(1) == targets[800:]).float().mean()
        )
    )
