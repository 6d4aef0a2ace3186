"""Scripts of several styles with their repair: tried in a trial, written into their source, and run.

The search that finds the repair among others is left to ``python -m benchmarks.fix_scripts``, which runs all scripts.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.fix_scripts import copied, ran
from headwater.script import Target
from headwater.source.writing import apply, patch
from headwater.trials import Trial
from headwater.trials.script import ScriptWorkload, observe
from headwater.trials.servers import end_servers
from tests.source.scripts import SCRIPTS, final

REPAIRS = {
    "helper_module/train.py": "activation-swap:relu",
    "functional_alias.py": "activation-swap:relu",
    "rate_too_large.py": "lower-rate:hundredth",
    "broadcast_loss.py": "match-shapes",
}
LONG = ("functional_alias.py", "rate_too_large.py")


@pytest.fixture(scope="module", autouse=True)
def servers() -> Iterator[None]:
    yield
    end_servers()


@pytest.mark.parametrize("name", [pytest.param(each, marks=[pytest.mark.long] * (each in LONG)) for each in REPAIRS])
def test_a_script_is_repaired(name: str, tmp_path: Path) -> None:
    script = next(each for each in SCRIPTS if each.path == name)
    path = copied(script, tmp_path)
    original = observe(Target(path.name), str(path.parent), 100)
    codes = {code for finding in original.findings for code in finding.remedies}
    assert REPAIRS[name].partition(":")[0] in codes
    workload = ScriptWorkload(Target(path.name), str(path.parent), original)
    trial = workload.run(Trial((REPAIRS[name],), 0, original.steps))
    assert trial.error is None and trial.level < workload.run(Trial((), 0, original.steps)).level
    written = patch(trial.changes, optimizer=original.built, names=original.names)
    assert written.files and not written.not_written
    apply(written)
    _, accuracy = final(ran(path))
    assert accuracy >= script.accuracy
