"""``python -m benchmarks.fix_scripts`` fails where a script is left without an answer."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from benchmarks import fix_scripts
from headwater.fix_script import ScriptFix
from headwater.records import Candidate, FixRecord
from headwater.source.writing import Patch, PatchedFile

BEST = Candidate(("clip-gradient",), "clip the gradient", 1, "safe", "recommended", "better")
NOTHING = FixRecord("nothing helped", "nothing that was tried is better", ())
FIXED = FixRecord("fixed", "it is better", (), (BEST,))
TOLD = FixRecord("fixed", "", (), (BEST,), snippet="clip()", not_written=("clip the gradient: in a lambda",))


@pytest.mark.parametrize(
    ("record", "is_written", "after", "status"),
    [
        (NOTHING, False, 0.2, 1),
        (FIXED, True, 0.2, 1),
        (FIXED, True, 0.9, 0),
        (TOLD, False, 0.2, 0),
    ],
)
def test_status(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    record: FixRecord,
    is_written: bool,
    after: float,
    status: int,
) -> None:
    reached = [0.2, after]

    def fix_script(target: Any, *, cwd: Any, **_: Any) -> Any:
        path = cwd / target.name
        text = path.read_text()
        files = (PatchedFile(path, text, text + "# mended\n"),) if is_written else ()
        return ScriptFix(record, None, Patch(files, "", record.snippet, record.not_written))  # type: ignore[arg-type]

    monkeypatch.setattr(fix_scripts, "fix_script", fix_script)
    monkeypatch.setattr(fix_scripts, "ran", lambda _: f"final: loss 1.0, accuracy {reached.pop(0)}\n")
    monkeypatch.setattr(sys, "argv", ["fix_scripts", "--only", "sequential"])
    assert fix_scripts.main() == status
    assert "sequential.py" in capsys.readouterr().out
