"""Overhead: the time of a watched step against a plain one, ours and other tools', interleaved in one process.

    python -m benchmarks.overhead [--device cuda] [--steps 60] [--long 60] [--seeds 3] [--only WORD]

Needs the extra ``peers``. Watched and plain steps take turns in blocks of ten or more, in random order, of one training
where watching can be switched off, else (wandb) of two copies; the ratio is that of the mean step times, with a 95 %
interval from resampling the blocks. Of what is done now and then (our probes, the histograms of wandb's default) the
mean is honest only over a longer time: those variants take `--long` seconds of the plain training on a processor, which
on a busy machine are many more on the wall.
"""

from __future__ import annotations

import argparse
import logging
import random
import sys
from collections.abc import Callable, Sequence
from statistics import fmean, median

import torch

from benchmarks.overhead.networks import KINDS
from benchmarks.overhead.timing import Block, Timing, compare
from benchmarks.overhead.variants import DEFAULT, EVERYTHING, NORMS, VARIANTS
from benchmarks.tables import markdown, write

LIMIT = 1.01
"""Mean step time under `headwater.watch` at its default, against plain."""
RESAMPLED = 2000
HEADER = (
    "variant",
    "mean",
    "95 % interval",
    "median",
    "process time",
    "interval",
    "steps",
    "own account",
    "probes",
    "syncs",
    "records",
)


def main() -> int:
    """Prints and writes the tables; returns 1 when a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--steps", type=int, default=60, help="steps of each variant and seed")
    parser.add_argument("--long", type=float, default=60.0, help="seconds of processor, of those that act now and then")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", default="", help="only variants and networks whose name holds this word; no page")
    args = parser.parse_args()
    torch.set_num_threads(1)
    logging.getLogger("headwater").setLevel(logging.ERROR)
    parts, kept = [_how(args)], True
    for kind in KINDS:
        found = {name: t for name in VARIANTS if args.only in f"{kind} {name}" and (t := _timings(kind, name, args))}
        parts += [f"## {kind}", markdown(HEADER, [_cells(name, timings) for name, timings in found.items()])]
        told, good = _goals(found)
        parts, kept = [*parts, told], kept and good
    if args.only:
        print(*parts[1:], sep="\n\n")
    else:
        name = "overhead" if args.device == "cpu" else "overhead-gpu"
        write(name, "What watching costs", f"python -m benchmarks.overhead --device {args.device}", *parts)
    return int(not kept)


def _how(args: argparse.Namespace) -> str:
    device = (
        f"On {torch.cuda.get_device_name()}: times are the device's, from event to event; `syncs` are times a step "
        "that the host waits for the device (`torch.cuda.set_sync_debug_mode`)."
        if args.device == "cuda"
        else "On a CPU: no GPU was at hand, so that nothing is said about one, nor about synchronisation."
    )
    return (
        "Step times divided by those of plain steps, which took turns with them in blocks of ten in one process (of "
        "a second, where something acts now and then): in one training where watching can be switched off, else "
        "(wandb) in two copies, whose step times differ by up to 3 % by where they lie in the memory (the last row). "
        "`process time` is what this process spent on all its "
        "threads, which depends less on what else the machine does: the median of the ratios of neighbouring blocks, "
        "and to it what itemised steps took beyond that, spread over all steps. "
        f"{args.seeds} seeds. `own account` is the share of "
        "the time that watching counts as its own and keeps below its budget, once the first probe is made up for. "
        "`probes` are the steps that fell in and were itemised. wandb is offline. Stochastic gradient descent with "
        f"momentum. {device}"
    )


def _timings(kind: str, name: str, args: argparse.Namespace) -> list[Timing]:
    variant = VARIANTS[name]
    seconds = args.long * variant.long
    found = [compare(kind, variant, seed, args.steps, seconds, args.device) for seed in range(args.seeds)]
    print(f"{kind}: {' | '.join(_cells(name, found)[:-1])}", file=sys.stderr, flush=True)
    return found


def _cells(name: str, timings: Sequence[Timing]) -> list[str]:
    blocks = [block for timing in timings for block in timing.blocks]
    probes = [timing.probes for timing in timings if timing.probes is not None]
    shares = [timing.share for timing in timings if timing.share is not None]
    syncs = [timing.syncs for timing in timings if timing.syncs is not None]
    middle = median(t for b in blocks for t in b.watched) / median(t for b in blocks for t in b.plain)
    return [
        name,
        f"{_mean(blocks):.3f}",
        _interval(blocks, _mean),
        f"{middle:.3f}",
        f"{_process(blocks):.3f}",
        _interval(blocks, _process),
        str(sum(len(block.watched) for block in blocks)),
        f"{fmean(shares):.2%}" if shares else "",
        str(sum(probes)) if probes else "",
        f"{fmean(syncs):.1f}" if syncs else "",
        VARIANTS[name].records,
    ]


def _mean(blocks: Sequence[Block]) -> float:
    return sum(sum(block.watched) for block in blocks) / sum(sum(block.plain) for block in blocks)


def _process(blocks: Sequence[Block]) -> float:
    """The usual ratio of a block and its neighbour, and what itemised steps took beyond it, spread over all steps."""
    alike = [block for block in blocks if not block.itemised] or blocks
    usual = median(block.watched_process / block.plain_process for block in alike)
    if len(alike) == len(blocks):
        return usual
    plain = median(block.plain_process for block in blocks)
    more = sum(block.watched_process - usual * plain for block in blocks if block.itemised)
    return usual + more / (plain * len(blocks))


def _interval(blocks: Sequence[Block], ratio: Callable[[Sequence[Block]], float]) -> str:
    """Of blocks drawn again and again; the few in which steps were itemised, where there are others, stay."""
    rng = random.Random(0)
    often = [block for block in blocks if not block.itemised] or blocks
    seldom = [block for block in blocks if block.itemised] if len(often) < len(blocks) else []
    drawn = sorted(ratio([*rng.choices(often, k=len(often)), *seldom]) for _ in range(RESAMPLED))
    return f"{drawn[RESAMPLED * 25 // 1000]:.3f} to {drawn[RESAMPLED * 975 // 1000]:.3f}"


def _goals(found: dict[str, list[Timing]]) -> tuple[str, bool]:
    """Says which goals are kept: at the default, and against peers that record as much or less."""
    ratios = {name: _process([b for timing in timings for b in timing.blocks]) for name, timings in found.items()}
    told, kept = [], True
    if DEFAULT in ratios:
        kept = ratios[DEFAULT] <= LIMIT
        told.append(f"At its default at most {LIMIT} times plain: {_yes(kept)}.")
    for ours, word in ((EVERYTHING, "histograms"), (NORMS, "norms")):
        if ours not in ratios:
            continue
        peers = [name for name in ratios if VARIANTS[name].records.startswith(word) and not VARIANTS[name].long]
        cheaper = [name for name in peers if name != ours and ratios[name] < ratios[ours]]
        told.append(f"{ours}, below each peer that records {word} on each step: {_yes(not cheaper, cheaper)}.")
        kept = kept and not cheaper
    return " ".join(told), kept


def _yes(kept: bool, instead: Sequence[str] = ()) -> str:
    return "yes" if kept else f"**no**{', not ' if instead else ''}{', '.join(instead)}"


if __name__ == "__main__":
    sys.exit(main())
