import torch
from torch import nn
from torch.nn.functional import cross_entropy


class LitModule(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.Sequential(*(nn.Sequential(nn.Linear(16 if i == 0 else 32, 32), nn.Sigmoid()) for i in range(8)))
        self.head = nn.Linear(32, 4)

    def forward(self, x):
        return self.head(self.blocks(x))

    def configure_optimizers(self):
        return torch.optim.SGD(
            self.parameters(),
            lr=0.05,
            momentum=0.9,
        )


torch.manual_seed(0)
x = torch.randn(1000, 16)
y = (x @ torch.randn(16, 4)).argmax(1)
module = LitModule()
optimizer = module.configure_optimizers()
for _ in range(200):
    rows = torch.randint(800, (64,))
    optimizer.zero_grad()
    cross_entropy(module(x[rows]), y[rows]).backward()
    optimizer.step()

out = module(x[800:])
print(f"final: loss {cross_entropy(out, y[800:]).item():.4f}, accuracy {(out.argmax(1) == y[800:]).float().mean().item():.3f}")
