"""diagnose: the model stays as it was, every form of batch works, and bad input gets a clear error."""

from __future__ import annotations

import copy
import math
import random
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint
from torch.utils.data import DataLoader, TensorDataset

import headwater
from headwater import errors


def _model() -> nn.Sequential:
    return nn.Sequential(nn.Linear(4, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 3))


def _batches(count: int = 3, size: int = 16) -> list[tuple[torch.Tensor, torch.Tensor]]:
    return [(torch.randn(size, 4), torch.randint(0, 3, (size,))) for _ in range(count)]


def _state(model: nn.Module, optimizer: torch.optim.Optimizer | None = None) -> list[Any]:
    gradients = [None if p.grad is None else (id(p.grad), p.grad.clone()) for p in model.parameters()]
    hooks = [(len(m._forward_hooks), len(m._forward_pre_hooks)) for m in model.modules()]
    return [
        copy.deepcopy(model.state_dict()),
        gradients,
        [m.training for m in model.modules()],
        [p.requires_grad for p in model.parameters()],
        hooks,
        torch.get_rng_state(),
        random.getstate(),
        np.random.get_state(),
        torch.is_grad_enabled(),
        torch.is_anomaly_enabled(),
        copy.deepcopy(optimizer.state_dict()) if optimizer else None,
    ]


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, torch.Tensor | np.ndarray):
        return bool((torch.as_tensor(a) == torch.as_tensor(b)).all())
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(_same, a, b))
    return bool(a == b)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("kind", ["none", "instance", "factory"])
def test_everything_is_left_as_it_was_to_the_last_bit(training: bool, kind: str) -> None:
    model = _model()
    model[1].eval()
    F.cross_entropy(model(torch.randn(8, 4)), torch.randint(0, 3, (8,))).backward()
    instance = torch.optim.Adam(model.parameters(), 1e-2)
    instance.step()
    model.train(training)
    optimizer = {"none": None, "instance": instance, "factory": lambda p: torch.optim.Adam(p, 1e-2)}[kind]
    x, y = _batches(1, 64)[0]
    batches = DataLoader(TensorDataset(x, y), batch_size=16, shuffle=True)
    before = _state(model, instance)
    headwater.diagnose(model, batches, F.cross_entropy, optimizer=optimizer)
    assert _same(before, _state(model, instance))


def test_everything_is_left_as_it_was_when_the_model_raises() -> None:
    model, x = _model(), torch.randn(8, 5)
    before = _state(model)
    with pytest.raises(errors.ModelError, match="mat1 and mat2"):
        headwater.diagnose(model, (x, torch.zeros(8, dtype=torch.long)), F.cross_entropy)
    assert _same(before, _state(model))


def test_the_same_seed_gives_the_same_report() -> None:
    model, batches = _model(), _batches()
    first, second = (headwater.diagnose(model, batches, F.cross_entropy, seed=3) for _ in range(2))
    assert first.measurement == second.measurement


class _Labelled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 3)

    def forward(self, x: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
        out = self.fc(x)
        return {"loss": F.cross_entropy(out, labels), "logits": out}


def test_forms_of_batches() -> None:
    x, y = _batches(1)[0]
    model = _model()
    loader = DataLoader(TensorDataset(x, y), batch_size=8, shuffle=True)
    for batches in ((x, y), [x, y], [(x, y), (x, y)], loader, iter([(x, y)]), ((b) for b in [[x, y]])):
        assert headwater.diagnose(model, batches, F.cross_entropy, steps=2).layers
    assert headwater.diagnose(_Labelled(), {"x": x, "labels": y}, steps=2).layers
    assert headwater.diagnose(_Labelled(), (x, y), steps=2).layers
    step = lambda m, b: F.cross_entropy(m(b["image"]), b["digit"])  # noqa: E731
    assert headwater.diagnose(model, {"image": x, "digit": y}, step=step, steps=2).layers
    two = nn.Bilinear(4, 4, 3)
    assert headwater.diagnose(two, ((x, x), y), F.cross_entropy, steps=2).layers


def test_no_more_batches_are_read_than_needed() -> None:
    read: list[int] = []

    def endless() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        while True:
            read.append(1)
            yield _batches(1)[0]

    headwater.diagnose(nn.Linear(4, 3), endless(), F.cross_entropy, steps=4)
    assert len(read) <= 6


def test_under_no_grad_and_compiled() -> None:
    model = _model()
    with torch.no_grad():
        assert headwater.diagnose(model, _batches(), F.cross_entropy, steps=2).layers
    assert headwater.diagnose(torch.compile(model, backend="eager"), _batches(), F.cross_entropy, steps=2).layers


@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.Adagrad, torch.optim.RMSprop, torch.optim.AdamW])
def test_optimizers(optimizer: type[torch.optim.Optimizer]) -> None:
    report = headwater.diagnose(_model(), _batches(), F.cross_entropy, optimizer=lambda p: optimizer(p, lr=1e-2))
    assert all(layer.update_ratio and layer.update_ratio > 0 for layer in report.layers)
    assert sum(abs(layer.loss_share or 0) for layer in report.layers) == pytest.approx(1, abs=0.5)


