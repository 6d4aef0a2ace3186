import torch
from torch import nn

torch.manual_seed(0)
x = torch.randn(1000, 16)
y = (x @ torch.randn(16, 4)).argmax(1)
model = nn.Sequential(
    nn.Linear(16, width := 32),
    act := nn.Sigmoid(),
    *(nn.Sequential(nn.Linear(width, width), nn.Sigmoid()) for _ in range(7)),
    nn.Linear(width, 4),
)
state = {"step": 0, "optimizer": (optimizer := torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9))}
while (step := state["step"]) < 200:
    rows = torch.randint(800, (64,))
    optimizer.zero_grad()
    (loss := nn.functional.cross_entropy(model(x[rows]), y[rows])).backward()
    optimizer.step()
    state["step"] = step + 1

if (out := model(x[800:])) is not None:
    loss = nn.functional.cross_entropy(out, y[800:]).item()
    print(f"final: loss {loss:.4f}, accuracy {(out.argmax(1) == y[800:]).float().mean().item():.3f}")
