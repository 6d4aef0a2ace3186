import torch
from torch import nn

widths = [16] + [32] * 8
activations = [nn.Sigmoid()] * 8

torch.manual_seed(0)
x = torch.randn(1000, 16)
y = (x @ torch.randn(16, 4)).argmax(1)
layers = [nn.Linear(a, b) for a, b in zip(widths, widths[1:])]
model = nn.Sequential(*[each for pair in zip(layers, activations) for each in pair], nn.Linear(widths[-1], 4))
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(list(model.parameters()), lr=0.05, momentum=0.9)
for _ in range(200):
    rows = torch.randint(800, (64,))
    optimizer.zero_grad()
    criterion(model(x[rows]), y[rows]).backward()
    optimizer.step()

out = model(x[800:])
print(f"final: loss {criterion(out, y[800:]).item():.4f}, accuracy {(out.argmax(1) == y[800:]).float().mean().item():.3f}")
