"""Mean-field theory against the literature's numbers, and against real networks.

    python -m benchmarks.theory [--width 1000] [--depth 50] [--formulas]

Returns 1 when any number is off by more than its tolerance; writes docs/benchmarks/theory.md.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Iterable

import torch

from benchmarks.tables import markdown, write
from benchmarks.theory import formulas, networks
from benchmarks.theory.check import Check


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, default=1000, help="of the networks in the table of gains")
    parser.add_argument("--depth", type=int, default=50, help="of the networks in the table of gains")
    parser.add_argument("--formulas", action="store_true", help="without networks; writes nothing")
    args = parser.parse_args()
    torch.set_num_threads(1)
    computed = formulas.checks()
    measured = [] if args.formulas else networks.checks(args.width, args.depth)
    parts = [
        _summary([*computed, *measured]),
        "## Computed, against the literature",
        *_tables(computed, ("", "reference", "computed", "error", "limit")),
        "## Predicted, against a network's backward pass",
        *_tables(measured, ("", "predicted", "measured", "error", "limit")),
    ]
    if args.formulas:
        print("\n\n".join(parts[:-1]))
    else:
        command = f"python -m benchmarks.theory --width {args.width} --depth {args.depth}"
        write("theory", "Mean-field theory", command, *parts)
    return int(not all(check.passed for check in (*computed, *measured)))


def _summary(checks: list[Check]) -> str:
    missed = [f"{check.group}: {check.what}" for check in checks if not check.passed]
    said = f"{len(checks) - len(missed)} of {len(checks)} numbers are within their limits."
    return said + (f" Missed: {'; '.join(missed)}." if missed else "")


def _tables(checks: Iterable[Check], header: tuple[str, ...]) -> list[str]:
    return [
        f"### {group}\n\n{markdown(header, [check.row() for check in some])}"
        for group, some in itertools.groupby(checks, key=lambda check: check.group)
    ]


if __name__ == "__main__":
    sys.exit(main())
