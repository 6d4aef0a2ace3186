from __future__ import annotations

import math

import pytest
import torch

keras = pytest.importorskip("keras")


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="Keras runs on another backend")
def test_fit_is_watched() -> None:
    from headwater.integrations.keras import HeadwaterCallback

    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(16, activation="sigmoid") for _ in range(10)]
    model = keras.Sequential([keras.Input((8,)), *layers, keras.layers.Dense(3)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.SGD(0.1), loss=loss)
    x = torch.randn(320, 8)
    callback = HeadwaterCallback(budget=math.inf)
    model.fit(x, x[:, :3].argmax(1), batch_size=32, epochs=1, verbose=0, callbacks=[callback])
    assert callback.watch is not None and callback.watch.monitor.fault is None
    assert callback.watch.monitor.tracks[0].steps == 10
    report = callback.watch.report()
    assert report.leading is not None and report.leading.code == "HW101", report.findings
    assert "apply" not in vars(model.optimizer)
