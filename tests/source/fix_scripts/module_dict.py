import torch
from torch import nn


class Block(nn.Module):
    def __init__(self, fan_in, fan_out):
        super().__init__()
        self.parts = nn.ModuleDict({
            "linear": nn.Linear(fan_in, fan_out),
            "activation": nn.Sigmoid(),
        })

    def forward(self, x):
        return self.parts["activation"](self.parts["linear"](x))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stages = nn.ModuleDict({f"stage{i}": Block(16 if i == 0 else 32, 32) for i in range(8)})
        self.head = nn.Linear(32, 4)

    def forward(self, x):
        for name, stage in self.stages.items():
            x = stage(x)
        return self.head(x)


torch.manual_seed(0)
x = torch.randn(1000, 16)
y = (x @ torch.randn(16, 4)).argmax(1)
model = Net()
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(
    [{"params": model.stages.parameters()}, {"params": model.head.parameters(), "lr": 0.02}], lr=0.05, momentum=0.9
)
for _ in range(200):
    rows = torch.randint(800, (64,))
    optimizer.zero_grad()
    criterion(model(x[rows]), y[rows]).backward()
    optimizer.step()

out = model(x[800:])
print(f"final: loss {criterion(out, y[800:]).item():.4f}, accuracy {(out.argmax(1) == y[800:]).float().mean().item():.3f}")
