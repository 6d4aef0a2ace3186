from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from headwater.store import open_run

keras = pytest.importorskip("keras")


pytestmark = pytest.mark.skipif(keras.backend.backend() != "torch", reason="Keras runs on another backend")


def compiled(rate: Any = 0.1) -> Any:
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(16, activation="sigmoid") for _ in range(10)]
    model = keras.Sequential([keras.Input((8,)), *layers, keras.layers.Dense(3)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.SGD(rate), loss=loss)
    return model


def fit(model: Any, *callbacks: Any) -> None:
    x = torch.randn(320, 8, generator=torch.Generator().manual_seed(0))
    model.fit(x, x[:, :3].argmax(1), batch_size=32, epochs=1, verbose=0, callbacks=list(callbacks))


def test_fit_is_watched() -> None:
    from headwater.integrations.keras import HeadwaterCallback

    model = compiled()
    callback = HeadwaterCallback(budget=math.inf)
    fit(model, callback)
    assert callback.watch is not None and callback.watch.monitor.fault is None
    assert callback.watch.monitor.tracks[0].steps == 10
    report = callback.watch.report()
    assert report.leading is not None and report.leading.code == "HW101", report.findings
    assert "apply" not in vars(model.optimizer)


class Fails(keras.callbacks.Callback):
    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if batch == 4:
            raise ValueError("mine")


@pytest.mark.parametrize("same", [True, False], ids=["same callback", "another callback"])
def test_a_fit_after_one_that_failed_is_watched_alone(same: bool, tmp_path: Path) -> None:
    from headwater.integrations.keras import HeadwaterCallback

    model = compiled()
    first = HeadwaterCallback(budget=math.inf, run_dir=str(tmp_path / "run"))
    with pytest.raises(ValueError, match="mine"):
        fit(model, first, Fails())
    failed = first.watch
    second = first if same else HeadwaterCallback(budget=math.inf, run_dir=str(tmp_path / "run"))
    fit(model, second)
    assert failed is not None and second.watch is not None and second.watch is not failed
    assert [each.monitor.tracks[0].steps for each in (failed, second.watch)] == [5, 10]
    assert [open_run(str(each.run_dir)).info.status for each in (failed, second.watch)] == ["crashed", "finished"]
    assert "apply" not in vars(model.optimizer)
    assert model.optimizer.iterations == 15


def test_stop_ends_the_watch_of_a_fit_that_failed(tmp_path: Path) -> None:
    from headwater.integrations.keras import HeadwaterCallback

    model = compiled()
    callback = HeadwaterCallback(budget=math.inf, run_dir=str(tmp_path / "run"))
    with pytest.raises(ValueError, match="mine"):
        fit(model, callback, Fails())
    callback.stop(ValueError)
    assert open_run(tmp_path / "run").info.status == "crashed"
    assert "apply" not in vars(model.optimizer)


class Reads(TorchDispatchMode):
    """Counts numbers that are read out of tensors, which waits for a device."""

    count = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += function is torch.ops.aten._local_scalar_dense.default
        return function(*args, **(kwargs or {}))


def test_the_rate_is_read_when_it_was_assigned_and_not_on_each_step() -> None:
    from headwater.integrations.keras import _KerasOptimizer

    optimizer = compiled(0.1).optimizer
    seen = _KerasOptimizer(optimizer, [])
    with Reads() as reads:
        assert [seen.param_groups[0]["lr"] for _ in range(5)] == [pytest.approx(0.1)] * 5
        assert reads.count == 1
        optimizer.learning_rate = 0.01
        before = reads.count
        assert [seen.param_groups[0]["lr"] for _ in range(5)] == [pytest.approx(0.01)] * 5
        assert reads.count == before + 1


def test_the_rate_of_a_schedule_is_that_of_keras() -> None:
    from headwater.integrations.keras import HeadwaterCallback

    class Compares(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            (track,) = callback.watch.monitor.tracks
            pairs.append((track.optimizer.param_groups[0]["lr"], float(self.model.optimizer.learning_rate)))

    pairs: list[tuple[float, float]] = []
    callback = HeadwaterCallback(budget=math.inf)
    model = compiled(keras.optimizers.schedules.ExponentialDecay(0.1, decay_steps=3, decay_rate=0.5))
    for _ in range(2):
        fit(model, callback, Compares())
    ours, keras_own = zip(*pairs, strict=True)
    assert len(set(ours)) == 20 and ours == pytest.approx(keras_own, rel=1e-6)


def test_a_function_that_makes_the_rate_is_called_by_keras_alone() -> None:
    from headwater.integrations.keras import HeadwaterCallback

    calls: list[None] = []

    def rate() -> float:
        calls.append(None)
        return 0.1

    def called(*callbacks: Any) -> int:
        calls.clear()
        fit(compiled(rate), *callbacks)
        return len(calls)

    assert called(HeadwaterCallback(budget=math.inf)) == called() > 0
