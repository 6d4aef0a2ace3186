"""What is recorded of several optimizers' trainings: the page, ``report.json`` and the terminal tell the same."""

from __future__ import annotations

import io
import itertools
import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from torch import nn
from torch.nn import functional as F

import headwater
from headwater.cli.app import main
from headwater.monitor import Session, Settings
from headwater.report import Report
from headwater.report.terminal import render_each
from headwater.store import RunWriter, open_run
from headwater.watch import Watch, record


def sick() -> nn.Sequential:
    return nn.Sequential(*[part for _ in range(12) for part in (nn.Linear(8, 8), nn.Sigmoid())], nn.Linear(8, 2))


def healthy() -> nn.Sequential:
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 2))


def step(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    inputs = torch.randn(32, 8)
    optimizer.zero_grad()
    F.cross_entropy(model(inputs), (inputs.sum(1) > 0).long()).backward()
    optimizer.step()


def train(folder: Path, models: dict[str, nn.Module], steps: int = 12, **options: Any) -> Watch:
    """Trains one model after the other in each step, as a GAN does."""
    torch.manual_seed(0)
    optimizers = {name: torch.optim.SGD(model.parameters(), lr=0.1) for name, model in models.items()}
    with headwater.watch(models, optimizers, run_dir=folder, budget=math.inf, **options) as watched:
        for _ in range(steps):
            for name, model in models.items():
                step(model, optimizers[name])
    return watched


@pytest.mark.parametrize("names", [("sick", "healthy"), ("healthy", "sick")])
def test_the_worst_optimizer_decides_whichever_steps_last(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], names: tuple[str, str]
) -> None:
    made = {"sick": sick, "healthy": healthy}
    folder = tmp_path / "gan"
    watched = train(folder, {name: made[name]() for name in names})
    terminal = watched.report()
    assert terminal.findings[0].code == "HW101"
    run = open_run(folder)
    assert json.loads(run.report_text() or "") == json.loads(terminal.to_json())
    texts = run.report_texts()
    assert [Report.from_json(text).healthy for text in texts] == [name == "healthy" for name in sorted(names)]
    assert sorted(path.name for path in (folder / "reports").iterdir()) == ["1-healthy.json", "2-sick.json"]
    with pytest.raises(SystemExit) as end:
        main(["report", str(folder), "--fail-on", "error", "--html", str(tmp_path / "page.html")])
    said = capsys.readouterr().out
    assert end.value.code == 1
    assert said.index("vanishing gradient (HW101)") < said.index("Healthy")
    page = (tmp_path / "page.html").read_text()
    assert page.count("<h1>") == 2 and page.index("HW101") < page.index("<h1>Healthy")
    assert "2 optimizers were watched" in page


def test_a_single_optimizer_has_a_single_report(tmp_path: Path) -> None:
    train(tmp_path / "one", {"net": healthy()})
    run = open_run(tmp_path / "one")
    assert run.report_texts() == (run.report_text(),)
    assert not (tmp_path / "one" / "reports").exists()


def test_a_healthy_run_that_is_killed_has_a_diagnosis_and_its_rows(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = healthy()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with headwater.watch(model, optimizer, run_dir=tmp_path / "run", budget=math.inf):
        for _ in range(8):
            step(model, optimizer)
        run = open_run(tmp_path / "run")  # what a process that is killed here leaves behind
        report = Report.from_json(run.report_text() or "")
        assert report.healthy and report.measurement.judged_steps[-1] == 7
        assert run.last_step() == 7 and run.info.status == "running"


def test_saving_is_rare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("headwater.monitor.recorder.time.monotonic", lambda: now[0])
    saved: list[float] = []

    def report(self: RunWriter, text: str, track: str | None = None) -> None:
        saved.append(now[0])
        now[0] += 0.1

    monkeypatch.setattr(RunWriter, "report", report)
    model = healthy()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with headwater.watch(model, optimizer, run_dir=tmp_path / "run", budget=math.inf):
        for _ in range(40):
            step(model, optimizer)
            now[0] += 10.0
    first, *others = [after - before for before, after in itertools.pairwise(saved)]
    assert first == pytest.approx(10.1)  # probes 1, 2, 4, 8, 16, 32; after 0.1 s of writing 100 s without; the end
    assert len(saved) == 8 and min(others) >= 20
    gaps = [after - before for before, after in itertools.pairwise(saved[3:])]
    assert max(gaps) <= 110.2


def test_reports_of_several_name_the_optimizer_and_count_its_own_parameters(tmp_path: Path) -> None:
    models = {"discriminator": sick(), "generator": healthy()}
    watched = train(tmp_path / "gan", models)
    for name, model in models.items():
        report = watched.report(name)
        size = sum(p.numel() for p in model.parameters())
        assert (report.measurement.track, report.measurement.model) == (name, "Sequential")
        assert report.measurement.parameters_total == size
        page = report.to_html()
        assert f"<title>Headwater: {name} (Sequential)</title>" in page and f"<dd>{size:,}</dd>" in page
    text = io.StringIO()
    render_each([watched.report(name) for name in models], Console(file=text, width=100))
    said = text.getvalue()
    assert "discriminator (Sequential): Kept from learning" in said and "Together" not in said
    assert said.index("HW101") < said.index("generator (Sequential): Healthy")


def test_a_session_names_optimizers_alike_from_the_first_to_the_last_step(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    torch.manual_seed(0)
    session = Session(Settings(budget=math.inf), opened=lambda monitor: record(monitor, tmp_path / "run", 1.0))
    model, later = sick(), healthy()
    with caplog.at_level("INFO", "headwater"):
        session.begin()
        try:
            first = torch.optim.SGD(model.parameters(), lr=0.1)
            for _ in range(8):
                step(model, first)
            others = [torch.optim.SGD(each.parameters(), lr=0.1) for each in (later, model)]
            for _ in range(8):
                step(later, others[0])
                step(model, others[1])
        finally:
            session.end()
    run = open_run(tmp_path / "run")
    names = {"Sequential", "Sequential2", "Sequential, optimizer 2"}
    assert run.info.optimizers == dict.fromkeys(names, "SGD")
    sizes = {each.name: each.parameters for each in run.info.models}
    assert sizes == {
        name: sum(p.numel() for p in each.parameters()) for name, each in zip(sizes, (model, later), strict=True)
    }
    assert set(run.table(["track"])["track"].to_pylist()) == names
    assert {json.loads(text)["measurement"]["track"] for text in run.report_texts()} == names
    raised = [each.getMessage() for each in caplog.records if "HW101 raised" in each.getMessage()]
    assert len(raised) == 2 and "[Sequential] at step" in raised[0] and "[Sequential, optimizer 2]" in raised[1]


def test_report_of_a_run_that_was_not_closed_counts_its_steps(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(0)
    model = healthy()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with headwater.watch(model, optimizer, run_dir=tmp_path / "run", budget=math.inf):
        with pytest.raises(SystemExit):
            main(["report", str(tmp_path / "run")])
        assert "holds no report: none was written" in capsys.readouterr().err.replace("\n", " ")
        for _ in range(8):
            step(model, optimizer)
        with pytest.raises(SystemExit) as end:
            main(["report", str(tmp_path / "run")])
    said = capsys.readouterr()
    assert end.value.code == 0 and "run: not closed, 8 optimizer steps" in said.err
    assert "measured at 5 steps from 3 to 7" in said.out
