import torch
from torch import nn

torch.manual_seed(0)
inputs = torch.randn(4096, 20)
labels = inputs[:, :4].argmax(1)


class Network(nn.Module):
    def __init__(self, width=64, depth=12):
        super().__init__()
        self.first = nn.Linear(20, width)
        self.hidden = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        self.last = nn.Linear(width, 4)

    def forward(self, x):
        x = torch.sigmoid(self.first(x))
        for layer in self.hidden:
            x = torch.sigmoid(layer(x))
        return self.last(x)


model = Network()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

for step in range(201):
    batch = torch.randint(len(inputs), (64,))
    loss = nn.functional.cross_entropy(model(inputs[batch]), labels[batch])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 50 == 0:
        print(f"step {step:3d}  loss {loss.item():.3f}")
