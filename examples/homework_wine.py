# -*- coding: utf-8 -*-
# Homework 4, question 2: "Classify the wines with a neural network. Report the accuracy."
# TODO: accuracy is stuck around 40 %, I tried more epochs but nothing changes???
import sys

import torch
import torch.nn as nn
from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split

EPOCHS = int(sys.argv[1]) if len(sys.argv) > 1 else 60

torch.manual_seed(42)

wine = load_wine()
X_train, X_test, y_train, y_test = train_test_split(wine.data, wine.target, test_size=0.2, random_state=42)
X_train = torch.FloatTensor(X_train)  # proline is around 750, the hue around 1
X_test = torch.FloatTensor(X_test)
y_train = torch.LongTensor(y_train)
y_test = torch.LongTensor(y_test)


class Net(nn.Module):
    def __init__(self):
        super(Net, self).__init__()
        self.fc1 = nn.Linear(13, 32)
        self.fc2 = nn.Linear(32, 32)
        self.fc3 = nn.Linear(32, 3)
        self.softmax = nn.Softmax(dim=1)

    def forward(self, x):
        x = torch.relu(self.fc1(x))
        x = torch.relu(self.fc2(x))
        x = self.softmax(self.fc3(x))  # probabilities
        return x


net = Net()
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)

for epoch in range(EPOCHS):
    optimizer.zero_grad()
    output = net(X_train)
    loss = criterion(output, y_train)
    loss.backward()
    optimizer.step()
    if epoch % 10 == 0:
        print("epoch", epoch, "loss", loss.item())

pred = torch.argmax(net(X_test), dim=1)
print("accuracy", (pred == y_test).sum().item() / len(y_test))
