"""A network as people write their first one."""

import torch
from torch import nn, optim


class Net(nn.Module):
    def __init__(self):
        super(Net, self).__init__()
        self.fc1 = nn.Linear(16, 32)
        self.fc2 = nn.Linear(32, 32)
        self.fc3 = nn.Linear(32, 32)
        self.fc4 = nn.Linear(32, 32)
        self.fc5 = nn.Linear(32, 32)
        self.fc6 = nn.Linear(32, 32)
        self.fc7 = nn.Linear(32, 32)
        self.out = nn.Linear(32, 4)
        self.sigmoid = nn.Sigmoid()

    def forward(self, x):
        x = self.sigmoid(self.fc1(x))
        x = self.sigmoid(self.fc2(x))
        x = self.sigmoid(self.fc3(x))
        x = self.sigmoid(self.fc4(x))
        x = self.sigmoid(self.fc5(x))
        x = self.sigmoid(self.fc6(x))
        x = self.sigmoid(self.fc7(x))
        return self.out(x)


torch.manual_seed(1)
X = torch.randn(1000, 16)
Y = (X @ torch.randn(16, 4)).argmax(1)

net = Net()
loss_function = nn.CrossEntropyLoss()
optimizer = optim.SGD(net.parameters(), lr=0.05, momentum=0.9)

for i in range(200):
    idx = torch.randint(0, 800, (64,))
    optimizer.zero_grad()
    loss = loss_function(net(X[idx]), Y[idx])
    loss.backward()
    optimizer.step()

net.eval()
with torch.no_grad():
    prediction = net(X[800:])
    test_loss = loss_function(prediction, Y[800:]).item()
    accuracy = (prediction.argmax(dim=1) == Y[800:]).float().mean().item()
print("final: loss %.4f, accuracy %.3f" % (test_loss, accuracy))
