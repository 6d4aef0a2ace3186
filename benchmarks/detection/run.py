"""What does Headwater say of each case?

    python -m benchmarks.detection.run [--only TEXT] [--half tune|held_out] [--seeds 2] [--jobs 2] [--no-variations]

Prints each outcome, then recall, leading accuracy and false-alarm rate by half, code and family, recall and precision
by rule, every miss and every false alarm. A full run writes docs/benchmarks/detection.md.

    detected       a finding of severity warning or error has the expected code
    leading        the report's first finding has it
    accepted       the first finding has it, or another code that names the same fault truthfully (`Case.accept`)
    false alarm    a healthy network has a finding of severity warning or error
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from benchmarks.detection.cases import CASES
from benchmarks.detection.outcome import Outcome, diagnose_case
from benchmarks.detection.page import HALVES, by_group, by_half, by_rule, invariance, page, wrong
from benchmarks.detection.problem import Case
from benchmarks.detection.variations import VARIATIONS

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks" / "detection.md"


def chosen_for_variations() -> list[Case]:
    """The first broken case of each code in each half, and their twins."""
    found: dict[tuple[str, str], Case] = {}
    for case in CASES:
        if case.expect is not None:
            found.setdefault((case.expect, case.half), case)
    names = {name for case in found.values() for name in (case.name, case.twin)}
    return [case for case in CASES if case.name in names]


def gather(work: list[tuple[str, int, str | None]], jobs: int) -> list[Outcome]:
    """Outcomes in the order of `work`, with a line of progress for each."""
    found: dict[tuple[str, int, str | None], Outcome] = {}
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context) as pool:
        tasks = [pool.submit(diagnose_case, *item) for item in work]
        for count, task in enumerate(as_completed(tasks), 1):
            outcome = task.result()
            found[outcome.name, outcome.seed, outcome.variation] = outcome
            print(f"[{count}/{len(work)}] {line(outcome)}", flush=True)
    return [found[item] for item in work]


def line(outcome: Outcome) -> str:
    said = outcome.error or " ".join(f"{code}:{severity[0]}" for code, severity, _ in outcome.findings) or "silent"
    mark = "ok  " if outcome.right else "MISS" if outcome.case.expect else "FALSE"
    name = outcome.name + (f" ({outcome.variation})" if outcome.variation else "")
    return f"{mark} {name} seed {outcome.seed}: wants {outcome.case.expect or 'silence'}, got {said[:160]}"


def main() -> int:
    parser = argparse.ArgumentParser(description="Diagnose every case and count what was right.")
    parser.add_argument("--only", default="", help="cases whose name holds this text")
    parser.add_argument("--half", choices=HALVES, help="only this half")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--no-variations", action="store_true", help="leave the invariance section out")
    options = parser.parse_args()
    cases = [c for c in CASES if options.only in c.name and options.half in (None, c.half)]
    base = gather([(c.name, seed, None) for c in cases for seed in range(options.seeds)], options.jobs)
    varied: list[Outcome] = []
    if not options.no_variations:
        names = {c.name for c in cases}
        varied = gather(
            [(c.name, 0, v) for c in chosen_for_variations() if c.name in names for v in VARIATIONS], options.jobs
        )
    print(
        "\n".join(
            [
                *by_half(base),
                "",
                *by_rule(base),
                "",
                *by_group(base, "code"),
                "",
                *wrong(base),
                "",
                *invariance(varied, base),
            ]
        )
    )
    if len(cases) == len(CASES) and varied:
        PAGE.parent.mkdir(parents=True, exist_ok=True)
        PAGE.write_text(page(base, varied, options.seeds))
    return 0 if all(outcome.right for outcome in base) else 1


if __name__ == "__main__":
    sys.exit(main())
