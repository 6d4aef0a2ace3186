"""Does a fix that is proved repair broken trainings, and does it leave healthy ones alone?

    python -m benchmarks.repair [--only TEXT] [--methods headwater,random] [--again] [--jobs 1] [--results FILE]

Case by case, with a line of progress for each; what was found before is kept in a file and not done again, unless
`--again` asks for it. When all cases are there, docs/benchmarks/repair.md is written anew.
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from benchmarks.detection.problem import Case
from benchmarks.repair.chosen import broken, healthy
from benchmarks.repair.examine import BROKEN, HEALTHY, examine
from benchmarks.repair.outcome import Line, Lines, is_broken, is_repaired, keep, kept
from benchmarks.repair.page import write_page

RESULTS = Path(__file__).parents[2] / "docs" / "benchmarks" / "repair.jsonl"
"""Kept with the code: what took hours goes on from there, also on another machine."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="cases whose name holds one of these texts, with commas between")
    parser.add_argument("--methods", default="", help="these only, with commas between")
    parser.add_argument("--again", action="store_true", help="do again what was done before")
    parser.add_argument("--jobs", type=int, default=1, help="cases at a time")
    parser.add_argument("--results", type=Path, default=RESULTS, help="what was found so far")
    options = parser.parse_args()
    lines = kept(options.results)
    cases = [case for case in (*broken(), *healthy()) if any(text in case.name for text in options.only.split(","))]
    work = [(case, missing) for case in cases if (missing := _missing(case, lines, options.methods, options.again))]
    context = multiprocessing.get_context("spawn")
    begin = time.perf_counter()
    with ProcessPoolExecutor(options.jobs, mp_context=context) as pool:
        tasks = {pool.submit(examine, case.name, _known(case, lines, missing), missing): case for case, missing in work}
        for done, task in enumerate(as_completed(tasks), 1):
            case = tasks[task]
            if (error := task.exception()) is not None:
                print(f"[{done}/{len(work)}] {case.name}: {type(error).__name__}: {error}", flush=True)
                continue
            keep(options.results, task.result())
            lines |= {(line.case, line.method): line for line in task.result()}
            print(f"[{done}/{len(work)}, {time.perf_counter() - begin:.0f} s] {_said(case, lines)}", flush=True)
    if not any(_missing(case, lines, "", again=False) for case in (*broken(), *healthy())):
        write_page(lines)


def _missing(case: Case, lines: Lines, methods: str, again: bool) -> list[str]:
    wanted = BROKEN if case.expect else HEALTHY
    asked = [each for each in wanted if not methods or each in methods.split(",")]
    return [each for each in asked if again or (case.name, each) not in lines]


def _known(case: Case, lines: Lines, missing: list[str]) -> list[Line]:
    return [line for (name, method), line in lines.items() if name == case.name and method not in missing]


def _said(case: Case, lines: Lines) -> str:
    found = {method: lines[case.name, method] for method in BROKEN if (case.name, method) in lines}
    ours = found.get("headwater")
    if not case.expect:
        return f"{case.name}, healthy: {ours.why if ours else ''}"
    mark = "    "
    if {"original", "twin", "headwater"} <= found.keys():
        is_fine = is_repaired(lines, case.name, "headwater")
        mark = "ok  " if is_fine else "MISS" if is_broken(lines, case.name) else "mild"
    scores = ", ".join(f"{method} {line.score:.2f}" for method, line in found.items() if line.scores)
    what = f"; {' + '.join(ours.remedies) or 'nothing'} in {ours.seconds:.0f} s" if ours else ""
    return f"{mark} {case.name} ({case.expect}): {scores}{what}"


if __name__ == "__main__":
    main()
