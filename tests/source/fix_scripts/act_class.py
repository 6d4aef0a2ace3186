import torch
import torch.nn as nn
from torch.optim import SGD


class Layer(nn.Module):
    def __init__(self, fan_in, fan_out, act_layer):
        super().__init__()
        self.fc = nn.Linear(fan_in, fan_out)
        self.act = act_layer()

    def forward(self, x):
        return self.act(self.fc(x))


class Network(nn.Module):
    def __init__(self, width, depth, act_layer):
        super().__init__()
        self.layers = nn.Sequential(*[Layer(16 if i == 0 else width, width, act_layer) for i in range(depth)])
        self.head = nn.Linear(width, 4)

    def forward(self, x):
        return self.head(self.layers(x))


torch.manual_seed(0)
x = torch.randn(1000, 16)
y = (x @ torch.randn(16, 4)).argmax(1)
model = Network(32, 8, act_layer=nn.Sigmoid)
criterion = nn.CrossEntropyLoss()
optimizer = SGD(filter(lambda p: p.requires_grad, model.parameters()), lr=0.05, momentum=0.9)
for _ in range(200):
    rows = torch.randint(800, (64,))
    optimizer.zero_grad()
    criterion(model(x[rows]), y[rows]).backward()
    optimizer.step()

out = model(x[800:])
print(f"final: loss {criterion(out, y[800:]).item():.4f}, accuracy {(out.argmax(1) == y[800:]).float().mean().item():.3f}")
