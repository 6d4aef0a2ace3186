"""Kills a process that writes a run at random moments, and reads what it left.

    python -m benchmarks.store_kill [--times 100]

Each time the run must open, hold every step that the process had said was flushed, and none twice.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from pathlib import Path

from tests.store.test_reader import killed


def main() -> int:
    parser = argparse.ArgumentParser(description="Kill a writer at random moments.")
    parser.add_argument("--times", type=int, default=100)
    times = parser.parse_args().times
    choice, lost, twice, steps_seen = random.Random(), 0, 0, 0
    with tempfile.TemporaryDirectory() as folder:
        for number in range(times):
            last, run = killed(Path(folder) / str(number), choice.uniform(0.0, 0.5))
            steps = run.table(["step"])["step"].to_pylist()
            lost += len(set(range(last + 1)) - set(steps))
            twice += len(steps) - len(set(steps))
            steps_seen += len(steps)
    print(f"{times} kills, {steps_seen} steps read: {lost} flushed steps lost, {twice} steps twice")
    return 1 if lost or twice else 0


if __name__ == "__main__":
    sys.exit(main())
