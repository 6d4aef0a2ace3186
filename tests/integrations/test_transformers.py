from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("accelerate")
transformers = pytest.importorskip("transformers")


def trained(folder: Path, callbacks: list[Any]) -> Any:
    torch.manual_seed(0)
    config = transformers.GPT2Config(vocab_size=32, n_positions=16, n_embd=16, n_layer=2, n_head=2)
    model = transformers.GPT2LMHeadModel(config)
    tokens = torch.randint(0, 32, (64, 16), generator=torch.Generator().manual_seed(1))
    data = [{"input_ids": row, "labels": row} for row in tokens]
    arguments = transformers.TrainingArguments(
        output_dir=str(folder), max_steps=12, per_device_train_batch_size=8, report_to=[], use_cpu=True,
        disable_tqdm=True, save_strategy="no", logging_strategy="no", gradient_accumulation_steps=2,
    )  # fmt: skip
    transformers.Trainer(model, arguments, train_dataset=data, callbacks=callbacks).train()
    return model


def test_the_trainer_is_watched_and_trains_as_without(tmp_path: Path) -> None:
    from headwater.integrations.transformers import HeadwaterCallback

    callback = HeadwaterCallback(budget=math.inf)
    watched = trained(tmp_path, [callback])
    assert callback.watch is not None and callback.watch.monitor.fault is None
    assert callback.watch.monitor.tracks[0].steps == 12
    report = callback.watch.report()
    assert report.healthy, report.findings
    assert any("h.1.mlp" in layer.name for layer in report.layers)
    plain = trained(tmp_path, [])
    assert all(torch.equal(a, b) for a, b in zip(watched.parameters(), plain.parameters(), strict=True))
