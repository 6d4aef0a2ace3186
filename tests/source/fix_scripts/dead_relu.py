import torch
from torch import nn


def init(module):
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        nn.init.constant_(module.bias, -3.0)


torch.manual_seed(0)
x = torch.randn(1000, 16)
y = (x @ torch.randn(16, 4)).argmax(1)
model = nn.Sequential(nn.Linear(16, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 4))
model.apply(init)
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for _ in range(200):
    rows = torch.randint(800, (64,))
    optimizer.zero_grad()
    criterion(model(x[rows]), y[rows]).backward()
    optimizer.step()

out = model(x[800:])
print(f"final: loss {criterion(out, y[800:]).item():.4f}, accuracy {(out.argmax(1) == y[800:]).float().mean().item():.3f}")
