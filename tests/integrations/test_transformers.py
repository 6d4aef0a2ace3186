from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from headwater.store import open_run

pytest.importorskip("accelerate")
transformers = pytest.importorskip("transformers")


def trainer(folder: Path, callbacks: list[Any], **options: Any) -> Any:
    torch.manual_seed(0)
    config = transformers.GPT2Config(vocab_size=32, n_positions=16, n_embd=16, n_layer=2, n_head=2)
    model = transformers.GPT2LMHeadModel(config)
    tokens = torch.randint(0, 32, (64, 16), generator=torch.Generator().manual_seed(1))
    data = [{"input_ids": row, "labels": row} for row in tokens]
    arguments = transformers.TrainingArguments(
        output_dir=str(folder), max_steps=12, per_device_train_batch_size=8, report_to=[], use_cpu=True,
        disable_tqdm=True, save_strategy="no", logging_strategy="no", gradient_accumulation_steps=2, **options,
    )  # fmt: skip
    return transformers.Trainer(model, arguments, train_dataset=data, callbacks=callbacks)


def trained(folder: Path, callbacks: list[Any]) -> Any:
    made = trainer(folder, callbacks)
    made.train()
    return made.model


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


def test_a_second_training_is_watched_too(tmp_path: Path) -> None:
    from headwater.integrations.transformers import HeadwaterCallback

    callback = HeadwaterCallback(budget=math.inf, run_dir=str(tmp_path / "run"))
    made = trainer(tmp_path, [callback])
    made.train()
    first = callback.watch
    made.train()
    assert callback.watch is not None and first is not None and callback.watch is not first
    assert [each.monitor.tracks[0].steps for each in (first, callback.watch)] == [12, 12]
    for each in (first, callback.watch):
        assert open_run(str(each.run_dir)).info.status == "finished"
        assert each.monitor.fault is None
    assert not _hooks(made)


@pytest.mark.parametrize(("failure", "status"), [(ValueError, "crashed"), (KeyboardInterrupt, "interrupted")])
def test_a_training_that_fails_leaves_no_hook_and_a_run_that_says_so(
    failure: type[BaseException], status: str, tmp_path: Path
) -> None:
    from headwater.integrations.transformers import HeadwaterCallback

    class Fails(transformers.TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if state.global_step == 5:
                raise failure("mine")

    callback = HeadwaterCallback(budget=math.inf, run_dir=str(tmp_path / "run"))
    made = trainer(tmp_path, [callback, Fails()])
    with pytest.raises(failure, match="mine"):
        made.train()
    assert open_run(tmp_path / "run").info.status == status
    assert not _hooks(made)


def test_a_training_that_is_tried_again_with_half_of_the_batch_is_watched_again(tmp_path: Path) -> None:
    from headwater.integrations.transformers import HeadwaterCallback

    class ShortOfMemory(transformers.TrainerCallback):
        failed = False

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if not self.failed:
                self.failed = True
                raise torch.OutOfMemoryError("CUDA out of memory.")

    callback = HeadwaterCallback(budget=math.inf, run_dir=str(tmp_path / "run"))
    made = trainer(tmp_path, [callback, ShortOfMemory()], auto_find_batch_size=True)
    made.train()
    assert callback.watch is not None and callback.watch.monitor.tracks[0].steps == 12
    assert open_run(tmp_path / "run").info.status == "crashed"
    assert open_run(str(callback.watch.run_dir)).info.status == "finished"
    assert not _hooks(made)


def _hooks(made: Any) -> list[Any]:
    """What is registered on the model's modules and weights."""
    held = [value for each in made.model.modules() for name, value in vars(each).items() if name.endswith("_hooks")]
    return [hooks for hooks in [*held, *(p._backward_hooks for p in made.model.parameters())] if hooks]
