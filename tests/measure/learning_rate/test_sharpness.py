"""The sharpness against dense eigenvalues, the stability thresholds against iterations on a quadratic."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.optim import SGD, Adagrad, Adam, Optimizer, RMSprop
from torch.utils.checkpoint import checkpoint
from torch.utils.flop_counter import FlopCounterMode

from headwater.measure.learning_rate.sharpness import sharpness
from headwater.measure.learning_rate.stability import bearable, preconditioner


class Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head = nn.Linear(4, 8), nn.Linear(8, 5)
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layer(self.stem(x)).mean(1))


class Last(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.head = nn.LSTM(4, 6, batch_first=True), nn.Linear(6, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.rnn(x)[0][:, -1])


def _mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(10, 16), nn.Tanh(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 5))


def _cnn() -> nn.Module:
    body = (nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten())
    return nn.Sequential(*body, nn.Linear(64, 5))


def _embedding(sparse: bool) -> nn.Module:
    return nn.Sequential(nn.Embedding(12, 4, sparse=sparse), nn.Flatten(), nn.Linear(16, 8), nn.Tanh(), nn.Linear(8, 5))


NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "MLP": (_mlp, (64, 10)),
    "CNN": (_cnn, (64, 1, 8, 8)),
    "transformer": (Encoder, (64, 6, 4)),
    "LSTM": (Last, (64, 6, 4)),
}
MAKERS: dict[str, Callable[[Any], Optimizer]] = {
    "sgd": lambda p: SGD(p, 0.05),
    "momentum": lambda p: SGD(p, 0.05, momentum=0.9),
    "adam": lambda p: Adam(p, 1e-2),
    "rmsprop": lambda p: RMSprop(p, 1e-2),
    "adagrad": lambda p: Adagrad(p, 1e-2),
}


def dense(loss: Callable[[], Tensor], optimizer: Optimizer) -> float:
    """Largest eigenvalue of P^-1/2 H P^-1/2, with every row of H computed."""
    pairs = [(p, group) for group in optimizer.param_groups for p in group["params"]]
    parameters = [p for p, _ in pairs]
    with sdpa_kernel(SDPBackend.MATH):
        gradients = torch.autograd.grad(loss(), parameters, create_graph=True)
        flat = torch.cat([g.reshape(-1) for g in gradients])
        rows = [torch.autograd.grad(g, parameters, retain_graph=True, materialize_grads=True) for g in flat]
    hessian = torch.stack([torch.cat([h.reshape(-1) for h in row]) for row in rows]).double()
    divisors = [preconditioner(optimizer, p, group) for p, group in pairs]
    scale = torch.cat(
        [(torch.ones_like(p) if d is None else d).reshape(-1) for p, d in zip(parameters, divisors, strict=True)]
    )
    root = scale.detach().double().sqrt()
    return float(torch.linalg.eigvalsh(hessian / root[:, None] / root)[-1])


PAIRS = [("MLP", "momentum"), ("MLP", "rmsprop"), ("MLP", "adagrad"), ("CNN", "sgd"), ("CNN", "adam")]


@pytest.mark.parametrize(("name", "kind"), [*PAIRS, ("transformer", "adam"), ("LSTM", "adam")])
def test_within_two_per_cent_of_the_dense_eigenvalue(name: str, kind: str) -> None:
    torch.manual_seed(0)
    build, shape = NETWORKS[name]
    model, x, y = build(), torch.randn(shape), torch.randint(0, 5, (64,))
    optimizer = MAKERS[kind](model.parameters())

    def loss() -> Tensor:
        return F.cross_entropy(model(x), y)

    for _ in range(20):
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
    found = sharpness(loss, optimizer)
    assert found is not None
    assert found.value == pytest.approx(dense(loss, optimizer), rel=0.02)
    assert found.place == pytest.approx(found.value / found.threshold)
    assert found.products <= 10


def arithmetic(work: Callable[[], object]) -> int:
    """Floating-point operations of matrix products and convolutions."""
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops()


@pytest.mark.parametrize("name", ["MLP", "CNN", "transformer"])
def test_it_takes_at_most_25_forward_and_backward_passes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headwater.measure.learning_rate.sharpness.ENOUGH", 0.0)  # the worst case: all products
    torch.manual_seed(0)
    build, shape = NETWORKS[name]
    model, x, y = build(), torch.randn(shape), torch.randint(0, 5, (64,))
    optimizer = SGD(model.parameters(), 0.05)

    def loss() -> Tensor:
        return F.cross_entropy(model(x), y)

    plain = arithmetic(lambda: loss().backward())
    assert 10 * plain < arithmetic(lambda: sharpness(loss, optimizer)) <= 25 * plain


def test_a_sparse_gradient_curves_as_the_dense_one() -> None:
    x, y = torch.randint(0, 12, (64, 4)), torch.randint(0, 5, (64,))
    found: dict[bool, float] = {}
    for sparse in (True, False):
        torch.manual_seed(0)
        model = _embedding(sparse)
        seen = sharpness(lambda: F.cross_entropy(model(x), y), SGD(model.parameters(), 0.05))  # noqa: B023
        assert seen is not None
        found[sparse] = seen.value
    assert found[True] == pytest.approx(found[False], rel=1e-4)


QUADRATIC = [
    lambda p, rate: SGD(p, rate),
    lambda p, rate: SGD(p, rate, momentum=0.9),
    lambda p, rate: SGD(p, rate, momentum=0.9, dampening=0.5),
    lambda p, rate: SGD(p, rate, momentum=0.9, nesterov=True),
]


@pytest.mark.parametrize("make", QUADRATIC)
@pytest.mark.parametrize(("share", "grows"), [(0.97, False), (1.03, True)])
def test_a_quadratic_diverges_just_above_the_threshold(make: Any, share: float, grows: bool) -> None:
    w = nn.Parameter(torch.ones(1, dtype=torch.float64))
    group = make([w], 1.0).param_groups[0]
    rate = share * (bearable(group, SGD) or 0.0) / 3.0  # curvature 3
    optimizer = make([w], rate)
    for _ in range(600):
        optimizer.zero_grad()
        (1.5 * w.square()).sum().backward()
        optimizer.step()
    assert (float(w.detach().abs()) > 1.0) is grows


def test_adam_with_a_frozen_preconditioner_bears_38_over_the_rate() -> None:
    assert bearable(Adam([nn.Parameter(torch.ones(1))]).param_groups[0], Adam) == pytest.approx(38.0)


@pytest.mark.parametrize(("share", "grows"), [(0.97, False), (1.03, True)])
def test_averaged_momentum_diverges_just_above_adams_threshold(share: float, grows: bool) -> None:
    w, m, rate = 1.0, 0.0, share * 38.0 / 3.0
    for _ in range(600):
        m = 0.9 * m + 0.1 * 3.0 * w
        w -= rate * m
    assert (abs(w) > 1.0) is grows


def test_groups_count_at_their_own_rates() -> None:
    a, b = nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(1))
    optimizer = SGD([{"params": [a], "lr": 0.1}, {"params": [b], "lr": 0.001}])
    found = sharpness(lambda: (0.5 * a.square() + 50.0 * b.square()).sum(), optimizer)
    assert found is not None and found.threshold == pytest.approx(20.0)
    assert found.place == pytest.approx(0.05, rel=1e-3)  # 0.1 * 1 / 2 and 0.001 * 100 / 2


class OnlyOnce(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x * 2

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient * 2


def test_unknown_where_it_cannot_be_known() -> None:
    w = nn.Parameter(torch.ones(3))
    assert sharpness(lambda: OnlyOnce.apply(w).square().sum(), SGD([w], 0.1)) is None
    assert sharpness(lambda: w.square().sum(), Adam([w])) is None  # no step yet
    assert sharpness(lambda: w.square().sum(), torch.optim.LBFGS([w])) is None
    assert sharpness(lambda: w.square().sum(), SGD([w], 0.0)) is None


class Reentrant(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.body = nn.Linear(3, 4), nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return checkpoint(self.body, self.stem(x), use_reentrant=True)


@pytest.mark.parametrize("why", ["ctc", "compiled", "reentrant"])
def test_unknown_where_torch_has_no_second_derivative(why: str) -> None:
    w = nn.Parameter(torch.linspace(0.1, 1.6, 16))
    reentrant = Reentrant()
    compiled = torch.compile(lambda: w.tanh().square().sum(), backend="aot_eager")
    losses: dict[str, Callable[[], Tensor]] = {
        "ctc": lambda: F.ctc_loss(w.view(4, 1, 4).log_softmax(-1), torch.tensor([[1, 2]]), (4,), (2,)),
        "compiled": compiled,
        "reentrant": lambda: reentrant(torch.ones(2, 3)).square().sum(),
    }
    assert sharpness(losses[why], SGD([w, *reentrant.stem.parameters()], 0.1)) is None


class Faulty(torch.autograd.Function):
    """Its second backward pass raises what memory that runs out raises, or a shape that does not fit."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, error: Exception) -> Tensor:
        ctx.error = error
        return x.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        raise ctx.error


