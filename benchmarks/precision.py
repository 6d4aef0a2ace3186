"""What number formats, epsilon and weight decay take from a step: the numbers that the rules HW501 to HW504 rest on.

    python -m benchmarks.precision

Reference numbers were measured before this code was written, on networks of the same size; a training need not hit
them to the digit, so that each line says what must hold of it. Writes docs/benchmarks/precision.md; leaves with status
1 when something does not hold.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from itertools import cycle, islice
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW

from benchmarks.detection.data import standard_digits
from benchmarks.detection.nets import mlp
from benchmarks.detection.nets_precision import Kept
from benchmarks.tables import markdown, write
from headwater import diagnose
from headwater.measure.objective import Objective
from headwater.measure.precision.epsilon import epsilon_effect
from headwater.measure.precision.underflow import lost_gradients
from headwater.study.literature.rounding import Rounding, moves, parabola

DTYPES = (torch.float32, torch.bfloat16, torch.float16, torch.float8_e4m3fn, torch.float8_e5m2)
BATCH, STEPS = 64, 600
Make = Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]


@dataclass(frozen=True)
class Line:
    """A measured number, the reference, and whether what must hold of it does."""

    what: str
    measured: float
    reference: str
    holds: bool

    def cells(self) -> tuple[str, str, str, str]:
        return self.what, f"{self.measured:.4g}", self.reference, "yes" if self.holds else "**no**"


def near(what: str, measured: float, reference: float, tolerance: float) -> Line:
    return Line(what, measured, f"{reference:g} ± {tolerance:g}", abs(measured - reference) <= tolerance)


def below(what: str, measured: float, limit: float, reference: str) -> Line:
    return Line(what, measured, f"{reference}; below {limit:g}", measured < limit)


def above(what: str, measured: float, limit: float, reference: str) -> Line:
    return Line(what, measured, f"{reference}; above {limit:g}", not measured <= limit)


def threshold(dtype: torch.dtype, everyone: bool) -> float:
    """Largest relative step at which no weight between 1 and 2 moves, or still not all of them, by bisection."""
    weights = 1 + torch.arange(1, 4096, dtype=torch.float64) / 4096
    low, high = 1e-9, 1.0
    for _ in range(60):
        middle = math.sqrt(low * high)
        moved = moves(dtype, middle, weights)
        low, high = (low, middle) if bool(moved.all() if everyone else moved.any()) else (middle, high)
    return low


def formats() -> str:
    rows = []
    for dtype in DTYPES:
        info = torch.finfo(dtype)
        limits = f"{threshold(dtype, False):.2g} to {threshold(dtype, True):.2g}"
        numbers = (info.eps, info.smallest_normal, info.smallest_normal * info.eps, info.max)
        rows.append([str(dtype).removeprefix("torch."), *(f"{n:.2g}" for n in numbers), limits])
    head = ["format", "epsilon", "smallest normal", "smallest", "largest", "relative step lost below (any, some)"]
    return markdown(head, rows)


def lost_steps() -> list[Line]:
    """Share of weights that a step of some relative size leaves where they are, in bfloat16."""
    weights = 2 ** torch.rand(100_000, dtype=torch.float64)
    known = {1.9e-3: 1.0, 2e-3: 0.97, 3e-3: 0.38, 5e-3: 0.0}
    return [
        near(
            f"bfloat16 weights unmoved by a step of {r:g}",
            1 - float(moves(torch.bfloat16, r, weights).double().mean()),
            share,
            0.01,
        )
        for r, share in known.items()
    ]


def parabolas() -> list[Line]:
    """Gradient descent at 1e-3 on w^2 / 2 from w = 1, 2000 steps, on four thousand weights at once."""
    known: dict[Rounding, float] = {"float32": 0.1352, "nearest": 1.0, "stochastic": 0.1350, "kahan": 0.1348}
    return [
        near(
            f"w after 2000 steps on w^2/2, {'float32' if how == 'float32' else f'bfloat16, {how}'} (exact: 0.1353)",
            parabola(how, steps=2000, rate=1e-3),
            expected,
            0.002,
        )
        for how, expected in known.items()
    ]


def underflow() -> list[Line]:
    """Share of normal gradients that float16 loses, as the diagnosis measures it."""
    model = nn.Linear(400, 400, bias=False).half()
    found = []
    for size, known in ((1e-6, 0.024), (1e-7, 0.23)):
        gradient = torch.randn(400, 400) * size
        objective = Objective(step=lambda m, g: (m.weight.float() * g).sum())
        _, lost = lost_gradients(model, objective, gradient, {"weight": model.weight}, narrow=True)
        found.append(near(f"float16: share lost of gradients of size {size:g}", lost["weight"].share, known, 0.01))
    return found


def epsilon() -> list[Line]:
    found = []
    for size, known in ((1e-7, 0.909), (1e-8, 0.5), (1e-9, 0.0909), (1e-10, 0.0099)):
        w = nn.Parameter(torch.zeros(4, 4))
        optimizer = Adam([w])
        for _ in range(10):
            w.grad = torch.full_like(w, size)
            optimizer.step()
        effect = epsilon_effect(optimizer, optimizer.param_groups[0], w)
        found.append(
            near(
                f"Adam: what is left of a step at a gradient of {size:g}",
                effect[1] if effect else math.nan,
                known,
                0.001,
            )
        )
    return found


def decay() -> list[Line]:
    """Norm left of weights of size 0.1 after 2000 steps at 1e-3, with a decay of 1e-4 and gradients of size g.

    Along a fixed gradient Adam's balance is at ``w = -g / decay``: 0.1 of the start for g = 1e-6.
    """
    adam = partial(Adam, lr=1e-3, weight_decay=1e-4)
    adamw, sgd = partial(AdamW, lr=1e-3, weight_decay=1e-4), partial(SGD, lr=1e-2, weight_decay=1e-4)
    return [
        near("Adam with decay, a fixed gradient of 1e-6: norm left", _left(adam, 1e-6, fixed=True), 0.105, 0.01),
        near("... random gradients of 1e-9", _left(adam, 1e-9), 0.0, 0.001),
        near("AdamW, random gradients of 1e-9", _left(adamw, 1e-9), 1.003, 0.005),
        near("SGD at 1e-2, random gradients of 1e-6", _left(sgd, 1e-6), 0.998, 0.005),
    ]


def _left(make: Make, size: float, *, fixed: bool = False) -> float:
    torch.manual_seed(0)
    w = nn.Parameter(torch.randn(100, 100) * 0.1)
    start, optimizer, gradient = w.detach().norm(), make([w]), torch.randn_like(w) * size
    for _ in range(2000):
        w.grad = gradient if fixed else torch.randn_like(w) * size
        optimizer.step()
    return float(w.detach().norm() / start)


def train(make: Make, dtype: torch.dtype = torch.float32, scale: float = 1.0) -> tuple[float, Any]:
    """Loss over the training data (without the scale) after a training on digits, and the report at its start."""
    torch.manual_seed(0)
    data = standard_digits()
    network = mlp(64, 100, 2, 10)
    model = Kept(network, dtype) if dtype is not torch.float32 else network

    def loss_fn(outputs: Tensor, targets: Tensor) -> Tensor:
        return scale * F.cross_entropy(outputs, targets)

    batches = data.batches(BATCH, 0)
    report = diagnose(model, batches, loss_fn, optimizer=make)
    optimizer = make(model.parameters())
    for x, y in islice(cycle(batches), STEPS):
        optimizer.zero_grad()
        loss_fn(model(x), y).backward()
        optimizer.step()
    with torch.no_grad():
        return float(F.cross_entropy(model(data.x), data.y)), report


def with_epsilon() -> list[Line]:
    plain, _ = train(partial(AdamW, lr=1e-3))
    small, _ = train(partial(AdamW, lr=1e-3), scale=1e-6)
    tiny, report = train(partial(AdamW, lr=1e-3), scale=1e-8)
    mended, after = train(partial(AdamW, lr=1e-3, eps=1e-15), scale=1e-8)
    zero, _ = train(partial(AdamW, lr=1e-3, eps=0.0), scale=1e-8)
    return [
        below("AdamW: final loss", plain, 0.05, "0.0140"),
        above("... loss times 1e-6", small, 2 * plain, "0.0741, several times as much"),
        above("... loss times 1e-8", tiny, 2.0, "2.224, stalled"),
        below("... loss times 1e-8, epsilon 1e-15", mended, 1.5 * plain, "0.0140, as without"),
        Line("... loss times 1e-8, epsilon 0", zero, "NaN", math.isnan(zero)),
        Line("... HW503 said of 1e-8", float(_said(report, "HW503")), "1", _said(report, "HW503")),
        Line("... HW503 said with epsilon 1e-15", float(_said(after, "HW503")), "0", not _said(after, "HW503")),
    ]


def in_bfloat16() -> list[Line]:
    """Pure bfloat16 against float32; the captured part of the first steps, and whether HW501 is said."""
    found = []
    known = {
        "SGD 0.01": (partial(SGD, lr=0.01), "1.648 against 0.535", True),
        "SGD 0.1": (partial(SGD, lr=0.1), "0.0448 against 0.0406", False),
        "AdamW 1e-3": (partial(AdamW, lr=1e-3), "0.028 against 0.014", False),
        "AdamW 1e-4": (partial(AdamW, lr=1e-4), "1.14 against 0.241", True),
        "AdamW 1e-5": (partial(AdamW, lr=1e-5), "2.308 against 2.125", True),
    }
    for name, (make, reference, bad) in known.items():
        wide, _ = train(make)
        narrow, report = train(make, torch.bfloat16)
        kappas = sorted(w.captured for w in report.measurement.precision.weights if w.captured is not None)
        kappa = kappas[len(kappas) // 2]
        worse = narrow > 1.05 * wide if bad else narrow < wide + 0.05
        found += [
            Line(f"bfloat16, {name}: loss (float32: {wide:.4g})", narrow, reference, worse),
            (below if bad else above)(
                "... kappa", kappa, 0.5 if bad else 0.9, "0.30 to 0.40" if bad else "0.96 to 0.98"
            ),
            Line("... HW501 said", float(_said(report, "HW501")), str(int(bad)), _said(report, "HW501") is bad),
        ]
    return found


def _said(report: Any, code: str) -> bool:
    return any(f.code == code for f in report.findings)


def main() -> int:
    """Prints and writes the tables; returns 1 when a line does not hold."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    parts = (lost_steps, parabolas, underflow, epsilon, decay, with_epsilon, in_bfloat16)
    lines = [line for part in parts for line in part()]
    wrong = [line.what for line in lines if not line.holds]
    table = markdown(["what", "measured", "reference; what must hold", "holds"], [line.cells() for line in lines])
    setting = (
        f"Trainings: digits, two hidden layers of 100 ReLUs, batches of {BATCH}, {STEPS} steps; losses are over the "
        "whole training set. Kappa is the median over the weights in the first judged steps."
    )
    summary = f"Lines that do not hold: {', '.join(wrong) or 'none'}."
    write(
        "precision", "What is lost in precision", "python -m benchmarks.precision", formats(), setting, summary, table
    )
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