def test_models_that_deepcopy_alone_cannot_copy_and_complex_ones() -> None:
    with pytest.warns(FutureWarning, match="weight_norm"):
        hooked = nn.Sequential(nn.utils.weight_norm(nn.Linear(4, 8)), nn.Tanh(), nn.Linear(8, 3))
    assert len(headwater.diagnose(hooked, _batches(), F.cross_entropy).layers) == 2
    torch.manual_seed(0)
    complex_model = nn.Linear(4, 3, dtype=torch.cfloat)
    (x, y), loss = _batches(1)[0], lambda outputs, targets: F.cross_entropy(outputs.abs(), targets)
    (layer,) = headwater.diagnose(complex_model, (x.cfloat(), y), loss).layers
    assert layer.update_ratio == pytest.approx(1e-3, rel=0.2)  # the bias moves too


def test_an_optimizer_that_evaluates_the_loss_itself() -> None:
    report = headwater.diagnose(_model(), _batches(), F.cross_entropy, optimizer=lambda p: torch.optim.LBFGS(p, lr=0.1))
    assert all(layer.update_ratio for layer in report.layers)


def test_an_optimizer_that_cannot_take_the_gradients() -> None:
    model = nn.Sequential(nn.Embedding(9, 4, sparse=True), nn.Flatten(), nn.Linear(8, 3))
    batch = (torch.randint(0, 9, (5, 2)), torch.randint(0, 3, (5,)))
    with pytest.raises(errors.OptimizerError, match="SparseAdam"):
        headwater.diagnose(model, batch, F.cross_entropy, optimizer=torch.optim.Adam)


def _elsewhere() -> torch.optim.Optimizer:
    """An optimizer of another model."""
    return torch.optim.SGD(nn.Linear(4, 3).parameters(), 0.1)


def _nan_model() -> nn.Module:
    model = nn.Linear(4, 3)
    nn.init.constant_(model.weight, math.nan)
    return model


def _stray() -> Any:
    original = nn.Linear(4, 3)
    return original, lambda _model, batch: F.cross_entropy(original(batch[0]), batch[1])


X, Y = torch.randn(8, 4), torch.randint(0, 3, (8,))
CE = F.cross_entropy


