"""Times two trainings against each other: short blocks of steps in turn, in random order, in one process."""

from __future__ import annotations

import itertools
import random
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from benchmarks.overhead.networks import Training
from benchmarks.overhead.variants import BLOCK, Unwatched, Variant

WARM = 5
"""Steps of both before anything is watched or timed."""
TURN = 1.0
"""Seconds of a turn at least, where many fit in: after each switch the first steps are slower (the first by some 5 %),
since Python has specialised its code for what was there before and ours has left the caches, and a training is not
switched. In turns of 0.5 s that alone made up half a per cent."""
COUNTED = 20
"""Steps over which synchronisations are counted."""


@dataclass(frozen=True)
class Block:
    """Times of the same number of steps of both trainings, in seconds.

    Attributes:
        plain, watched: of each step, on the wall's clock, or the device's where there is one.
        plain_process, watched_process: of the whole block, spent by this process on all of its threads.
        itemised: steps of it at which everything was measured.
    """

    plain: tuple[float, ...]
    watched: tuple[float, ...]
    plain_process: float
    watched_process: float
    itemised: int = 0


@dataclass(frozen=True)
class Timing:
    """All blocks of one variant on one network, how many steps were itemised, and what share watching counts itself."""

    blocks: tuple[Block, ...]
    probes: int | None
    share: float | None
    syncs: float | None


def compare(kind: str, variant: Variant, seed: int, steps: int, seconds: float, device: str) -> Timing:
    """Times watched steps and as many plain ones: at least `steps`, and for `seconds` of processor.

    Where watching can be switched off, both are steps of one training: of two equal ones that lie elsewhere in the
    memory, the step times differ by up to 3 %.
    """
    watching, watched = variant.make(), Training(kind, seed, device)
    plain = watched if watching.switches else Training(kind, seed, device)
    pair = [(Unwatched(), plain), (watching, watched)]
    for _, training in pair:
        for _ in range(WARM):
            training.step()
    length = BLOCK if not seconds else max(BLOCK, int(TURN / _seconds(plain)))
    watching.attach(watched, length)
    rng = random.Random(seed)
    try:
        blocks: list[Block] = []
        while len(blocks) < max(2, steps // length) or sum(block.plain_process for block in blocks) < seconds:
            blocks.append(_block(pair, length, rng))
        probes, share = watching.probes(), watching.share()
        syncs = _syncs(watching, watched) if device == "cuda" else None
    finally:
        watching.close()
    return Timing(tuple(blocks), probes, share, syncs)


def _block(pair: Sequence[tuple[Unwatched, Training]], length: int, rng: random.Random) -> Block:
    order = rng.sample((0, 1), 2)
    before = pair[1][0].probes() or 0
    found = {i: _turn(*pair[i], length) for i in order}
    itemised = (pair[1][0].probes() or 0) - before
    return Block(found[0][0], found[1][0], found[0][1], found[1][1], itemised)


def _turn(watching: Unwatched, training: Training, length: int) -> tuple[tuple[float, ...], float]:
    on_device = next(training.model.parameters()).is_cuda
    with watching.turn():
        process = time.process_time()
        times = _on_device(training, length) if on_device else [_seconds(training) for _ in range(length)]
        process = time.process_time() - process
    return tuple(times), process


def _seconds(training: Training) -> float:
    begin = time.perf_counter()
    training.step()
    return time.perf_counter() - begin


def _on_device(training: Training, length: int) -> list[float]:
    """Time from event to event on the stream: where the host is too slow, the device's waiting counts."""
    marks = [torch.cuda.Event(enable_timing=True) for _ in range(length + 1)]
    torch.cuda.synchronize()
    marks[0].record()
    for mark in marks[1:]:
        training.step()
        mark.record()
    torch.cuda.synchronize()
    return [a.elapsed_time(b) / 1e3 for a, b in itertools.pairwise(marks)]


def _syncs(watching: Unwatched, training: Training) -> float:
    """Times a step that the host waited for the device, as PyTorch counts them."""
    with watching.turn(), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            for _ in range(COUNTED):
                training.step()
        finally:
            torch.cuda.set_sync_debug_mode("default")
    return sum("synchroniz" in str(each.message) for each in caught) / COUNTED
