"""Epsilon, weight decay and a limit that always acts."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import SGD, Adadelta, Adagrad, Adam, AdamW, NAdam, Optimizer, RAdam, RMSprop

from headwater.errors import RemedyError
from headwater.records import ClipRecord, PrecisionRecord
from headwater.remedies import answering, remedy
from tests.builders import measurement
from tests.remedies.rewriting import called, case, network, remedied, same_by_code, same_weights, trained, training
from tests.remedies.trainings import codes

EPSILON, DECAY, NO_DECAY = remedy("lower-epsilon"), remedy("lower-decay"), remedy("lower-decay:none")
DECOUPLED, RAISED, RELAXED = remedy("decoupled-decay"), remedy("relax-clip:raise-rate"), remedy("relax-clip")
CLIPPED = measurement(
    precision=PrecisionRecord(clips=(ClipRecord(3, 10, 1), ClipRecord(4, 40, 1), ClipRecord(5, 20, 1)))
)


def one(make: Any) -> Any:
    return training(lambda model: make(model.parameters()))


@pytest.mark.parametrize("kind", [Adam, AdamW, NAdam, RMSprop, Adagrad])
def test_a_gradient_far_below_the_old_epsilon_moves_the_weights_by_the_rate(kind: Any) -> None:
    """``g / (|g| + eps)``: at g = 1e-12 a ten-thousandth is left with 1e-8, and 0.999 with 1e-15."""
    steps: list[float] = []
    for size, lowered in ((1e-3, False), (1e-12, True), (1e-12, False)):
        live = one(lambda params: kind(params, lr=0.01))
        if lowered:
            assert EPSILON.refusal(live) is None
            EPSILON.apply(live)
        weight = live.model.get_parameter("0.weight")
        before = weight.detach().clone()
        for p in live.model.parameters():
            p.grad = torch.full_like(p, size)
        live.optimizer.step()
        steps.append(float((before - weight.detach()).abs().mean()))
    plain, lower, ruled = steps
    weight_decay = 0.02 if kind is AdamW else 1e-4  # of 0.01 times the rate
    assert lower == pytest.approx(plain, rel=0.01 + weight_decay)
    assert ruled < 0.05 * plain


def test_epsilon_is_left_where_it_is_none_or_must_be_large() -> None:
    assert EPSILON.refusal(one(lambda params: SGD(params, lr=0.1))) is not None
    assert EPSILON.refusal(one(Adadelta)) is not None
    assert EPSILON.refusal(one(lambda params: Adam(params, eps=1e-15))) is not None
    half = training(lambda model: Adam(model.parameters()), network().half())
    assert EPSILON.refusal(half) is not None
    assert EPSILON.refusal(training(lambda model: Adam(model.parameters()), network().bfloat16())) is None


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_the_lower_decay_takes_a_ten_thousandth_of_a_weight_in_a_step(momentum: float) -> None:
    """After ``n`` steps without a gradient there is left ``exp(-1e-4 n)``, once the momentum has built up."""
    live = one(lambda params: SGD(params, lr=0.5, weight_decay=0.1, momentum=momentum))
    assert DECAY.refusal(live) is None
    DECAY.apply(live)
    weight = live.model.get_parameter("0.weight")
    norms: list[float] = []
    for _ in range(300):
        for p in live.model.parameters():
            p.grad = torch.zeros_like(p)
        live.optimizer.step()
        norms.append(float(weight.detach().norm()))
    assert norms[299] / norms[99] == pytest.approx(0.9999**200, rel=1e-3)
    assert DECAY.refusal(live) is not None
    NO_DECAY.apply(live)
    assert NO_DECAY.refusal(live) is not None


def test_decay_that_is_normalised_is_not_lowered_but_decoupled() -> None:
    live = one(lambda params: Adam(params, lr=1e-3, weight_decay=1e-2))
    assert DECAY.refusal(live) is not None
    assert NO_DECAY.refusal(live) is None
    assert DECOUPLED.refusal(live) is None


@pytest.mark.parametrize("kind", [Adam, NAdam, RAdam])
def test_without_a_gradient_decoupled_decay_takes_its_share_alone(kind: Any) -> None:
    live = one(lambda params: kind(params, lr=0.01, weight_decay=0.1))
    DECOUPLED.apply(live)
    assert isinstance(live.optimizer, AdamW if kind is Adam else kind)
    weight = live.model.get_parameter("0.weight")
    before = weight.detach().clone()
    for p in live.model.parameters():
        p.grad = torch.zeros_like(p)
    live.optimizer.step()
    torch.testing.assert_close(weight.detach(), (1 - 0.01 * 0.1) * before)


def test_what_has_no_normalised_decay_is_not_decoupled() -> None:
    for make in (
        lambda params: AdamW(params),
        lambda params: Adam(params),
        lambda params: SGD(params, lr=0.1, weight_decay=0.1),
        lambda params: RMSprop(params),
        lambda params: Adagrad(params, weight_decay=0.1),
    ):
        assert DECOUPLED.refusal(one(make)) is not None


@pytest.mark.parametrize(
    ("key", "kind", "given"),
    [
        ("lower-epsilon", Adam, {"lr": 0.01, "weight_decay": 0.1}),
        ("lower-decay", SGD, {"lr": 0.1, "weight_decay": 0.5, "momentum": 0.5}),
        ("lower-decay:none", Adam, {"lr": 0.01, "weight_decay": 0.1}),
        ("decoupled-decay", Adam, {"lr": 0.01, "weight_decay": 0.1, "betas": (0.8, 0.9), "amsgrad": True}),
        ("decoupled-decay", RMSprop, {"lr": 0.01, "weight_decay": 0.1, "alpha": 0.9, "eps": 1e-3}),
        ("decoupled-decay", NAdam, {"lr": 0.01, "weight_decay": 0.1}),
    ],
)
def test_edits_and_statements_do_the_same(key: str, kind: Any, given: dict[str, Any]) -> None:
    def make(model: nn.Module) -> Optimizer:
        return kind(model.parameters(), **given)

    live, other = training(make), training(make)
    change = remedy(key).apply(live)
    remedy(key).apply(other)
    model = network()
    assert same_weights(
        trained(model, called(change.edits[0], model.parameters(), given)), trained(other.model, other.optimizer)
    )
    assert same_by_code(change, make, live)


def test_the_rate_makes_up_for_the_limit() -> None:
    """Clip factors 1/10, 1/40 and 1/20: the median is 1/20."""
    live = training(lambda model: SGD(model.parameters(), lr=0.01), found=CLIPPED)
    assert RAISED.refusal(live) is None
    RAISED.apply(live)
    assert live.optimizer.param_groups[0]["lr"] == pytest.approx(0.2)
    assert RAISED.refusal(training(lambda model: Adam(model.parameters()), found=CLIPPED)) is not None
    assert RAISED.refusal(training(lambda model: SGD(model.parameters(), lr=0.01))) is not None


def test_the_limit_itself_is_yours_to_raise() -> None:
    live = training(lambda model: SGD(model.parameters(), lr=0.01), found=CLIPPED)
    assert RELAXED.safety == "display-only"
    assert [each.key for each in answering("relax-clip")] == ["relax-clip:raise-rate", "relax-clip"]
    assert "is 20 before clipping" in (RELAXED.refusal(live) or "")
    assert "to 80 or more" in (RELAXED.refusal(live) or "")
    with pytest.raises(RemedyError, match="only you can make"):
        RELAXED.apply(live)


@pytest.mark.parametrize(
    ("name", "key", "code"),
    [
        ("tiny-loss-adamw", "lower-epsilon", "HW503"),
        ("adam-decays-small-gradients", "decoupled-decay", "HW504"),
        ("clip-of-a-hundredth", "relax-clip:raise-rate", "HW505"),
    ],
)
def test_the_finding_goes_away(name: str, key: str, code: str) -> None:
    problem, live = case(name)
    assert code in codes(live.findings)
    assert remedy(key).refusal(live) is None
    remedy(key).apply(live)
    assert code not in codes(remedied(problem, live))
