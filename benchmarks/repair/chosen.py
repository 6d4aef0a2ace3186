"""Which trainings are to be repaired, and which are healthy: chosen by a rule that knows nothing of repairs.

    python -m benchmarks.repair.chosen

Broken: of the detection benchmark, for each code and each kind of network the first held-out case (or where there is
none the first one) of which the twin trains its honest budget within `LIMIT` seconds of one core, and of a code that
has no such case the quickest one; then all cases of `benchmarks.repair.cases`, whose data are others.

Healthy: of each kind of network in turn the next case that is no twin, the held-out ones first, within the same limit,
until there are thirty.

Trainings with a schedule of their own are left out of both, as `headwater.fix` is given none. The seconds are those of
one machine; what came out is kept in `chosen.json`, which this script writes.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Iterator
from functools import cache
from itertools import cycle, islice
from pathlib import Path

import torch

from benchmarks.detection import cases as detection
from benchmarks.detection.problem import Case, fit
from benchmarks.repair.cases import CASES as NEW

LIMIT = 2.0
HEALTHY = 30
FILE = Path(__file__).with_name("chosen.json")
BY_NAME: dict[str, Case] = {case.name: case for case in (*detection.CASES, *NEW)}
KINDS = ("mlp", "cnn", "recurrent", "attention", "residual")
_MEMBERS = {
    "recurrent": ("through time", *"rnn lstm gru tanh relu rnn-relu rnn-cell lstm-cell gru-cell".split()),
    "attention": tuple("transformer attention library reader pooling".split()),
    "cnn": tuple("cnn dense unet".split()),
    "residual": tuple("residual highway mixer graph adapters".split()),
}


def kind(case: Case) -> str:
    """Kind of the network; what is none of the others is a perceptron."""
    return next((name for name, members in _MEMBERS.items() if case.architecture in members), "mlp")


def broken() -> list[Case]:
    """The broken trainings."""
    return [BY_NAME[name] for name in _kept()["broken"]]


def healthy() -> list[Case]:
    """The healthy ones."""
    return [BY_NAME[name] for name in _kept()["healthy"]]


@cache
def _kept() -> dict[str, list[str]]:
    return json.loads(FILE.read_text(encoding="utf-8"))


def _held_out_first(cases: Iterator[Case]) -> list[Case]:
    return sorted(cases, key=lambda case: case.half != "held_out")


def _choose_broken() -> list[Case]:
    found: list[Case] = []
    for code in sorted({case.expect for case in detection.CASES if case.expect}):
        cases = _held_out_first(case for case in detection.CASES if case.expect == code)
        first = [next((case for case in cases if kind(case) == name and _suits(case)), None) for name in KINDS]
        found += list(filter(None, first)) or [min(cases, key=lambda case: _seconds(case.twin or case.name))]
    return found + [case for case in NEW if case.expect]


def _choose_healthy() -> list[Case]:
    twins = {case.twin for case in detection.CASES}
    alone = [case for case in detection.CASES if case.expect is None and case.name not in twins]
    turns = {each: iter(_held_out_first(case for case in alone if kind(case) == each)) for each in KINDS}
    suiting = (next((case for case in turns[each] if _suits(case)), None) for each in cycle(KINDS))
    return list(islice((case for case in suiting if case is not None), HEALTHY))


def _suits(case: Case) -> bool:
    return _seconds(case.twin or case.name) <= LIMIT


@cache
def _seconds(name: str) -> float:
    """Of training; infinite with a schedule."""
    problem = BY_NAME[name].build(0)
    if problem.schedule is not None:
        return math.inf
    begin = time.process_time()
    fit(problem, problem.train_steps)
    taken = time.process_time() - begin
    print(f"{name}: {taken:.1f} s", file=sys.stderr)
    return taken


def main() -> None:
    torch.set_num_threads(1)
    chosen = {"broken": _choose_broken(), "healthy": _choose_healthy()}
    names = {half: [case.name for case in cases] for half, cases in chosen.items()}
    FILE.write_text(json.dumps(names, indent=2) + "\n", encoding="utf-8")
    print(", ".join(f"{len(cases)} {half}" for half, cases in names.items()))


if __name__ == "__main__":
    main()
