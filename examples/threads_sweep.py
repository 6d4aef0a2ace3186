"""Three learning rates at once, each in a thread of its own; torch lets go of the interpreter lock while it works."""

import argparse
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import nn


def objective(rate: float, start: dict, steps: int) -> tuple[float, float]:
    generator = torch.Generator().manual_seed(0)  # the global one is shared between threads
    model = make_model()
    model.load_state_dict(start)
    optimizer = torch.optim.SGD(model.parameters(), lr=rate, momentum=0.9)
    smooth = None
    for _ in range(steps):
        x = torch.rand(64, 2, generator=generator) * 4 - 2
        target = torch.sin(x[:, :1]) * torch.cos(x[:, 1:])
        loss = nn.functional.mse_loss(model(x), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        smooth = loss.item() if smooth is None else 0.95 * smooth + 0.05 * loss.item()
    return rate, smooth


def make_model() -> nn.Module:
    return nn.Sequential(nn.Linear(2, 48), nn.Tanh(), nn.Linear(48, 48), nn.Tanh(), nn.Linear(48, 1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--rates", type=float, nargs="+", default=[0.003, 0.03, 0.1])
    args = parser.parse_args()
    torch.manual_seed(0)
    start = make_model().state_dict()
    with ThreadPoolExecutor(max_workers=len(args.rates)) as pool:
        results = list(pool.map(lambda rate: objective(rate, start, args.steps), args.rates))
    for rate, loss in results:
        print(f"rate {rate:g}: loss {loss:.5f}")
    print(f"best rate: {min(results, key=lambda pair: pair[1])[0]:g}")


if __name__ == "__main__":
    main()
