"""Half precision: computing in it with float32 weights, in bfloat16 in place of float16, and with scaled gradients."""

from __future__ import annotations

import copy
from collections import OrderedDict, namedtuple
from contextlib import suppress
from typing import Any
from unittest.mock import Mock

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import SGD, Optimizer

from benchmarks.detection.nets_precision import Autocast, Kept
from headwater.records import Measurement, PrecisionRecord
from headwater.remedies import Training, remedy
from headwater.remedies.loss_scaling import scaled
from tests.builders import measurement
from tests.remedies.rewriting import case, executed, network, remedied
from tests.remedies.trainings import codes

AUTOCAST, BFLOAT16, SCALING = remedy("autocast"), remedy("bfloat16"), remedy("loss-scaling")
UNDERFLOW = measurement(precision=PrecisionRecord(gradient_dtype="float16", loss_scale=2.0**20))
HALF = [torch.bfloat16, torch.float16]
Pair = namedtuple("Pair", "a b")


class Mixed(nn.Module):
    """Convolution, recurrence, normalisation, a table and functions, each in the format that it is given."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.norm = nn.Conv1d(2, 4, 3, padding=1), nn.BatchNorm1d(4)
        self.table, self.ln = nn.Embedding(5, 4), nn.LayerNorm(4)
        self.rnn, self.attend = nn.GRU(4, 4, batch_first=True), nn.MultiheadAttention(4, 2, batch_first=True)
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor, *, index: Tensor) -> Tensor:
        x = self.norm(self.conv(x)).relu().mT + self.table(index)[:, None]
        x = self.rnn(self.ln(x))[0]
        return self.head(self.attend(x, x, x)[0].mean(1))


def sgd(model: nn.Module) -> Optimizer:
    return SGD(model.parameters(), lr=0.1)


def training(model: nn.Module, found: Measurement | None = None) -> Training:
    return Training(model, sgd(model), found or measurement(), (), 10)


def trained(model: nn.Module, optimizer: Optimizer, dtype: torch.dtype, steps: int = 40) -> list[float]:
    generator = torch.Generator().manual_seed(1)
    losses: list[float] = []
    for _ in range(steps):
        x, y = torch.randn(32, 2, 6, generator=generator), torch.randint(3, (32,), generator=generator)
        optimizer.zero_grad()
        loss = F.cross_entropy(model((x + y[:, None, None]).to(dtype), index=y), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize("dtype", HALF)
def test_under_autocast_the_weights_are_those_of_float32_but_for_a_little_rounding(dtype: torch.dtype) -> None:
    live = training(Mixed().to(dtype))
    held = [id(p) for p in live.model.parameters()]
    assert AUTOCAST.refusal(live) is None
    change = AUTOCAST.apply(live)
    assert [id(p) for p in live.model.parameters()] == held
    assert {p.dtype for p in live.model.parameters()} == {torch.float32}
    assert set(change.places) == {name for name, _ in live.model.named_parameters()}
    wide = Mixed().to(dtype).float()
    reference = trained(wide, sgd(wide), torch.float32)
    losses = trained(live.model, live.optimizer, dtype)
    assert reference[-1] < 0.9 * reference[0]
    assert losses[-1] == pytest.approx(reference[-1], rel=0.02)


@pytest.mark.parametrize("dtype", HALF)
@pytest.mark.parametrize("each", [AUTOCAST, BFLOAT16])
def test_the_code_does_the_same(each: Any, dtype: torch.dtype) -> None:
    live = training(Mixed().to(dtype), UNDERFLOW)
    change = each.apply(live)
    model = Mixed().to(dtype)
    optimizer = executed(change.code, model, sgd(model))
    assert trained(live.model, live.optimizer, dtype, 3) == trained(model, optimizer, dtype, 3)


@pytest.mark.parametrize("key", ["autocast", "bfloat16"])
def test_the_code_computes_on_the_device_of_where_it_runs(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model: Any = Mixed().half()
    change = remedy(key).apply(training(copy.deepcopy(model), UNDERFLOW))
    executed(change.code, model, sgd(model))
    device = Mock(wraps=torch.autocast)
    monkeypatch.setattr(torch, "autocast", device)
    model.to("meta")  # as a script does after it has loaded the weights
    with suppress(Exception):
        model(torch.ones(2, 5, device="meta"))
    assert device.call_args.args[0] == "meta"


@pytest.mark.parametrize("each", [AUTOCAST, BFLOAT16, SCALING])
def test_a_copy_computes_with_its_own_weights(each: Any) -> None:
    model = network() if each is SCALING else network().half()
    live = training(model, UNDERFLOW)
    each.apply(live)
    twin = copy.deepcopy(live.model)
    with torch.no_grad():
        for p in twin.parameters():
            p.zero_()
    x = torch.ones(2, 5)
    assert not torch.count_nonzero(twin(x))
    assert torch.count_nonzero(live.model(x))
    live.model.zero_grad()
    twin(x).sum().backward()
    assert all(p.grad is None for p in live.model.parameters())
    assert twin.get_parameter("2.bias").grad is not None
    assert torch.equal(twin.get_parameter("2.bias").grad.float(), torch.full((3,), 2.0))


def dtypes(model: nn.Module, run: Any) -> set[torch.dtype]:
    """Formats of what the linear layers of a model return."""
    seen: set[torch.dtype] = set()
    for module in model.modules():
        if isinstance(module, nn.Linear):
            module.register_forward_hook(lambda module, inputs, output: seen.add(output.dtype))
    run(model)
    return seen


def around(model: nn.Module) -> None:
    with torch.autocast("cpu", torch.float16):
        model(torch.ones(2, 5))


@pytest.mark.parametrize(
    ("make", "run"),
    [
        (lambda: network(), around),
        (lambda: Autocast(network(), torch.float16), lambda model: model(torch.ones(2, 5))),
        (lambda: Kept(network(), torch.float16), lambda model: model(torch.ones(2, 5))),
        (lambda: network().half(), lambda model: model(torch.ones(2, 5).half())),
    ],
)
def test_nothing_is_computed_in_float16_any_more(make: Any, run: Any) -> None:
    assert dtypes(make(), run) == {torch.float16}
    live = training(make(), UNDERFLOW)
    assert BFLOAT16.refusal(live) is None
    BFLOAT16.apply(live)
    assert dtypes(live.model, run) == {torch.bfloat16}


def gradients(model: nn.Module, size: float) -> list[Tensor]:
    model.zero_grad()
    x = torch.linspace(-1, 1, 20).reshape(4, 5)
    (size * F.cross_entropy(model(x), torch.tensor([0, 1, 2, 0]))).backward()
    return [p.grad for p in model.parameters() if p.grad is not None]


@pytest.mark.parametrize("size", [1.0, 1e-7])
def test_scaled_gradients_are_those_of_float32(size: float) -> None:
    live = training(Autocast(network(), torch.float16), UNDERFLOW)
    plain = gradients(live.model, size)
    assert any(torch.count_nonzero(g) == 0 for g in plain) == (size == 1e-7)  # underflow
    assert SCALING.refusal(live) is None
    change = SCALING.apply(live)
    assert "scaled_backward, model" in change.code.before.replace("{model}", "model")
    written = Autocast(network(), torch.float16)
    executed(change.code, written, sgd(written))
    exact = gradients(network(), size)
    for found, code, expected in zip(gradients(live.model, size), gradients(written, size), exact, strict=True):
        assert torch.equal(found, code)
        torch.testing.assert_close(found, expected, rtol=0.02, atol=0.01 * float(expected.abs().max()))


def test_accumulated_gradients_are_divided_once_each_and_overflow_counts_as_zero() -> None:
    live = training(network(), UNDERFLOW)
    SCALING.apply(live)
    x = torch.ones(2, 5)
    for _ in range(2):
        live.model(x).sum().backward()
    reference = network()
    reference(x).sum().backward()
    for p, q in zip(live.model.parameters(), reference.parameters(), strict=True):
        assert p.grad is not None
        assert q.grad is not None
        torch.testing.assert_close(p.grad, 2 * q.grad)
    live.model.zero_grad()
    (live.model(x).sum() * 1e38).backward()
    assert all(torch.isfinite(p.grad).all() for p in live.model.parameters() if p.grad is not None)


def test_each_output_of_a_structure_is_scaled_once() -> None:
    x = torch.ones(3, requires_grad=True)
    hidden = 2 * x
    output = OrderedDict(logits=hidden, more=[hidden + 1, Pair(hidden, torch.arange(2))], none=None)
    found = scaled(output, 8.0)
    assert type(found) is OrderedDict
    assert type(found["more"][1]) is Pair
    assert found["none"] is None
    (found["logits"].sum() + found["more"][0].sum() + found["more"][1].a.sum()).backward()
    assert torch.equal(x.grad, torch.full((3,), 3 * 2 * 8.0))
    assert type(output["logits"]) is Tensor
    assert output["logits"] is hidden


def test_where_nothing_is_narrow_nothing_is_changed() -> None:
    live = training(network())
    for each in (AUTOCAST, BFLOAT16, SCALING):
        assert each.refusal(live) is not None
    assert "half precision" in (SCALING.refusal(training(network().half(), UNDERFLOW)) or "")
    assert AUTOCAST.refusal(training(network(), UNDERFLOW)) is not None


@pytest.mark.parametrize(
    ("name", "key", "code"),
    [
        ("bfloat16-weights-sgd", "autocast", "HW501"),
        ("float8-weights", "autocast", "HW501"),
        ("bfloat16-weights-transformer", "autocast", "HW501"),
        ("small-loss-float16", "bfloat16", "HW502"),
        ("small-loss-float16", "loss-scaling", "HW502"),
        ("small-loss-float16-gru", "loss-scaling", "HW502"),
        ("small-loss-float16-weights", "autocast", "HW502"),
        ("small-loss-float16-weights", "bfloat16", "HW502"),
    ],
)
def test_the_finding_goes_away(name: str, key: str, code: str) -> None:
    problem, live = case(name)
    assert key in {each for finding in live.findings if finding.code == code for each in finding.remedies}
    assert remedy(key).refusal(live) is None
    remedy(key).apply(live)
    assert code not in codes(remedied(problem, live))