class Twice(torch.autograd.Function):
    """The identity, whose backward pass is fine and whose second one is `Faulty`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, error: Exception) -> Tensor:
        ctx.error = error
        return x.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        return Faulty.apply(gradient, ctx.error), None


def test_without_the_memory_for_a_second_derivative_it_is_unknown_and_said_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    w, error = nn.Parameter(torch.ones(3)), torch.OutOfMemoryError("out of memory")
    assert sharpness(lambda: Twice.apply(w.square(), error).square().sum(), SGD([w], 0.1)) is None
    assert "does not fit into the memory" in caplog.text


@pytest.mark.parametrize("error", [ValueError("of the user's"), RuntimeError("size mismatch")])
def test_any_other_error_is_not_hidden(error: Exception) -> None:
    w = nn.Parameter(torch.ones(3))

    def broken() -> Tensor:
        raise error

    with pytest.raises(type(error), match=str(error)):
        sharpness(broken, SGD([w], 0.1))
    with pytest.raises(type(error), match=str(error)):
        sharpness(lambda: Twice.apply(w.square(), error).square().sum(), SGD([w], 0.1))


def test_a_linear_loss_is_flat_and_nothing_is_touched() -> None:
    w = nn.Parameter(torch.ones(3))
    before = torch.get_rng_state()
    found = sharpness(lambda: (w * torch.rand(3)).sum(), SGD([w], 0.1))
    assert found is not None and found.value == 0.0
    assert w.grad is None and torch.equal(before, torch.get_rng_state())
