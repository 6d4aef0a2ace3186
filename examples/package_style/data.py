import numpy as np
import torch
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, Dataset, get_worker_info


class NoisyDigits(Dataset):
    """Pairs of a noisy and a clean digit; the noise is drawn in the worker that loads the item."""

    def __init__(self, indices, noise=0.3):
        images = load_digits().data.astype(np.float32) / 16.0
        self.clean = images[indices]
        self.noise = noise

    def __len__(self):
        return len(self.clean)

    def __getitem__(self, index):
        clean = torch.from_numpy(self.clean[index])
        return clean + self.noise * torch.randn(clean.shape), clean


def report_worker(worker_id):
    info = get_worker_info()
    assert info is not None and info.id == worker_id
    np.random.seed(info.seed % 2**32)


def make_loaders(workers, batch_size=64):
    order = np.random.default_rng(0).permutation(1797)
    context = "spawn" if workers else None
    train = DataLoader(
        NoisyDigits(order[:1500]),
        batch_size=batch_size,
        shuffle=True,
        num_workers=workers,
        multiprocessing_context=context,
        persistent_workers=workers > 0,
        worker_init_fn=report_worker,
    )
    return train, DataLoader(NoisyDigits(order[1500:], noise=0.3), batch_size=297)
