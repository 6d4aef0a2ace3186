"""Why does my 20-layer network not learn? The two-layer one does. Same data, same optimizer."""

import argparse

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

parser = argparse.ArgumentParser()
parser.add_argument("--depth", type=int, default=20)
parser.add_argument("--width", type=int, default=64)
parser.add_argument("--epochs", type=int, default=8)
parser.add_argument("--lr", type=float, default=0.1)
args = parser.parse_args()

torch.manual_seed(0)

data, target = load_digits(return_X_y=True)
data = torch.tensor((data - data.mean()) / data.std(), dtype=torch.float)
target = torch.tensor(target)
train_loader = DataLoader(TensorDataset(data[:1500], target[:1500]), batch_size=50, shuffle=True)
test_data, test_target = data[1500:], target[1500:]

layers = [nn.Linear(64, args.width), nn.Sigmoid()]
for _ in range(args.depth - 1):
    layers += [nn.Linear(args.width, args.width), nn.Sigmoid()]
layers += [nn.Linear(args.width, 10)]
model = nn.Sequential(*layers)

optimizer = torch.optim.SGD(model.parameters(), lr=args.lr, momentum=0.9)
criterion = nn.CrossEntropyLoss()

for epoch in range(1, args.epochs + 1):
    total = 0.0
    for x, y in train_loader:
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
        total += loss.item()
    with torch.no_grad():
        accuracy = (model(test_data).argmax(1) == test_target).float().mean().item()
    print(f"epoch {epoch}: loss {total / len(train_loader):.4f}, test accuracy {accuracy:.3f}")

first, last = model[0].weight.grad.norm().item(), model[-1].weight.grad.norm().item()
print(f"gradient of the first layer {first:.1e}, of the last {last:.1e}")
