"""Bit-identical: trains 64 configurations with and without `headwater.watch`, and compares every bit.

    python -m benchmarks.identity [--steps 50] [--only WORD]

Each is trained three times from one seed: without watching, with everything measured on every step
(``budget=math.inf``), and at the default. Compared are losses, weights, buffers, gradients, the states of optimizer,
scheduler and scaler, the training mode of each module, and the random generators of torch, Python and numpy.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time

import torch

from benchmarks.identity.compare import Outcome, compare, compare_on_ranks
from benchmarks.identity.design import configurations
from benchmarks.identity.training import STEPS
from benchmarks.tables import markdown, write

HEADER = ("configuration", "equal", "equal at default", "probes", "verdicts", "probes at default", "findings")
SHOWN = 3
"""Names of differing tensors that a cell shows."""


def main() -> int:
    """Prints and writes the table; returns 1 when a bit differs, when watching failed, or when nothing was probed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--only", default="", help="only configurations whose description holds this word")
    args = parser.parse_args()
    torch.set_num_threads(1)
    logging.getLogger("headwater").setLevel(logging.ERROR)  # findings go into the table
    begin = time.monotonic()
    chosen = [each for each in configurations() if args.only in str(each)]
    outcomes: list[Outcome] = []
    for each in (each for each in chosen if each.parallel == "no"):
        outcomes.append(compare(each, steps=args.steps))
        print(f"{time.monotonic() - begin:4.0f} s", *_cells(outcomes[-1]), sep=" | ", flush=True)
    if spread := [each for each in chosen if each.parallel != "no"]:
        outcomes += compare_on_ranks(spread, args.steps)
    _write(outcomes, args.steps, args.only, time.monotonic() - begin)
    return int(not all(outcome.held for outcome in outcomes))


def _write(outcomes: list[Outcome], steps: int, only: str, seconds: float) -> None:
    held = sum(outcome.held for outcome in outcomes)
    told = (
        f"{held} of {len(outcomes)} configurations, trained {steps} steps each without watching, with everything "
        f"measured on every step, and at the default, hold: every bit of {COMPARED} is equal, and watching neither "
        f"failed nor saw nothing. Each two settings that PyTorch can combine occur together in some row. It took "
        f"{seconds / 60:.0f} minutes."
    )
    parts = [told, markdown(HEADER, map(_cells, outcomes))]
    faults = sorted({fault for outcome in outcomes for fault in outcome.faults})
    parts += ["Watching failed with:", "\n".join(f"- {fault}" for fault in faults)] if faults else []
    if only:
        print(*parts, sep="\n\n")
    else:
        write("identity", "Watched and unwatched trainings, bit by bit", "python -m benchmarks.identity", *parts)


COMPARED = (
    "losses, weights, buffers, gradients, the states of optimizer, scheduler and scaler, modes, and the random "
    "generators of torch, Python and numpy"
)


def _cells(outcome: Outcome) -> list[str]:
    return [
        str(outcome.configuration),
        _equal(outcome.differs),
        _equal(outcome.differs_at_default),
        "failed" if outcome.faults else str(outcome.probes),
        str(outcome.verdicts),
        str(outcome.probes_at_default),
        " ".join(outcome.findings),
    ]


def _equal(differs: tuple[str, ...]) -> str:
    return "yes" if not differs else f"**no**: {', '.join(differs[:SHOWN])} ({len(differs)})"


if __name__ == "__main__":
    sys.exit(main())
