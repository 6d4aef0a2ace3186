"""Kills processes that write a run at random moments, and reads what they left.

    python -m benchmarks.store_kill [--times 100]

One half writes rows as fast as it can, and says which are on disk. The other half trains under `headwater.watch` with
everything measured on each step, while somebody looks on, which makes it write several times a second; what a reader
found a moment before the kill counts as being on disk. Each time the run must open, hold every step that was on disk,
and none twice. Writes docs/benchmarks/kills.md; leaves with status 1 when a step was lost. Three minutes.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from torch import nn

import headwater
from benchmarks.tables import markdown, write
from headwater.errors import StoreError
from headwater.store import StoredRun, open_run
from headwater.store.following import follow
from tests.store.test_reader import killed

LONGEST = 1.5
"""Seconds that a training lives at most."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=100, help="of each kind")
    times = parser.parse_args().times
    rows, choice = [], random.Random()
    for kind, kill in (("rows, as fast as can be", _writer), ("a training under watch", _training)):
        lost, twice, seen, young = 0, 0, 0, 0
        with tempfile.TemporaryDirectory() as folder:
            for number in range(times):
                before, run = kill(Path(folder) / str(number), choice)
                steps = _steps(run)
                lost += len(before - set(steps))
                twice += len(steps) - len(set(steps))
                seen += len(steps)
                young += not before
        rows.append((kind, times, young, seen, lost, twice))
    header = ("what was killed", "kills", "before the first flush", "steps read", "lost", "twice")
    write("kills", "Runs whose writer was killed", "python -m benchmarks.store_kill", markdown(header, rows))
    return int(any(lost or twice for *_, lost, twice in rows))


def _writer(folder: Path, choice: random.Random) -> tuple[set[int], StoredRun]:
    last, run = killed(folder, choice.uniform(0.0, 0.5))
    return set(range(last + 1)), run


def _training(folder: Path, choice: random.Random) -> tuple[set[int], StoredRun]:
    child = multiprocessing.get_context("fork").Process(target=_train, args=(folder,))
    child.start()
    assert child.pid is not None
    while not (folder / "run.json").exists():
        time.sleep(0.01)
    end, before = time.monotonic() + choice.uniform(0.0, LONGEST), set[int]()
    while time.monotonic() < end:
        follow(folder)
        time.sleep(0.02)
        try:
            before |= set(_steps(open_run(folder)))
        except StoreError:  # two files were joined while it read
            continue
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    return before, open_run(folder)


def _train(folder: Path) -> None:
    """Trains until it is killed."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    headwater.watch(model, optimizer, run_dir=folder, budget=float("inf"))
    while True:
        optimizer.zero_grad()
        inputs = torch.randn(16, 16)
        nn.functional.cross_entropy(model(inputs), (inputs.sum(dim=1) > 0).long()).backward()
        optimizer.step()


def _steps(run: StoredRun) -> list[int]:
    """Steps of the rows of the whole network, of which there is one each."""
    table: Any = run.table(["step", "layer", "loss"])
    rows = zip(table["step"].to_pylist(), table["layer"].to_pylist(), table["loss"].to_pylist(), strict=True)
    return [step for step, layer, loss in rows if not layer and loss is not None]


if __name__ == "__main__":
    sys.exit(main())
