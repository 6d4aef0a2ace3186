from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader

from headwater.store import open_run
from tests.integrations.problem import batches, network

lightning = pytest.importorskip("lightning.pytorch")


class Module(lightning.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.net = network()

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor], index: int) -> torch.Tensor:
        x, y = batch
        return F.cross_entropy(self.net(x), y)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def fit(folder: Path, callbacks: list[object], steps: int = 20) -> nn.Module:
    module = Module()
    trainer = lightning.Trainer(
        max_steps=steps,
        callbacks=callbacks,
        logger=False,
        accelerator="cpu",
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
    )
    trainer.fit(module, DataLoader(batches(), batch_size=None))
    return module


def test_a_fit_is_watched_and_recorded(tmp_path: Path) -> None:
    from headwater.integrations.lightning import HeadwaterCallback

    callback = HeadwaterCallback(budget=math.inf, run_dir=str(tmp_path / "run"))
    watched = fit(tmp_path, [callback])
    assert callback.watch is not None and callback.watch.monitor.fault is None
    assert callback.watch.report().leading is not None
    assert callback.watch.report().leading.code == "HW101"
    assert {layer.name for layer in callback.watch.report().layers} >= {"net.0", "net.24"}
    assert open_run(tmp_path / "run").info.steps == 20
    plain = fit(tmp_path, [])
    assert all(torch.equal(a, b) for a, b in zip(watched.parameters(), plain.parameters(), strict=True))


def test_a_training_that_fails_leaves_a_run_that_says_so(tmp_path: Path) -> None:
    from headwater.integrations.lightning import HeadwaterCallback

    class Fails(lightning.Callback):
        def on_train_batch_end(self, trainer: object, module: object, outputs: object, batch: object, i: int) -> None:
            if i == 12:
                raise RuntimeError("mine")

    callback = HeadwaterCallback(budget=math.inf, run_dir=str(tmp_path / "run"))
    with pytest.raises(RuntimeError, match="mine"):
        fit(tmp_path, [callback, Fails()])
    assert open_run(tmp_path / "run").info.status == "crashed"
