import torch, torch.nn as nn

torch.manual_seed(0); x = torch.randn(1000, 16); y = (x @ torch.randn(16, 4)).argmax(1)

model = nn.Sequential(nn.Linear(16, 32), nn.Sigmoid(), nn.Linear(32, 32), nn.Sigmoid(), nn.Linear(32, 32), nn.Sigmoid(), nn.Linear(32, 32), nn.Sigmoid(), nn.Linear(32, 32), nn.Sigmoid(), nn.Linear(32, 32), nn.Sigmoid(), nn.Linear(32, 32), nn.Sigmoid(), nn.Linear(32, 4))
optimizer = torch.optim.SGD([{"params": [p for n, p in model.named_parameters() if n.endswith("weight")], "weight_decay": 1e-5}, {"params": [p for n, p in model.named_parameters() if not n.endswith("weight")], "weight_decay": 0.0}], lr=0.05, momentum=0.9)

for step in range(200):
    rows = torch.randint(800, (64,))
    optimizer.zero_grad(); loss = nn.functional.cross_entropy(model(x[rows]), y[rows]); loss.backward(); optimizer.step()

out = model(x[800:]); print(f"final: loss {nn.functional.cross_entropy(out, y[800:]).item():.4f}, accuracy {(out.argmax(1) == y[800:]).float().mean().item():.3f}")
