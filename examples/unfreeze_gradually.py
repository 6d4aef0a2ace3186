"""Fine-tuning in two phases, as library tutorials teach it: first the new head alone, then the body as well.

The body is pretrained on digits 0 to 4; the head is new, for 5 to 9. In the second phase the body joins the optimizer
as a parameter group of its own with a smaller rate.
"""

import os

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

EPOCHS = int(os.environ.get("EPOCHS", "6"))


def make_loader(low, high, batch_size=32):
    images, labels = load_digits(return_X_y=True)
    chosen = (labels >= low) & (labels <= high)
    x = torch.tensor(images[chosen] / 8.0 - 1.0, dtype=torch.float32).view(-1, 1, 8, 8)
    y = torch.tensor(labels[chosen] - low)
    return DataLoader(TensorDataset(x, y), batch_size=batch_size, shuffle=True)


class Body(nn.Sequential):
    def __init__(self):
        super().__init__(
            nn.Conv2d(1, 12, 3, padding=1),
            nn.BatchNorm2d(12),
            nn.ReLU(),
            nn.Conv2d(12, 24, 3, stride=2, padding=1),
            nn.BatchNorm2d(24),
            nn.ReLU(),
            nn.Flatten(),
        )


def run_epochs(name, model, optimizer, loader, epochs):
    for epoch in range(epochs):
        correct = total = 0
        for x, y in loader:
            logits = model(x)
            loss = nn.functional.cross_entropy(logits, y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            correct += (logits.argmax(1) == y).sum().item()
            total += len(y)
        print(f"{name:12s} epoch {epoch + 1}: loss {loss.item():.4f}, training accuracy {correct / total:.4f}")


def main():
    torch.manual_seed(21)
    body = Body()

    pretraining = nn.Sequential(body, nn.Linear(24 * 16, 5))
    optimizer = torch.optim.Adam(pretraining.parameters(), lr=1e-3)
    run_epochs("pretraining", pretraining, optimizer, make_loader(0, 4), EPOCHS // 2)

    # Phase 1: the body is frozen, its batch statistics too.
    model = nn.Sequential(body, nn.Linear(24 * 16, 5))
    body.requires_grad_(False).eval()
    loader = make_loader(5, 9)
    optimizer = torch.optim.Adam(model[1].parameters(), lr=1e-3)
    run_epochs("head only", model, optimizer, loader, EPOCHS // 2)

    # Phase 2: the body thaws.
    body.requires_grad_(True).train()
    optimizer.add_param_group({"params": body.parameters(), "lr": 1e-4})
    run_epochs("all", model, optimizer, loader, EPOCHS)


main()
