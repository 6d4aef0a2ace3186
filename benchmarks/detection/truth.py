"""Is every label true? Trains each case and each twin, and says whether they learn.

    python -m benchmarks.detection.truth [--only TEXT] [--seeds 2]

A healthy network must reach its `learns` score with every seed. A broken one must show its `effect` with every seed,
against its twin with the same seed and budget:

    fails      its score stays under half of the twin's
    worse      its score stays at least 0.1 under the twin's
    slow       it needs at least twice the twin's steps to reach four fifths of the twin's final score
    part       the named parameters move less than 1 % as far as the twin's
    level      the mean of its later five scores stays at least 0.05 under the twin's
    diverges   its loss is no longer finite

Writes docs/benchmarks/detection-truth.md when all cases ran. Leaves with status 1 when a label is not true.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from benchmarks.detection.cases import BY_NAME, CASES
from benchmarks.detection.problem import Case, Problem, fit

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks" / "detection-truth.md"
CHECKS = 10


@dataclass(frozen=True)
class Training:
    """What one training did: scores at ten places of the budget, the loss, and how far each parameter moved."""

    scores: tuple[tuple[int, float], ...]
    first_loss: float
    last_loss: float
    moved: dict[str, float]
    seconds: float

    @property
    def score(self) -> float:
        return self.scores[-1][1]

    @property
    def level(self) -> float:
        """Mean of the later five scores: of a training that goes back and forth, one score says little."""
        later = [score for _, score in self.scores[-5:]]
        return sum(later) / len(later)

    def steps_to(self, score: float) -> float:
        return next((float(step) for step, value in self.scores if value >= score), math.inf)


def train(problem: Problem) -> Training:
    torch.manual_seed(0)
    start = time.perf_counter()
    before = {name: p.detach().float().clone() for name, p in problem.model.named_parameters()}
    scores: list[tuple[int, float]] = []
    losses: list[float] = []
    every = max(1, problem.train_steps // CHECKS)

    def watch(step: int, loss: float) -> None:
        losses.append(loss)
        if step % every == 0:
            scores.append((step, problem.score(problem.model, problem.test)))

    fit(problem, problem.train_steps, watch)
    scores.append((len(losses), problem.score(problem.model, problem.test)))
    moved = {
        name: float((p.detach().float() - before[name]).norm() / (before[name].norm() + 1e-12))
        for name, p in problem.model.named_parameters()
    }
    return Training(tuple(scores), losses[0], losses[-1], moved, time.perf_counter() - start)


def holds(case: Case, run: Training, twin: Training | None) -> bool:
    """Whether the label of `case` is true of this training."""
    if case.expect is None:
        return math.isfinite(run.last_loss) and run.score >= case.learns
    assert twin is not None
    if case.effect == "fails":
        return run.score < 0.5 * twin.score
    if case.effect == "worse":
        return run.score <= twin.score - 0.1
    if case.effect == "slow":
        goal = 0.8 * twin.score
        return run.steps_to(goal) >= 2 * twin.steps_to(goal)
    if case.effect == "part":
        return _moved(run, case.part) < 0.01 * _moved(twin, case.part)
    if case.effect == "level":
        return run.level <= twin.level - 0.05
    return not math.isfinite(run.last_loss)


def _moved(run: Training, prefix: str) -> float:
    return max(value for name, value in run.moved.items() if name.startswith(prefix))


def check(case: Case, seeds: int, cache: dict[tuple[str, int], Training]) -> tuple[str, bool]:
    """One row of the table, and whether the label held with every seed."""
    good, scores, twins, losses = True, [], [], []
    for seed in range(seeds):
        run = _cached(case.name, seed, cache)
        twin = _cached(case.twin, seed, cache) if case.twin else None
        good &= holds(case, run, twin)
        scores.append(f"{run.score:.2f}")
        losses.append(f"{run.first_loss:.3g} to {run.last_loss:.3g}")
        if twin is not None:
            twins.append(f"{twin.score:.2f}")
    label = case.expect or "healthy"
    claim = f"learns to {case.learns}" if case.expect is None else case.effect + (f" `{case.part}`" * bool(case.part))
    cells = (
        f"`{case.name}`",
        case.family,
        case.half.replace("_", " "),
        label,
        claim,
        ", ".join(scores),
        ", ".join(twins),
        losses[0],
        "yes" if good else "**no**",
    )
    return "| " + " | ".join(cells) + " |", good


def _cached(name: str, seed: int, cache: dict[tuple[str, int], Training]) -> Training:
    if (name, seed) not in cache:
        cache[name, seed] = train(BY_NAME[name].build(seed))
    return cache[name, seed]


def page(rows: list[str], seeds: int, wrong: list[str]) -> str:
    broken = [case for case in CASES if case.expect is not None]
    criteria = "\n".join(
        line[4:]
        for line in (__doc__ or "").splitlines()
        if line.startswith("    ") and "  " in line[4:] and not line.startswith("    python")
    )
    return "\n".join(
        [
            "# Are the labels of the detection benchmark true?",
            "",
            "Generated by `python -m benchmarks.detection.truth`. Do not edit.",
            "",
            f"{len(broken)} broken networks and {len(CASES) - len(broken)} healthy ones, each trained with {seeds} "
            "seeds on real or synthetic data with its own optimizer and budget. A score is 0 for the best constant "
            "prediction and 1 for a perfect one. A healthy network must reach its score with every seed; a broken "
            "one must show its effect against its twin:",
            "",
            "```",
            criteria,
            "```",
            "",
            f"Labels that are not true: {', '.join(wrong) or 'none'}.",
            "",
            "| case | family | half | label | claim | scores | twin's scores | loss (seed 0) | true |",
            "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
            *rows,
            "",
        ]
    )


def main() -> int:
    parser = argparse.ArgumentParser(description="Train every case and check its label.")
    parser.add_argument("--only", default="", help="cases whose name holds this text")
    parser.add_argument("--seeds", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(1)
    cache: dict[tuple[str, int], Training] = {}
    rows: list[str] = []
    wrong: list[str] = []
    for case in CASES:
        if options.only in case.name:
            row, good = check(case, options.seeds, cache)
            rows.append(row)
            wrong += [] if good else [case.name]
            print(row, f"{cache[case.name, 0].seconds:.1f} s", flush=True)
    if not options.only:
        PAGE.parent.mkdir(parents=True, exist_ok=True)
        PAGE.write_text(page(rows, options.seeds, wrong))
    if wrong:
        print(f"labels that are not true: {', '.join(wrong)}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
