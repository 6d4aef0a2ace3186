from functools import partial

import torch
from torch import nn


class Block(nn.Module):
    def __init__(self, fan_in, fan_out, *, act):
        super().__init__()
        self.linear = nn.Linear(fan_in, fan_out)
        self.act = act()

    def forward(self, x):
        return self.act(self.linear(x))


torch.manual_seed(0)
x = torch.randn(1000, 16)
y = (x @ torch.randn(16, 4)).argmax(1)

block = partial(Block, act=nn.Sigmoid)
make_optimizer = partial(torch.optim.SGD, lr=0.05, momentum=0.9)
model = nn.Sequential(block(16, 32), *(block(32, 32) for _ in range(7)), nn.Linear(32, 4))
optimizer = make_optimizer(model.parameters())
for _ in range(200):
    rows = torch.randint(800, (64,))
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(x[rows]), y[rows]).backward()
    optimizer.step()

out = model(x[800:])
loss = nn.functional.cross_entropy(out, y[800:]).item()
print(f"final: loss {loss:.4f}, accuracy {(out.argmax(1) == y[800:]).float().mean().item():.3f}")
