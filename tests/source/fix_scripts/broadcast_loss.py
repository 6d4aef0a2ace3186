import torch
import torch.nn as nn

torch.manual_seed(0)
x = torch.randn(1000, 8)
y = x @ torch.randn(8)

model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for _ in range(200):
    rows = torch.randint(800, (64,))
    optimizer.zero_grad()
    loss = ((model(x[rows]) - y[rows]) ** 2).mean()
    loss.backward()
    optimizer.step()

with torch.no_grad():
    error = (model(x[800:]).reshape(-1) - y[800:]).square().mean()
print(f"final: loss {error:.4f}, accuracy {1 - error / y[800:].var():.3f}")
