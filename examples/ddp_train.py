"""
Data parallel training on CPUs. To run with two processes:
$ torchrun --nproc-per-node 2 ddp_train.py
Runs as a single process too, without torchrun:
$ python ddp_train.py
"""

import os
import sys

import torch
import torch.distributed as dist
import torch.nn as nn
from torch.nn.parallel import DistributedDataParallel as DDP
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.data.distributed import DistributedSampler

# -----------------------------------------------------------------------------
epochs = 6
batch_size = 32  # per process
learning_rate = 1e-2
seed = 1337
for arg in sys.argv[1:]:  # poor man's configurator: --epochs=3
    key, value = arg.removeprefix("--").split("=")
    globals()[key] = type(globals()[key])(value)
# -----------------------------------------------------------------------------


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 3))

    def forward(self, x):
        return self.layers(x)


def make_data():
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(2048, 20, generator=g)
    teacher = torch.randn(20, 3, generator=g)
    return TensorDataset(x, (x @ teacher).argmax(1))


def main():
    ddp = int(os.environ.get("RANK", -1)) != -1
    if ddp:
        dist.init_process_group(backend="gloo")
    rank = dist.get_rank() if ddp else 0
    world = dist.get_world_size() if ddp else 1
    master = rank == 0
    torch.manual_seed(seed + rank)  # the ranks draw differently; DDP broadcasts rank 0's weights

    dataset = make_data()
    sampler = DistributedSampler(dataset, shuffle=True, seed=seed) if ddp else None
    loader = DataLoader(dataset, batch_size=batch_size, sampler=sampler, shuffle=sampler is None)
    model = Net()
    if ddp:
        model = DDP(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=learning_rate, momentum=0.9)

    for epoch in range(epochs):
        if ddp:
            sampler.set_epoch(epoch)
        total = torch.zeros(2)
        for x, y in loader:
            loss = nn.functional.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += torch.tensor([loss.item(), 1.0])
        if ddp:
            dist.all_reduce(total)
        if master:
            print(f"epoch {epoch}: loss {(total[0] / total[1]).item():.4f} over {world} process(es)", flush=True)

    if ddp:
        weight = model.module.layers[0].weight.detach().clone()
        other = weight.clone()
        dist.broadcast(other, src=0)
        assert torch.equal(weight, other), "the ranks drifted apart"
        dist.barrier()  # a rank that leaves first can take the other down
        dist.destroy_process_group()


if __name__ == "__main__":
    main()