@pytest.mark.parametrize(
    ("model", "batches", "options", "error", "words"),
    [
        ("no module", (X, Y), {"loss_fn": CE}, errors.ModelError, "torch.nn.Module, got str"),
        (nn.ReLU(), (X, Y), {"loss_fn": CE}, errors.ModelError, "no parameters"),
        (nn.Linear(4, 3).requires_grad_(False), (X, Y), {"loss_fn": CE}, errors.ModelError, "frozen"),
        (nn.LazyLinear(3), (X, Y), {"loss_fn": CE}, errors.ModelError, "lazy"),
        (nn.Linear(4, 3, device="meta"), (X, Y), {"loss_fn": CE}, errors.ModelError, "meta device"),
        (nn.Linear(4, 3), (X.to("meta"), Y.to("meta")), {"loss_fn": CE}, errors.ModelError, "on meta"),
        (nn.Linear(4, 3), (X[:, :2], Y), {"loss_fn": CE}, errors.ModelError, r"float32\[8, 2\]"),
        (nn.Linear(4, 3).half(), (X, Y), {"loss_fn": CE}, errors.ModelError, "float16"),
        (nn.Linear(4, 3), [], {"loss_fn": CE}, errors.BatchError, "empty list"),
        (nn.Linear(4, 3), 3, {"loss_fn": CE}, errors.BatchError, "got int"),
        (nn.Linear(4, 3), (X, Y, Y), {"loss_fn": CE}, errors.BatchError, r"\(inputs, targets\)"),
        (nn.Linear(4, 3), (X,), {}, errors.LossError, "must carry .loss"),
        (nn.Linear(4, 3), (X, Y), {"loss_fn": lambda o, t: o}, errors.LossError, "scalar"),
        (nn.Linear(4, 3), (X, Y), {"loss_fn": lambda o, t: o.detach().sum()}, errors.LossError, "no grad_fn"),
        (nn.Linear(4, 3), (X, Y), {"loss_fn": lambda o, t: 1.0}, errors.LossError, "float"),
        (_nan_model(), (X, Y), {"loss_fn": CE}, errors.NonFiniteLossError, "nan"),
        (nn.Linear(4, 3), (X, Y), {"loss_fn": CE, "steps": 0}, errors.InputError, "steps"),
        (nn.Linear(4, 3), (X, Y), {"loss_fn": 3}, errors.InputError, "loss_fn"),
        (nn.Linear(4, 3), (X, Y), {"loss_fn": CE, "optimizer": 3}, errors.OptimizerError, "got int"),
        (nn.Linear(4, 3), (X, Y), {"loss_fn": CE, "optimizer": lambda p: None}, errors.OptimizerError, "NoneType"),
        (
            nn.Linear(4, 3),
            (X, Y),
            {"loss_fn": CE, "optimizer": _elsewhere()},
            errors.OptimizerError,
            "got SGD over none",
        ),
        (
            nn.Linear(4, 3),
            (X, Y),
            {"loss_fn": CE, "optimizer": lambda p: _elsewhere()},
            errors.OptimizerError,
            "Use the argument",
        ),
        (*(s := _stray())[:1], (X, Y), {"step": s[1]}, errors.ModelError, "original model"),
    ],
)
def test_bad_input(model: Any, batches: Any, options: dict[str, Any], error: type[Exception], words: str) -> None:
    before = _state(model) if isinstance(model, nn.Module) and not isinstance(model, nn.LazyLinear) else []
    with pytest.raises(error, match=words):
        headwater.diagnose(model, batches, **options)
    with pytest.raises(errors.HeadwaterError):
        headwater.diagnose(model, batches, **options)
    if before and not any(p.is_meta or p.isnan().any() for p in model.parameters()):
        assert _same(before, _state(model))


def test_a_list_of_bare_tensors_is_one_batch_and_the_error_says_so() -> None:
    noise = [torch.randn(8, 4) for _ in range(12)]

    def step(model: nn.Module, z: torch.Tensor) -> torch.Tensor:
        return model(z).square().mean()

    with pytest.raises(errors.ModelError, match=r"12 times float32\[8, 4\]") as caught:
        headwater.diagnose(nn.Linear(4, 3), noise, step=step)
    assert "if each of them is one, pass a DataLoader, or iter(batches)" in str(caught.value)
    assert "pass step=" not in str(caught.value)  # it was given
    with pytest.raises(errors.BatchError, match="if each of them is one"):
        headwater.diagnose(nn.Linear(4, 3), noise, CE)
    assert headwater.diagnose(nn.Linear(4, 3), iter(noise), step=step).layers


def test_a_warning_about_the_users_loss_is_not_laid_at_our_door() -> None:
    batches = [(torch.randn(8, 4), torch.randn(8)) for _ in range(9)]
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        report = headwater.diagnose(
            nn.Linear(4, 1), batches, nn.MSELoss(), optimizer=lambda p: torch.optim.Adam(p, 1e-3)
        )
    files = {warning.filename for warning in said if "target size" in str(warning.message)}
    assert [finding.code for finding in report.findings] == ["HW604"]
    assert len(files) == 1 and not Path(files.pop()).is_relative_to(Path(headwater.__file__).parent)


def test_frozen_modules_keep_their_mode() -> None:
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 3))
    model[1].eval()
    seen: set[tuple[bool, ...]] = set()

    def step(twin: nn.Module, batch: Any) -> torch.Tensor:
        seen.add(tuple(module.training for module in twin.children()))
        return F.cross_entropy(twin(batch[0]), batch[1])

    headwater.diagnose(model, (torch.randn(16, 4), torch.randint(0, 3, (16,))), step=step)
    assert seen == {(True, False, True, True, True)}


def test_batches_and_criteria_are_left_alone() -> None:
    x, y = torch.randn(16, 4, requires_grad=True), torch.randn(16, 3)
    before = x.detach().clone()

    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale, self.norm = nn.Parameter(torch.ones(())), nn.BatchNorm1d(3, affine=False)

        def forward(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
            return (self.scale * (self.norm(outputs) - targets)).square().mean()

    criterion = Scaled()
    headwater.diagnose(nn.Sequential(nn.Linear(4, 4), nn.ReLU(inplace=True), nn.Linear(4, 3)), (x, y), criterion)
    assert x.grad is None and criterion.scale.grad is None
    assert int(criterion.norm.num_batches_tracked) == 0
    plain = x.detach()
    headwater.diagnose(nn.Sequential(nn.ReLU(inplace=True), nn.Linear(4, 3)), (plain, y), F.mse_loss)
    assert torch.equal(plain, before)


def test_buffers_are_put_back_when_the_step_runs_the_original() -> None:
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 3))
    before = model[1].running_mean.clone()
    batch = (torch.randn(16, 4), torch.randint(0, 3, (16,)))
    with pytest.raises(errors.ModelError, match="trained the original"):
        headwater.diagnose(model, batch, step=lambda _, b: F.cross_entropy(model(b[0]), b[1]))
    assert torch.equal(model[1].running_mean, before)


