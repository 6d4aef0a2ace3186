"""Searches built by hand: one that found a fix, one in which nothing helped, and a healthy network."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from headwater.records import Candidate, FixRecord, Profile, ProfilePoint, Safety, Standing, TrialResult
from tests.builders import findings, vanishing

STEPS, SEEDS = 120, 3

DIFF = """\
--- a/train.py
+++ b/train.py
@@ -7,5 +7,7 @@ def network():
     layers = []
     for _ in range(50):
-        layers += [nn.Linear(64, 64), nn.Sigmoid()]
+        layers += [nn.Linear(64, 64), nn.ReLU()]
+\t# tab
--- not a file but a line that goes
+++ not a file but a line that comes
     return nn.Sequential(*layers)
"""
SNIPPET = """\
for module in model.modules():
    if isinstance(module, nn.Linear):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
"""


def trials(
    remedies: tuple[str, ...] = (), end: float = 2.3, *, steps: int = STEPS, seeds: int = SEEDS, **other: Any
) -> tuple[TrialResult, ...]:
    """Trainings whose loss falls from 2.3 toward `end` in 120 steps; each seed lies a little higher than the last."""
    reached = end if steps == STEPS else end + (2.3 - end) * math.exp(-4 * steps / STEPS)
    return tuple(
        TrialResult(
            remedies=remedies,
            seed=seed,
            steps=steps,
            losses=tuple(end + (2.3 - end) * math.exp(-4 * step / STEPS) + 0.01 * seed for step in range(steps)),
            held_out=(reached + 0.01 * seed,),
            seconds=0.5,
            **other,
        )
        for seed in range(seeds)
    )


def candidate(
    *remedies: str, end: float = 2.3, standing: Standing = "no better", why: str = "", **other: Any
) -> Candidate:
    """A candidate that was trained, unless it was in no race."""
    raced = standing not in ("screened out", "failed", "refused")
    defaults: dict[str, Any] = {
        "says": f"{remedies[0]} in 50 layers",
        "size": len(remedies),
        "safety": _SAFE,
        "trials": trials(remedies, end) if raced else (),
        "effect": (2.3 - end) / 2.3 if raced else None,
        "p_value": 0.001 if end < 2 else 0.6 if raced else None,
    }
    return Candidate(remedies=remedies, standing=standing, why=why, **(defaults | other))


def after() -> Profile:
    """The gradient when all of it arrives."""
    points = tuple(ProfilePoint(f"{i}", i + 1, 0.02 + 0.0001 * i) for i in range(50))
    return Profile(points, 0.8, -0.004, 1.0, 0.5)


_SAFE: Safety = "safe"

FIXED = FixRecord(
    verdict="fixed",
    reason="init-matched:he with activation-swap:relu is the smallest of the changes that are as good as the best.",
    findings=findings(),
    candidates=(
        candidate(
            "activation-swap:relu",
            "init-matched:he",
            end=0.12,
            standing="recommended",
            says="ReLU in place of sigmoid in 50 hidden layers; He initialisation of 51 weights",
            why="held-out loss 0.93 after 30 steps with 3 seeds, where the original has 2.31 and a do-nothing "
            "control 2.31; 0.12 against 2.3 after 120 steps (p = 0.001)",
            trials=(
                *trials(("activation-swap:relu", "init-matched:he"), 0.12, steps=30),
                *trials(("activation-swap:relu", "init-matched:he"), 0.12, seeds=1, profile=after()),
            ),
        ),
        candidate(
            *("activation-swap:gelu", "residual:zero-initialised", "adaptive-optimizer:adamw"),
            end=0.1,
            standing="as good",
            why="no difference from the recommended one can be shown, and it changes more",
        ),
        candidate(
            "residual",
            end=0.9,
            standing="beaten",
            why="after 30 steps its loss was 1.43, and 0.93 with the best",
            trials=trials(("residual",), 0.9, steps=30),
        ),
        candidate("init-matched:xavier", why="after 120 steps its loss is 2.31, the original's 2.31"),
        candidate("raise-rate:10", why="its loss left the finite numbers at step 1", trials=trials(end=math.inf)),
        candidate("lower-rate", standing="screened out", why="HW101 still stands: 2.1e-42 of the gradient arrives."),
        candidate("clip-gradient", standing="screened out", why="HW101 still stands: 2.1e-42 of the gradient arrives."),
        candidate("gated-recurrence", standing="refused", why="there is no recurrent layer"),
    ),
    original=trials(end=2.3),
    control=trials(end=2.301, control=True),
    before=vanishing().profile,
    measure="held-out loss",
    steps=STEPS,
    seeds=SEEDS,
    steps_spent=4210,
    steps_exhaustive=61_200,
    seconds=34.2,
    diff=DIFF,
    snippet=SNIPPET,
    not_written=("the class of the layers at net.py:12 comes from a string",),
    versions={"torch": "2.6.0"},
)
NOTHING = replace(
    FIXED,
    verdict="nothing helped",
    reason="None of 2 candidates that were trained is better than the original.",
    candidates=tuple(each for each in FIXED.candidates if each.standing not in ("recommended", "as good", "beaten")),
    diff="",
    snippet="",
    not_written=(),
)
HEALTHY = FixRecord("healthy", "No finding is an error or a warning.", ())
RECORDS = {"fixed": FIXED, "nothing": NOTHING, "healthy": HEALTHY}
