import torch
import torch.nn as nn
import torch.nn.functional as F


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(16, 64)
        self.fc2 = nn.Linear(64, 20)

    def forward(self, x):
        x = F.relu(self.fc1(x))
        return F.softmax(self.fc2(x), dim=1)


torch.manual_seed(0)
x = torch.randn(2000, 16)
y = (x @ torch.randn(16, 20)).argmax(1)
net = Net()
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
for _ in range(200):
    rows = torch.randint(1800, (64,))
    optimizer.zero_grad()
    loss = criterion(net(x[rows]), y[rows])
    loss.backward()
    optimizer.step()

out = net(x[1800:])
print(f"final: loss {criterion(out, y[1800:]).item():.4f}, accuracy {(out.argmax(1) == y[1800:]).float().mean().item():.3f}")