def test_a_loader_draws_the_same_batches_afterwards() -> None:
    data = TensorDataset(torch.randn(64, 4), torch.randint(0, 3, (64,)))
    generator = torch.Generator().manual_seed(5)
    loader = DataLoader(data, batch_size=8, shuffle=True, generator=generator)
    before = generator.get_state()
    headwater.diagnose(nn.Linear(4, 3), loader, F.cross_entropy)
    assert torch.equal(generator.get_state(), before)


def test_inference_mode_around_the_call_does_no_harm() -> None:
    with torch.inference_mode():
        report = headwater.diagnose(nn.Linear(4, 3), (torch.randn(8, 4), torch.randint(0, 3, (8,))), F.cross_entropy)
    assert len(report.layers) == 1


def test_reentrant_checkpoints_hide_no_layer() -> None:
    class Checkpointed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.low, self.middle, self.high = nn.Linear(4, 8), nn.Linear(8, 8), nn.Linear(8, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.high(checkpoint(self.middle, self.low(x), use_reentrant=True))

    batch = (torch.randn(8, 4), torch.randint(0, 3, (8,)))
    report = headwater.diagnose(Checkpointed(), batch, F.cross_entropy)
    assert [layer.name for layer in report.layers] == ["low", "middle", "high"]


def test_optimizers_without_a_rate() -> None:
    class NoRate(torch.optim.Optimizer):
        def __init__(self, parameters: Any) -> None:
            super().__init__(parameters, {})

        def step(self, closure: Any = None) -> None:  # type: ignore[override]
            for group in self.param_groups:
                for parameter in group["params"]:
                    parameter.data -= 1e-2 * parameter.grad

    batch = (torch.randn(8, 4), torch.randint(0, 3, (8,)))
    report = headwater.diagnose(nn.Linear(4, 3), batch, F.cross_entropy, optimizer=NoRate)
    assert report.layers[0].update_ratio


def test_layers_share_the_decrease_of_a_tied_weight() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.low, self.high = nn.Linear(6, 6), nn.Linear(6, 6)
            self.high.weight = self.low.weight

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.high(torch.tanh(self.low(x)))

    report = headwater.diagnose(Tied(), (torch.randn(8, 6), torch.randn(8, 6)), F.mse_loss)
    assert sum(abs(layer.loss_share or 0.0) for layer in report.layers) == pytest.approx(1.0)


def test_a_checkpointed_part_with_dropout_is_diagnosed() -> None:
    class Checkpointed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.middle, self.last = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.2), nn.Tanh()), nn.Linear(8, 2)

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            return self.last(checkpoint(self.middle, inputs, use_reentrant=False))

    batches = [(torch.randn(8, 4), torch.randint(0, 2, (8,)))]
    report = headwater.diagnose(Checkpointed(), batches, F.cross_entropy)
    assert [layer.name for layer in report.measurement.layers] == ["middle.0", "last"]


def test_units_that_start_alike_are_found_in_a_branch_that_only_later_batches_take() -> None:
    class Routed(nn.Module):
        """Two experts; the second one is constant, and not used by the first batch."""

        def __init__(self) -> None:
            super().__init__()
            self.one, self.other = (nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 2)) for _ in range(2))
            nn.init.constant_(self.other[0].weight, 0.1)
            nn.init.zeros_(self.other[0].bias)
            nn.init.constant_(self.other[2].weight, 0.1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.one(x) if x[0, 0] < 0 else self.one(x) + self.other(x)

    torch.manual_seed(0)
    batches = [(torch.randn(16, 8).sub(5.0 * (number == 0)), torch.randint(0, 2, (16,))) for number in range(8)]
    for x, _ in batches[1:]:
        x[0, 0] = 1.0
    report = headwater.diagnose(Routed(), batches, nn.functional.cross_entropy)
    found = {each.name: each.identical_units for each in report.measurement.parameters}
    assert found["other.0.weight"] and not found["one.0.weight"]
