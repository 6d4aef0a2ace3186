from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from headwater.measure import untouched
from headwater.remedies import remedy
from headwater.remedies.standardise_inputs import standardise, standardised
from tests.remedies.trainings import case, codes, diagnosed, executed, same_training, training, twins

REMEDY = remedy("standardise-inputs")
RAW = [
    "pixels-255-tanh",
    "pixels-255-cnn-sgd",
    "pixels-255-lstm",
    "features-of-mixed-scale-wine",
    "features-of-mixed-scale-cancer",
    "scaled-twice",
    "timestamps",
    "coordinates-in-large-units",
]


@pytest.mark.parametrize("name", RAW)
def test_raw_data_is_no_longer_found_and_the_code_does_the_same(name: str) -> None:
    problem, raw = case(name)
    assert "HW605" in codes(raw.findings)
    assert REMEDY.refusal(raw) is None
    written, _ = twins(problem.model)
    change = REMEDY.apply(raw)
    live, _ = twins(problem.model)
    assert same_training(live, executed(change, written), problem)
    assert "HW605" not in codes(diagnosed(problem))


def seen(values: Tensor, axis: int = -1, layer: nn.Module | None = None) -> Tensor:
    """What reaches the layer behind the hook."""
    layer = layer if layer is not None else nn.Identity()
    if not hasattr(layer, "input_mean"):
        standardised(layer, axis)
    return standardise(layer, (values,), axis)[0]


def test_what_is_measured_of_a_model_that_has_run_nothing_is_put_back() -> None:
    model = nn.Sequential(nn.Linear(3, 2))
    standardised(model[0])
    with untouched(model, seed=0):
        model(torch.randn(8, 3))
    assert model.get_buffer("0.input_mean").shape == () and model.get_buffer("0.input_deviation") == 0


@pytest.mark.parametrize(("shape", "axis"), [((64, 5), -1), ((16, 3, 6, 6), 1), ((8, 20, 4), -1), ((8, 4, 20), 1)])
def test_each_feature_has_mean_zero_and_deviation_one(shape: tuple[int, ...], axis: int) -> None:
    torch.manual_seed(0)
    scales = torch.logspace(-3, 6, shape[axis]).view([-1 if d == axis % len(shape) else 1 for d in range(len(shape))])
    rows = seen(scales * (torch.randn(shape) + 7), axis).movedim(axis, 0).flatten(1)
    torch.testing.assert_close(rows.mean(1), torch.zeros(len(rows)), atol=1e-4, rtol=0)
    torch.testing.assert_close(rows.std(1, correction=0), torch.ones(len(rows)), atol=1e-4, rtol=0)


def test_numbers_far_from_zero_keep_what_float32_holds_of_them() -> None:
    torch.manual_seed(0)
    exact = 1.6e6 + torch.randn(64, 3, dtype=torch.float64)
    expected = (exact.float().double() - exact.float().double().mean(0)) / exact.float().double().std(0, correction=0)
    # float32 holds the mean to 1/16 at best: one shift for all, whose square adds 1/256 to a variance of about 1
    difference = seen(exact.float()).double() - expected
    assert float(difference.abs().max()) < 1 / 16 + 1e-2
    assert float(difference.std(0).max()) < 1 / 512 + 1e-3


def test_a_constant_feature_stays_finite_when_it_moves() -> None:
    torch.manual_seed(0)
    layer = nn.Identity()
    first = torch.randint(0, 255, (64, 4)).float()
    first[:, 2] = 0.1
    assert torch.equal(seen(first, layer=layer)[:, 2].abs() < 1e-6, torch.ones(64, dtype=torch.bool))
    later = first.clone()
    later[:, 2] = 255.0
    assert 1 < float(seen(later, layer=layer)[0, 2]) < 10
    assert seen(torch.full((8, 3), 5.0)).eq(0).all()  # all features constant
    assert seen(torch.tensor([3.0, 5.0])).tolist() == [-1.0, 1.0]  # a batch of single numbers is one feature


