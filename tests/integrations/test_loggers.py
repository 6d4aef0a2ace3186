"""TensorBoard, Weights & Biases (offline) and MLflow (files), each by its own reader."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

import headwater
from tests.integrations.problem import network, train


def watched(sink: object) -> headwater.watch:
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with headwater.watch(model, optimizer, budget=math.inf, sinks=[sink]) as seen:
        train(model, optimizer)
    assert seen.monitor.fault is None
    return seen


def test_tensorboard_shows_scalars_and_findings(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    from headwater.integrations.tensorboard import TensorBoardSink

    seen = watched(TensorBoardSink(tmp_path))
    events = EventAccumulator(str(tmp_path)).Reload()
    attenuation = events.Scalars("headwater/attenuation")
    assert attenuation[-1].value == pytest.approx(seen.report().profile.attenuation, rel=1e-4)
    assert len(events.Scalars("headwater/loss")) == 20
    text = events.Tensors("headwater/findings/text_summary")[0].tensor_proto.string_val[0].decode()
    assert "HW101" in text


def test_weights_and_biases_keeps_it_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wandb = pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    from headwater.integrations.wandb import WandbSink

    with wandb.init(project="headwater-test", dir=tmp_path) as run:
        seen = watched(WandbSink(run))
        summary = dict(run.summary)
    assert summary["headwater/attenuation"] == pytest.approx(seen.report().profile.attenuation)
    assert summary["headwater/step"] == 19


def test_without_a_run_of_weights_and_biases_the_error_says_what_to_do() -> None:
    pytest.importorskip("wandb")
    from headwater.integrations.wandb import WandbSink

    with pytest.raises(headwater.errors.InputError, match=r"wandb\.init"):
        WandbSink()


def test_mlflow_keeps_metrics_and_tags(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow = pytest.importorskip("mlflow")
    from headwater.integrations.mlflow import MlflowSink

    mlflow.set_tracking_uri(tmp_path.as_uri())
    mlflow.set_experiment("headwater")
    with mlflow.start_run() as run:
        seen = watched(MlflowSink())
    stored = mlflow.MlflowClient().get_run(run.info.run_id)
    assert stored.data.metrics["headwater/attenuation"] == pytest.approx(seen.report().profile.attenuation)
    assert "raised at step" in stored.data.tags["headwater.HW101"]
