"""``headwater fix`` on broken scripts in the styles that people write: does the diff apply, run, and repair them?

    python -m benchmarks.fix_scripts [--only WORD]

Each script of tests/source/fix_scripts is run as it is; a fix is sought with the defaults of ``headwater fix``; the
diff is applied to a copy, and that is run. Each ends by printing what it reaches on data that it held out, which the
search never sees. Repaired is a script that then passes what its healthy twin does. Writes
docs/benchmarks/fix-scripts.md when all ran; leaves with status 1 when one is not repaired, unless the change that is
recommended cannot be written safely and is given as a snippet. Half an hour on two cores.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.tables import markdown, write
from headwater.fix_script import ScriptFix, fix_script
from headwater.script import Target
from headwater.source.writing import apply
from headwater.trials.engines import Inline
from tests.source.scripts import FOLDER, SCRIPTS, Script, final


@dataclass(frozen=True)
class Outcome:
    """What came of one script.

    Attributes:
        script: it.
        codes: of the findings that are more than information.
        remedies: of the recommendation.
        before, after: accuracy on held-out data as it was, and with the diff applied; ``None`` where there is none.
        lines: that the diff adds or removes.
        told: why a part of the change stands in a snippet and in no diff, or why nothing is recommended.
        snippet: whether the recommendation, or a part of it, is given as one.
        seconds: of the search.
        steps: optimizer steps of the search.
    """

    script: Script
    codes: tuple[str, ...]
    remedies: tuple[str, ...]
    before: float
    after: float | None
    lines: int
    told: str
    snippet: bool
    seconds: float
    steps: int

    @property
    def repaired(self) -> bool:
        """Whether it passes what its healthy twin does."""
        return self.after is not None and self.after >= self.script.accuracy

    @property
    def answered(self) -> bool:
        """Whether it is repaired, or the change that repairs it is shown where it cannot be written."""
        return self.repaired or (bool(self.remedies) and self.snippet)


def main() -> int:
    """Runs all scripts and writes the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="only scripts whose path holds this word; no page")
    args = parser.parse_args()
    outcomes: list[Outcome] = []
    for script in SCRIPTS:
        if args.only in script.path:
            outcomes.append(tried(script))
            print(_row(outcomes[-1]), file=sys.stderr, flush=True)
    table = markdown(_HEADER, map(_row, outcomes))
    if args.only:
        print(table)
    else:
        told = _summary(outcomes)
        write("fix-scripts", "`headwater fix` on broken scripts", "python -m benchmarks.fix_scripts", told, table)
    return int(not all(outcome.answered for outcome in outcomes))


def tried(script: Script) -> Outcome:
    """Seeks a fix for one script in a copy of its folder, applies it, and runs both."""
    with tempfile.TemporaryDirectory() as name:
        path = copied(script, Path(name))
        _, before = final(ran(path))
        begin = time.perf_counter()
        found = fix_script(Target(path.name), cwd=path.parent, engine=Inline())
        seconds = time.perf_counter() - begin
        after = None
        if found.patch is not None and found.patch.files:
            apply(found.patch)
            _, after = final(ran(path))
    record = found.record
    return Outcome(
        script,
        tuple(each.code for each in record.findings if each.severity != "info"),
        record.best.remedies if record.best is not None else (),
        before,
        after,
        _changed(record.diff),
        _told(found),
        bool(record.snippet),
        seconds,
        record.steps_spent,
    )


def copied(script: Script, folder: Path) -> Path:
    """Copies a script, with the folder that it has to itself, and returns its new path."""
    source = FOLDER / script.path
    if "/" in script.path:
        shutil.copytree(source.parent, folder / source.parent.name)
        return folder / script.path
    shutil.copy(source, folder)
    return folder / source.name


def ran(path: Path) -> str:
    """Runs a script as its author does, and returns its output."""
    command = [sys.executable, path.name]
    return subprocess.run(command, cwd=path.parent, check=True, capture_output=True, text=True).stdout


def _changed(diff: str) -> int:
    return sum(line[:1] in "+-" and line[:3] not in ("+++", "---") for line in diff.splitlines() if line)


def _told(found: ScriptFix) -> str:
    if found.record.best is None:
        return found.record.reason
    return "; ".join(found.record.not_written)


_HEADER = ("script", "fault", "found", "recommended", "before", "after", "lines", "steps spent", "seconds", "repaired")


def _row(outcome: Outcome) -> Sequence[object]:
    return (
        f"`{outcome.script.path}`",
        outcome.script.fault,
        ", ".join(outcome.codes),
        ", ".join(outcome.remedies) or "nothing",
        f"{outcome.before:.3f}",
        f"{outcome.after:.3f}" if outcome.after is not None else "",
        outcome.lines,
        f"{outcome.steps:,}",
        f"{outcome.seconds:.0f}",
        "yes" if outcome.repaired else outcome.told or "no",
    )


def _summary(outcomes: Sequence[Outcome]) -> str:
    repaired = sum(outcome.repaired for outcome in outcomes)
    written = sum(outcome.after is not None for outcome in outcomes)
    return (
        f"Of {len(outcomes)} scripts a diff was written for {written}, and {repaired} are repaired by it: they pass "
        "the accuracy that their healthy twins pass, on data that the search did not see. The scripts, and what is "
        "wrong with each, stand in tests/source/scripts.py."
    )


if __name__ == "__main__":
    sys.exit(main())
