"""Diagnoses every model of the zoo as shipped.

    python -m benchmarks.zoo [--only TEXT] [--steps 5] [--plain]

Prints a line a model and writes docs/benchmarks/zoo.md. Returns 1 when a diagnosis raises, changes the model, or calls
a model vanishing or exploding with severity error. ``--plain`` only runs each model forward and backward.
"""

from __future__ import annotations

import argparse
import copy
import gc
import time
import traceback
import warnings
from dataclasses import dataclass

import torch
from torch import nn

import headwater
from benchmarks.tables import markdown, write
from benchmarks.zoo import special_models, timm_models, transformers_models
from benchmarks.zoo.entry import Entry, Problem
from headwater.measure import Objective

ENTRIES = [*timm_models.ENTRIES, *transformers_models.ENTRIES, *special_models.ENTRIES]
FATAL = ("HW101", "HW102")


@dataclass(frozen=True)
class Result:
    """What came of one entry."""

    entry: Entry
    error: str = ""
    changed: bool = False
    findings: tuple[tuple[str, str, str], ...] = ()
    layers: int = 0
    gain: float | None = None
    attenuation: float | None = None
    slowdown: float = 0.0

    @property
    def healthy(self) -> bool:
        return not self.error and all(severity == "info" for _, severity, _ in self.findings)

    @property
    def fatal(self) -> bool:
        return any(code in FATAL and severity == "error" for code, severity, _ in self.findings)


def plain(problem: Problem) -> float:
    """Seconds of one forward and backward pass on a copy."""
    model = copy.deepcopy(problem.model)
    start = time.perf_counter()
    Objective(problem.loss_fn)(model, problem.batches[0]).loss.backward()
    return time.perf_counter() - start


def run(entry: Entry, steps: int) -> Result:
    """Diagnoses one entry; whatever is raised becomes the result."""
    torch.manual_seed(0)
    try:
        problem = entry.build()
        seconds = plain(problem)
        before = _state(problem.model)
        start = time.perf_counter()
        report = headwater.diagnose(problem.model, problem.batches, problem.loss_fn, steps=steps)
        slowdown = (time.perf_counter() - start) / steps / seconds
    except Exception as error:
        return Result(entry, "".join(traceback.format_exception(error, limit=-2))[-600:])
    return Result(
        entry=entry,
        changed=not _same(before, _state(problem.model)),
        findings=tuple((f.code, f.severity, f.message) for f in report.findings),
        layers=len(report.layers),
        gain=report.measurement.profile.gain,
        attenuation=report.measurement.profile.attenuation,
        slowdown=slowdown,
    )


def _state(model: nn.Module) -> dict[str, object]:
    tensors = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    modes = tuple(module.training for module in model.modules())
    return {**tensors, "modes": modes, "gradients": sum(p.grad is not None for p in model.parameters())}


def _same(before: dict[str, object], after: dict[str, object]) -> bool:
    def equal(a: object, b: object) -> bool:
        return torch.equal(a, b) if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor) else a == b

    return before.keys() == after.keys() and all(equal(before[key], after[key]) for key in before)


def line(result: Result) -> str:
    """One line for the screen."""
    said = result.error.replace("\n", " ") or " ".join(f"{c}:{s}" for c, s, _ in result.findings) or "silent"
    return f"{result.entry.name}: {said}" + (" CHANGED THE MODEL" if result.changed else "")


def report_page(results: list[Result], steps: int) -> None:
    """Writes the table."""

    def number(value: float | None) -> str:
        return "" if value is None else f"{value:.3g}"

    rows = [
        (r.entry.family, r.entry.name, r.layers, number(r.gain), number(r.attenuation), f"{r.slowdown:.1f}x",
         r.error.strip().splitlines()[-1] if r.error else ", ".join(f"{c} {s}" for c, s, _ in r.findings) or "silent")
        for r in results
    ]  # fmt: skip
    families = [r.entry.family for r in results]
    summary = ". ".join(
        [
            f"{len(results)} models ({', '.join(f'{families.count(f)} {f}' for f in dict.fromkeys(families))})",
            f"Raised: {sum(bool(r.error) for r in results)}",
            f"Changed by the diagnosis: {sum(r.changed for r in results)}",
            f"Called vanishing or exploding with severity error: {sum(r.fatal for r in results)}",
            f"Called healthy: {sum(r.healthy for r in results)}.",
        ]
    )
    said = [(r.entry.name, f"{c} {s}", message) for r in results for c, s, message in r.findings if s != "info"]
    write(
        "zoo",
        "Real models as shipped, with random weights",
        f"python -m benchmarks.zoo --steps {steps}",
        summary,
        markdown(("model", "finding", "message"), said),
        markdown(("family", "model", "layers", "gain", "attenuation", "a step, against a plain one", "findings"), rows),
    )


def main() -> int:
    """Runs the chosen entries."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="entries whose name contains this")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--plain", action="store_true", help="only run forward and backward")
    args = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    chosen = [entry for entry in ENTRIES if args.only in entry.name]
    results: list[Result] = []
    for count, entry in enumerate(chosen, 1):
        print(f"[{count}/{len(chosen)}] ", end="", flush=True)
        if args.plain:
            torch.manual_seed(0)
            try:
                print(f"{entry.name}: {plain(entry.build()):.2f} s", flush=True)
            except Exception as error:
                print(f"{entry.name}: {type(error).__name__}: {str(error)[:300]}", flush=True)
        else:
            results.append(run(entry, args.steps))
            print(line(results[-1]), flush=True)
        gc.collect()
    if results and not args.only:
        report_page(results, args.steps)
    return int(any(r.error or r.changed or r.fatal for r in results))
