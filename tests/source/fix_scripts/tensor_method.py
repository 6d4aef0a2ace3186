import torch
from torch.nn import CrossEntropyLoss, Linear, Module, ModuleList
from torch.optim import SGD


class Net(Module):
    def __init__(self):
        super().__init__()
        self.layers = ModuleList(Linear(a, b) for a, b in [(16, 32)] + [(32, 32)] * 7)
        self.head = Linear(32, 4)

    def forward(self, x):
        for layer in self.layers:
            x = layer(x).sigmoid()
        return self.head(x)


torch.manual_seed(3)
x = torch.randn(1000, 16)
y = (x @ torch.randn(16, 4)).argmax(1)
net, criterion = Net(), CrossEntropyLoss()
optimizer = SGD(net.parameters(), lr=0.05, momentum=0.9)
for _ in range(200):
    rows = torch.randint(800, (64,))
    loss = criterion(net(x[rows]), y[rows])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

out = net(x[800:])
print(f"final: loss {criterion(out, y[800:]):.4f}, accuracy {(out.argmax(1) == y[800:]).float().mean():.3f}")