def test_bytes_are_read_as_numbers_and_half_precision_stays() -> None:
    torch.manual_seed(0)
    pixels = torch.randint(0, 256, (32, 3, 8, 8), dtype=torch.uint8)
    assert torch.equal(seen(pixels, 1), seen(pixels.float(), 1))
    assert seen(pixels.bfloat16(), 1).dtype == torch.bfloat16


def test_the_first_batch_is_kept_with_the_weights() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 2))
    x = 50 + 20 * torch.randn(128, 3)
    found = training(model, [(x, torch.randn(128, 2))], F.mse_loss)
    REMEDY.apply(found)
    twin = copy.deepcopy(model)
    before = model(x)
    torch.testing.assert_close(model(x[:5]), before[:5])  # a later batch does not change it
    assert set(model.state_dict()) == {"0.weight", "0.bias", "0.input_mean", "0.input_deviation"}
    assert twin.get_buffer("0.input_mean").dim() == 0  # a copy keeps its own


@pytest.mark.parametrize(("width", "shape"), [(3, (1, 3)), (2, (1, 2))])
def test_a_checkpoint_is_loaded_into_a_model_that_has_run_nothing(width: int, shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    x = 50 + 20 * torch.randn(128, width)
    batch = (x, torch.randn(128, 2))
    trained, fresh = (nn.Sequential(nn.Linear(width, 2)) for _ in range(2))
    untouched = copy.deepcopy(trained)
    for model in (trained, fresh, untouched):
        REMEDY.apply(training(model, [batch], F.mse_loss))
    start = copy.deepcopy(untouched.state_dict())
    trained(x)
    for model in (fresh, copy.deepcopy(untouched)):
        model.load_state_dict(trained.state_dict())
        assert model.get_buffer("0.input_mean").shape == shape
        assert torch.equal(model(x[:7] / 2), trained(x[:7] / 2))
    trained.load_state_dict(start)  # of before the first batch
    assert torch.equal(trained(2 * x), untouched(2 * x))
    with torch.inference_mode():
        fresh.load_state_dict(start)
        fresh(x)
    fresh(x).sum().backward()  # what was measured in an evaluation serves a training


class Loop(nn.Module):
    """A recurrent cell in a loop: its first layer runs at every step."""

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.again, self.answer = nn.Linear(2, 16), nn.Linear(16, 16), nn.Linear(16, 1)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        h = x.new_zeros(len(x), 16)
        for step, kept in zip(x.unbind(1), mask.unbind(1), strict=True):
            h = torch.tanh(self.enter(step) + self.again(h)) * kept[:, None]
        return self.answer(h)


def test_in_a_loop_the_models_own_input_is_standardised_and_its_mask_is_left() -> None:
    torch.manual_seed(0)
    model = Loop()
    batch = ((100 + 30 * torch.randn(16, 5, 2), torch.ones(16, 5)), torch.randn(16, 1))
    change = REMEDY.apply(training(model, [batch], F.mse_loss))
    assert change.places == ("",)
    read: list[Tensor] = []
    model.enter.register_forward_pre_hook(lambda _, inputs: read.append(inputs[0]))
    model(*batch[0])
    assert float(torch.stack(read).mean()) == pytest.approx(0, abs=1e-4)
    assert model.get_buffer("input_mean").shape == (1, 1, 2)


def test_what_is_standard_normalised_or_a_token_is_left() -> None:
    torch.manual_seed(0)
    x, y = torch.randn(64, 8), torch.randn(64, 2)
    assert "is standardised" in (REMEDY.refusal(training(nn.Linear(8, 2), [(x, y)], F.mse_loss)) or "")
    normalised = nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))
    assert "is normalised" in (REMEDY.refusal(training(normalised, [(90 * x, y)], F.mse_loss)) or "")
    tokens = nn.Sequential(nn.Embedding(9, 8), nn.Flatten(), nn.Linear(16, 2))
    batch = (torch.randint(0, 9, (64, 2)), y)
    assert "floating-point" in (REMEDY.refusal(training(tokens, [batch], F.mse_loss)) or "")
