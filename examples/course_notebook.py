# Week 5, exercise 2: a convolutional network on 8x8 digits
# (exported from the notebook with "Download as > Python")

# In[1]:
import os

import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import load_digits

EPOCHS = int(os.environ.get("EPOCHS", 8))
torch.manual_seed(0)
np.random.seed(0)
print("torch", torch.__version__.split("+")[0])

# In[2]: load the data
digits = load_digits()
X = torch.tensor(digits.images / 16.0, dtype=torch.float32).unsqueeze(1)
Y = torch.tensor(digits.target)
perm = torch.randperm(len(X))
X, Y = X[perm], Y[perm]
X_train, Y_train = X[:1400], Y[:1400]
X_test, Y_test = X[1400:], Y[1400:]
print(X_train.shape, X_test.shape)

# In[3]: the network
net = nn.Sequential(
    nn.Conv2d(1, 16, 3, padding=1),
    nn.BatchNorm2d(16),
    nn.ReLU(inplace=True),
    nn.Conv2d(16, 32, 3, padding=1),
    nn.BatchNorm2d(32),
    nn.ReLU(inplace=True),
    nn.MaxPool2d(2),
    nn.Dropout(0.2),
    nn.Flatten(),
    nn.Linear(32 * 4 * 4, 64),
    nn.ReLU(),
    nn.Linear(64, 10),
)
print(net)
print("number of parameters:", sum(p.numel() for p in net.parameters()))

# In[4]: train
criterion = nn.CrossEntropyLoss()
opt = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
sched = torch.optim.lr_scheduler.StepLR(opt, step_size=3, gamma=0.3)
losses = []
for epoch in range(EPOCHS):
    net.train()
    order = torch.randperm(len(X_train))
    running = 0.0
    for i in range(0, len(X_train) - 49, 50):
        idx = order[i : i + 50]
        opt.zero_grad()
        out = net(X_train[idx])
        loss = criterion(out, Y_train[idx])
        loss.backward()
        opt.step()
        running += loss.item()
        losses.append(loss.item())
    sched.step()
    net.eval()
    with torch.no_grad():
        acc = (net(X_test).argmax(dim=1) == Y_test).float().mean()
    print("epoch", epoch + 1, "loss", round(running / 28, 4), "test accuracy", round(acc.item(), 4))


# In[5]: which ones are wrong?
worst = (net(X_test).argmax(1) != Y_test).nonzero().flatten()[:10]
print("mistakes:", worst.tolist())
