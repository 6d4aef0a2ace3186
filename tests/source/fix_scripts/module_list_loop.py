import torch
from torch import nn


def make_layers(sizes):
    layers = nn.ModuleList()
    for i in range(len(sizes) - 2):
        layers.append(nn.Linear(sizes[i], sizes[i + 1]))
        layers.append(nn.Sigmoid())
    layers.append(nn.Linear(sizes[-2], sizes[-1]))
    return layers


class Net(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.layers = make_layers(sizes)

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


torch.manual_seed(5)
x = torch.randn(1000, 16)
y = (x @ torch.randn(16, 4)).argmax(1)
model = Net([16] + 8 * [32] + [4])
ce = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(params=model.parameters(), lr=0.05, momentum=0.9)
for step in range(200):
    pick = torch.randint(0, 800, size=(64,))
    optimizer.zero_grad(set_to_none=True)
    ce(model(x[pick]), y[pick]).backward()
    optimizer.step()

model.eval()
out = model(x[800:])
print(f"final: loss {ce(out, y[800:]).item():.4f}, accuracy {(out.argmax(-1) == y[800:]).float().mean().item():.3f}")
