"""A training that dies: the data has one bad file in it, and nobody catches what the loader raises."""

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


class CorruptFileError(RuntimeError):
    pass


class Files(Dataset):
    """2000 made-up recordings, the 320th of which cannot be read. In batches of 16 it is met in step 20."""

    def __len__(self):
        return 2000

    def __getitem__(self, index):
        if index == 319:
            raise CorruptFileError(f"recording {index} is truncated")
        generator = torch.Generator().manual_seed(index)
        label = index % 4
        return torch.randn(32, generator=generator) + label, label


def main():
    torch.manual_seed(0)
    loader = DataLoader(Files(), batch_size=16)
    model = nn.Sequential(nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 4))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02)
    for step, (x, y) in enumerate(loader, 1):
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        print(f"step {step} loss {loss.item():.4f}", flush=True)


if __name__ == "__main__":
    main()
