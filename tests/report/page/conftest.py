"""A browser, and pages of everything that must be shown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import headwater
from headwater.report import Report
from headwater.report.page import document, overview, render
from headwater.report.page.history import history_of
from headwater.store import StoredRun, open_run
from headwater.study.data import load_dataset
from headwater.study.networks import mlp
from headwater.study.training import batches
from tests.pages import EVIL
from tests.report.fix.records import FIXED
from tests.report.page.examples import EVIL_FIX, RANGE, RECURRENT, REPORTS, with_magnitudes

STEPS = 60


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> StoredRun:
    """A run of 20 sigmoid layers on handwritten digits, recorded as users record theirs."""
    data = load_dataset("digits")
    model = mlp(data.features, data.classes, depth=20, width=32, activation="sigmoid", seed=0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    folder = tmp_path_factory.mktemp("runs") / "digits"
    with headwater.watch(model, optimizer, run_dir=folder, budget=20.0):
        for inputs, labels in batches(data, STEPS, seed=0):
            optimizer.zero_grad()
            nn.CrossEntropyLoss()(model(inputs), labels).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 0.5)
            optimizer.step()
    return open_run(folder)


@pytest.fixture(scope="session")
def pages(recorded: StoredRun) -> dict[str, str]:
    """Pages by name; `odd` holds NaN and infinity wherever a number stands, `evil` markup wherever a name does."""
    reports = [Report.from_json(text) for text in recorded.report_texts()]
    histories, curves = history_of(recorded)
    everything = overview(
        [*map(with_magnitudes, reports), Report(RECURRENT, REPORTS["recurrent"].findings)], recorded, FIXED, RANGE
    )
    return {
        "recorded": document(everything, histories, curves),
        "one": render(REPORTS["one"]),
        "long": render(REPORTS["long"], fix=FIXED),
        "odd": document(
            _with_run(overview([REPORTS["odd"]], fix=FIXED, range_test=RANGE)), _spoilt(histories), _spoilt(curves)
        ),
        "evil": document(
            _with_run(overview([with_magnitudes(REPORTS["evil"])] * 2, None, EVIL_FIX, RANGE), EVIL),
            [each | {"layers": [f"{EVIL}{i}" for i in range(len(each["layers"]))]} for each in histories],
            curves,
        ),
        "fix": render(fix=FIXED),
        "none": render(REPORTS["none"]),
    }


@pytest.fixture
def written(pages: dict[str, str], tmp_path: Path) -> Callable[[str], str]:
    """Writes a page and returns its address."""

    def address(name: str) -> str:
        path = tmp_path / f"{name}.html"
        path.write_text(pages[name], encoding="utf-8")
        return path.as_uri()

    return address


def _with_run(drawn: dict[str, Any], name: str = "run") -> dict[str, Any]:
    """As if it were of a run in which findings rose and healed."""
    event = {"time": "", "track": "", "name": name, "severity": "error", "message": name, "module": name}
    return drawn | {
        "run": {"name": name, "status": "crashed", "steps": STEPS, "models": [], "optimizers": {"": name}},
        "reports": [report | {"track": "", "watched": True} for report in drawn["reports"]],
        "events": [
            event | {"event": each, "step": step, "code": "HW101"} for each, step in (("raised", 3), ("healed", 9))
        ],
        "notes": [name],
    }


def _spoilt(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same with NaN, infinities and zeros among the numbers."""
    odd = [float("nan"), float("inf"), -float("inf"), 0.0, None]

    def spoil(numbers: list[Any]) -> list[Any]:
        return [odd[i % 5] if i % 7 == 0 else number for i, number in enumerate(numbers)]

    found: list[dict[str, Any]] = []
    for each in records:
        if "values" in each:
            found.append(each | {"values": [spoil(row) for row in each["values"]]})
        else:
            series = {
                name: {key: spoil(numbers) for key, numbers in curve.items()} for name, curve in each["series"].items()
            }
            found.append(each | {"series": series, "flags": {"skipped": [5, 6], "probe": []}})
    return found
