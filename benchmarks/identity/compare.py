"""Compares a configuration's trainings with and without watching, on one rank or on two."""

from __future__ import annotations

import logging
import math
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed
import torch.multiprocessing

from benchmarks.identity.design import Configuration
from benchmarks.identity.training import STEPS, Run, train
from headwater.monitor.settings import BUDGET

RANKS = 2
TIMEOUT = timedelta(minutes=10)
"""For one rank to wait for the other: on a busy machine they drift apart between two trainings."""


@dataclass(frozen=True)
class Outcome:
    """What one configuration showed, on all of its ranks.

    Attributes:
        differs, differs_at_default: names of what differs, with everything measured on every step and at the default.
        probes, probes_at_default: steps that were itemised, likewise.
        verdicts: how often the measurements were judged, with everything measured.
        findings: codes of the last verdict with everything measured.
        faults: Headwater's own failures.
    """

    configuration: Configuration
    differs: tuple[str, ...]
    differs_at_default: tuple[str, ...]
    probes: int
    verdicts: int
    probes_at_default: int
    findings: tuple[str, ...]
    faults: tuple[str, ...]

    @property
    def held(self) -> bool:
        """Whether nothing differs; a watch that gave up proves nothing, nor does one that saw nothing."""
        return not (self.differs or self.differs_at_default or self.faults) and self.verdicts > 0


def compare(configuration: Configuration, rank: int = 0, steps: int = STEPS) -> Outcome:
    """Trains one configuration three times and compares."""
    plain = train(configuration, None, rank, steps)
    whole, default = (train(configuration, budget, rank, steps) for budget in (math.inf, BUDGET))
    return Outcome(
        configuration,
        _different(plain, whole),
        _different(plain, default),
        whole.probes,
        whole.verdicts,
        default.probes,
        tuple(whole.findings),
        tuple(dict.fromkeys(run.fault for run in (whole, default) if run.fault)),
    )


def _different(one: Run, other: Run) -> tuple[str, ...]:
    names = sorted({*one.state, *other.state})
    return tuple(name for name in names if one.state.get(name) != other.state.get(name))


def compare_on_ranks(chosen: Sequence[Configuration], steps: int = STEPS) -> list[Outcome]:
    """Compares configurations that need several ranks, in processes of their own."""
    with tempfile.TemporaryDirectory() as folder:
        torch.multiprocessing.spawn(_rank, (folder, chosen, steps), nprocs=RANKS)
        ranks = [torch.load(Path(folder) / f"{rank}.pt", weights_only=False) for rank in range(RANKS)]
    return [_joined(each) for each in zip(*ranks, strict=True)]


def _rank(rank: int, folder: str, chosen: Sequence[Configuration], steps: int) -> None:
    begin = time.monotonic()
    torch.set_num_threads(1)
    logging.getLogger("headwater").setLevel(logging.ERROR)
    store = torch.distributed.FileStore(str(Path(folder) / "store"), RANKS)
    torch.distributed.init_process_group("gloo", store=store, rank=rank, world_size=RANKS, timeout=TIMEOUT)
    outcomes: list[Outcome] = []
    for configuration in chosen:
        outcomes.append(compare(configuration, rank, steps))
        if rank == 0:
            print(f"{time.monotonic() - begin:4.0f} s on {RANKS} ranks: {configuration}", file=sys.stderr, flush=True)
    torch.save(outcomes, Path(folder) / f"{rank}.pt")
    torch.distributed.destroy_process_group()


def _joined(ranks: Sequence[Outcome]) -> Outcome:
    """A difference on any rank counts; of the probes the fewest."""
    return Outcome(
        ranks[0].configuration,
        _all(each.differs for each in ranks),
        _all(each.differs_at_default for each in ranks),
        min(each.probes for each in ranks),
        min(each.verdicts for each in ranks),
        min(each.probes_at_default for each in ranks),
        ranks[0].findings,
        _all(each.faults for each in ranks),
    )


def _all(lists: Iterable[Iterable[str]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for each in lists for name in each))
