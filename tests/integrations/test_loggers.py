"""TensorBoard, Weights & Biases (offline) and MLflow (files), each by its own reader."""

from __future__ import annotations

import json
import math
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import headwater
from headwater.monitor.figures import StepFigures
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


def test_tensorboard_shows_no_norm_where_none_was_taken(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    from headwater.integrations.tensorboard import TensorBoardSink

    sink = TensorBoardSink(tmp_path)
    first = StepFigures(0, {"w": 3.0, "b": 4.0}, {}, 1.0, None, False, 0.1)
    sink.figures("", [first, replace(first, step=1, gradients={"w": None, "b": None})])
    sink.close()
    events = EventAccumulator(str(tmp_path)).Reload()
    assert [(each.step, each.value) for each in events.Scalars("headwater/gradient norm")] == [(0, 5.0)]
    assert [each.step for each in events.Scalars("headwater/loss")] == [0, 1]


def test_weights_and_biases_keeps_it_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wandb = pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    from headwater.integrations.wandb import WandbSink

    with wandb.init(project="headwater-test", dir=tmp_path) as run:
        seen = watched(WandbSink(run))
        run.log({"done": 1})
        summary = dict(run.summary)
    assert summary["headwater/attenuation"] == pytest.approx(seen.report().profile.attenuation)
    assert summary["headwater/step"] == 19


@pytest.mark.parametrize("counted", [True, False], ids=["by epoch", "without a step"])
def test_weights_and_biases_keeps_all_that_the_user_logs(
    counted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    wandb = pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "false")
    from headwater.integrations.wandb import WandbSink

    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    run = wandb.init(project="headwater-test", dir=tmp_path)
    with run, headwater.watch(model, optimizer, budget=math.inf, sinks=[WandbSink(run)]):
        for epoch in range(3):
            train(model, optimizer)
            run.log({"loss": epoch}, **({"step": epoch} if counted else {}))
        train(model, optimizer)
    wandb.teardown()  # only then all is on disk
    rows = history(next(tmp_path.glob("wandb/offline-run-*/*.wandb")))
    mine = [row for row in rows if "loss" in row]
    assert [(row["_step"], row["loss"]) for row in mine] == [(0, 0), (1, 1), (2, 2)]
    assert [row["headwater/step"] for row in rows] == ([39, 59, 79] if counted else [19, 39, 59, 79])
    said = capfd.readouterr()
    assert "ignored" not in said.err + said.out
    assert "WARNING" not in said.err + said.out


def history(path: Path) -> list[dict[str, Any]]:
    """Rows of an offline run: records in the format of LevelDB's log, in blocks of 32 KiB, behind a header of seven."""
    from wandb.proto import wandb_internal_pb2

    data, place, part = path.read_bytes(), 7, b""
    rows: list[dict[str, Any]] = []
    while place < len(data):
        if 32768 - place % 32768 < 7:  # no room for the head of a record: filled with zeros
            place += 32768 - place % 32768
            continue
        length, kind = struct.unpack("<4xHB", data[place : place + 7])
        part += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or the last part
            record = wandb_internal_pb2.Record.FromString(part)
            part = b""
            if record.WhichOneof("record_type") == "history":
                items = record.history.item
                rows.append({item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items})
    return rows


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
