"""What is left when a watch has ended."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import headwater
from headwater.monitor import governor
from headwater.script import Target, execute
from headwater.store import open_run
from headwater.watch import Watch


def begun(**options: Any) -> Watch:
    """Returns the watch of a training that has taken some steps."""
    torch.manual_seed(0)
    model = nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    seen = headwater.watch(model, optimizer, **options)
    for _ in range(3):
        optimizer.zero_grad()
        model(torch.randn(8, 4)).pow(2).mean().backward()
        optimizer.step()
    return seen


@pytest.mark.parametrize("end", [None, 0, 3, "a message"])
def test_an_exit_that_the_user_wrote_is_an_end_as_for_a_script(
    end: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("argv", "path"):
        monkeypatch.setattr(sys, name, list(getattr(sys, name)))
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
    script = tmp_path / "script.py"
    script.write_text(f"import sys\nsys.exit({end!r})\n")
    assert execute(Target(str(script))).status == "finished"
    with pytest.raises(SystemExit), begun(run_dir=tmp_path / "run"):
        sys.exit(end)
    assert open_run(tmp_path / "run").info.status == "finished"


@pytest.mark.parametrize(("error", "status"), [(ValueError, "crashed"), (KeyboardInterrupt, "interrupted")])
def test_other_exceptions_are_none(error: type[BaseException], status: str, tmp_path: Path) -> None:
    with pytest.raises(error), begun(run_dir=tmp_path / "run"):
        raise error
    assert open_run(tmp_path / "run").info.status == status


def test_what_was_spent_stands_still_after_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(i * 1e-3 for i in range(10**9))
    monkeypatch.setattr(governor.Governor.__init__, "__defaults__", (lambda: next(now), None))
    seen = begun()
    assert seen.spent != seen.spent  # the clock runs on
    seen.close()
    assert 0 < seen.spent == seen.spent


def test_what_is_raised_and_has_healed_is_told_once_while_it_happens() -> None:
    torch.manual_seed(0)
    layers = [layer for _ in range(12) for layer in (nn.Linear(16, 16), nn.Sigmoid())]
    model = nn.Sequential(*layers, nn.Linear(16, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    told: list[tuple[str, str]] = []
    with headwater.watch(
        model, optimizer, budget=math.inf, on_event=lambda event: told.append((event.event, event.finding.code))
    ) as seen:

        def train(steps: int) -> None:
            for _ in range(steps):
                x = torch.randn(32, 16)
                optimizer.zero_grad()
                nn.functional.cross_entropy(model(x), (x.sum(dim=1) > 0).long()).backward()
                optimizer.step()

        train(12)
        assert told.count(("raised", "HW101")) == 1 and ("healed", "HW101") not in told
        for i, layer in enumerate(layers):
            if isinstance(layer, nn.Sigmoid):
                model[i] = nn.ReLU()
            else:
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")  # type: ignore[arg-type]
        train(24)
    assert told.count(("raised", "HW101")) == 1 and told.count(("healed", "HW101")) == 1
    assert told == [(event.event, event.finding.code) for event in seen.events]


def test_a_run_says_its_seed_and_its_layers(tmp_path: Path) -> None:
    begun(run_dir=tmp_path / "x").close()
    info = open_run(tmp_path / "x").info
    assert info.seeds["torch"] == 0
    assert info.models[0].layers == {"": "Linear"} and info.models[0].parameters == 5
