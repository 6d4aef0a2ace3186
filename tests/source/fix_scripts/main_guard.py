"""Usage: python main_guard.py [STEPS]"""

import sys

import torch
from torch import nn, optim
from torch.utils.data import DataLoader, TensorDataset


class FeedForward(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        modules = []
        for fan_in, fan_out in zip(sizes[:-2], sizes[1:-1]):
            modules.extend((nn.Linear(fan_in, fan_out), nn.Sigmoid()))
        modules.append(nn.Linear(sizes[-2], sizes[-1]))
        self.stack = nn.Sequential(*modules)

    def forward(self, x):
        return self.stack(x)


def load():
    x = torch.randn(1000, 16)
    y = (x @ torch.randn(16, 4)).argmax(1)
    train = TensorDataset(x[:800], y[:800])
    return DataLoader(train, batch_size=50, shuffle=True), (x[800:], y[800:])


def run(steps):
    loader, (test_x, test_y) = load()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = FeedForward([16] + [32] * 8 + [4]).to(device)
    criterion = nn.CrossEntropyLoss().to(device)
    optimizer = optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    scheduler = optim.lr_scheduler.StepLR(optimizer, step_size=100, gamma=0.5)
    step = 0
    while step < steps:
        for x, y in loader:
            x, y = x.to(device), y.to(device)
            optimizer.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            optimizer.step()
            scheduler.step()
            step += 1
    model.eval()
    with torch.no_grad():
        out = model(test_x.to(device)).cpu()
    return criterion.cpu()(out, test_y).item(), (out.argmax(1) == test_y).float().mean().item()


if __name__ == "__main__":
    torch.manual_seed(0)
    loss, accuracy = run(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
    print(f"final: loss {loss:.4f}, accuracy {accuracy:.3f}")
