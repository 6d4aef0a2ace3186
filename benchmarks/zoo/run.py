"""Diagnoses every model of the zoo as shipped.

    python -m benchmarks.zoo [--only TEXT] [--steps 8] [--jobs 1] [--cache FILE] [--out FILE] [--plain]

Prints a line a model and writes docs/benchmarks/zoo.md. Returns 1 when a diagnosis raises, changes the model, or calls
a model vanishing or exploding with severity error. ``--plain`` only runs each model forward and backward, without
Headwater. With ``--cache`` an interrupted run goes on where it stopped; results of other code are not taken from it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import sys
import warnings
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from functools import partial
from pathlib import Path

import torch

import headwater
from benchmarks.tables import DOCS
from benchmarks.zoo import special_models, timm_models, transformers_models
from benchmarks.zoo.entry import Entry
from benchmarks.zoo.outcome import Result, plain, run
from benchmarks.zoo.page import said_of, summary, write_page

ENTRIES = [*timm_models.ENTRIES, *transformers_models.ENTRIES, *special_models.ENTRIES]


def main() -> int:
    """Runs the chosen entries."""
    args = _arguments()
    chosen = [entry for entry in ENTRIES if args.only in entry.name]
    if args.plain:
        return _all_plain(chosen)
    key = f"{_source()} {args.steps}"
    known = _read(args.cache, key)
    done = {entry.name: known[entry.name] for entry in chosen if entry.name in known}
    rest = [entry.name for entry in chosen if entry.name not in done]
    for result in _run_all(rest, args.steps, args.jobs):
        done[result.name] = result
        print(f"[{len(done)}/{len(chosen)}] {result.name}: {said_of(result)}", flush=True)
        if result.error:
            print(result.error, flush=True)
        if args.cache:
            with args.cache.open("a") as cache:
                print(json.dumps({"key": key, **asdict(result)}), file=cache)
    results = [done[entry.name] for entry in chosen]
    if results and not args.only:
        write_page(results, args.steps, args.out)
    print(summary(results))
    return int(any(r.error or r.changed or r.fatal for r in results))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="entries whose name contains this; no page is written")
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--jobs", type=int, default=1, help="processes, of one thread each")
    parser.add_argument("--cache", type=Path, help="a file that keeps results, to go on after an interruption")
    parser.add_argument("--out", type=Path, default=DOCS / "zoo.md")
    parser.add_argument("--plain", action="store_true", help="only run forward and backward")
    return parser.parse_args()


def _all_plain(chosen: list[Entry]) -> int:
    _quiet()
    failed = 0
    for count, entry in enumerate(chosen, 1):
        torch.manual_seed(0)
        try:
            said = f"{plain(entry.build()):.2f} s"
        except Exception as error:
            failed, said = failed + 1, f"{type(error).__name__}: {str(error)[:300]}"
        print(f"[{count}/{len(chosen)}] {entry.name}: {said}", flush=True)
    print(f"{len(chosen)} models, {failed} failed")
    return int(failed > 0)


def _run_all(names: list[str], steps: int, jobs: int) -> Iterator[Result]:
    """Results as they come, from fresh processes: what a library leaves behind stays there."""
    spawn = multiprocessing.get_context("spawn")  # a fork would inherit the locks of torch's threads
    with ProcessPoolExecutor(jobs, spawn, initializer=_quiet) as pool:
        for future in as_completed([pool.submit(partial(_run_one, steps=steps), name) for name in names]):
            yield future.result()


def _run_one(name: str, steps: int) -> Result:
    return run(next(entry for entry in ENTRIES if entry.name == name), steps)


def _quiet() -> None:
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")


def _source() -> str:
    """Digest of the code that a result depends on: a kept result of other code would be a wrong number in the docs."""
    package, zoo = Path(headwater.__file__).parent, Path(__file__).parent
    shown = {package / part for part in ("cli", "report", "study")}
    files = [p for p in package.rglob("*.py") if not shown.intersection(p.parents)]
    files += [p for p in zoo.glob("*.py") if p.stem not in ("run", "page")]
    text = b"".join(path.read_bytes() for path in sorted(files))
    return hashlib.blake2b(text, digest_size=8).hexdigest()


def _read(cache: Path | None, key: str) -> dict[str, Result]:
    if cache is None or not cache.exists():
        return {}
    found = [json.loads(line) for line in cache.read_text().splitlines()]
    kept = [{name: value for name, value in row.items() if name != "key"} for row in found if row["key"] == key]
    results = [Result(**{**row, "findings": tuple(map(tuple, row["findings"]))}) for row in kept]
    return {result.name: result for result in results if not result.error}


if __name__ == "__main__":
    sys.exit(main())
