import torch
from network import make_network
from optimizers import make_optimizer
from torch.nn.functional import cross_entropy

torch.manual_seed(0)
x = torch.randn(1000, 16)
y = (x @ torch.randn(16, 4)).argmax(1)
model = make_network(16, 32, 8, 4)
optimizer = make_optimizer(model)
for _ in range(200):
    rows = torch.randint(800, (64,))
    loss = cross_entropy(model(x[rows]), y[rows])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

with torch.no_grad():
    out = model(x[800:])
print(f"final: loss {cross_entropy(out, y[800:]):.4f}, accuracy {(out.argmax(1) == y[800:]).float().mean():.3f}")
