from __future__ import annotations

import copy
import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import SGD, Adagrad, Adam

import headwater
from headwater.errors import RemedyError
from headwater.remedies import Training, remedy
from tests.builders import measurement
from tests.remedies.rewriting import executed
from tests.remedies.sequences import BUILT, Loop, Reader, remembering, sgd, trained, training

FORGET, CHRONO = remedy("forget-bias"), remedy("chrono-init")
ORTHOGONAL, IDENTITY = remedy("orthogonal-recurrence"), remedy("orthogonal-recurrence:identity")
GRU, LSTM = remedy("gated-recurrence:gru"), remedy("gated-recurrence:lstm")
FUSED = [("LSTM", {}), ("GRU", {}), ("LSTM", {"num_layers": 2, "bidirectional": True}), ("LSTM", {"proj_size": 5})]


def biases(layer: nn.Module, gate: int, hidden: int) -> list[torch.Tensor]:
    """The sum of both biases of a gate, for each direction of each layer."""
    named = dict(layer.named_parameters())
    inner = [name for name in named if name.startswith("bias_ih")]
    both = [named[name] + named[name.replace("_ih", "_hh")] for name in inner]
    return [bias.detach()[gate * hidden : (gate + 1) * hidden] for bias in both]


@pytest.mark.parametrize(("kind", "options"), FUSED)
@pytest.mark.parametrize("steps", [10, 784])
def test_the_gate_that_remembers_keeps_all_but_one_part_in_as_many_as_there_are_steps(
    kind: str, options: dict[str, Any], steps: int
) -> None:
    live = training(Reader(kind, **options), steps)
    assert FORGET.refusal(live) is None
    before = copy.deepcopy(live.model.body["rnn"])
    FORGET.apply(live)
    layer = live.model.body["rnn"]
    for bias in biases(layer, 1, 12):
        torch.testing.assert_close(torch.sigmoid(bias), torch.full_like(bias, 1 - 1 / steps), rtol=0, atol=0.01 / steps)
    for gate in {0, 2, 3} if kind == "LSTM" else {0, 2}:
        for one, other in zip(biases(layer, gate, 12), biases(before, gate, 12), strict=True):
            assert torch.equal(one, other)


@pytest.mark.parametrize("kind", ["LSTMCell", "GRUCell"])
@pytest.mark.parametrize("each", [FORGET, CHRONO, ORTHOGONAL])
def test_cells_in_a_loop_are_changed_alike(kind: str, each: Any) -> None:
    live = training(Loop(kind), 50, "cell")
    before = [p.clone() for p in live.model.cell.parameters()]
    torch.manual_seed(3)
    change = each.apply(live)
    assert change.places == ("cell",)
    assert any(not torch.equal(one, other) for one, other in zip(before, live.model.cell.parameters(), strict=True))
    model = Loop(kind)
    torch.manual_seed(3)
    executed(change.code, model, sgd(model))
    for one, other in zip(live.model.parameters(), model.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.filterwarnings("ignore:LSTM with projections")
@pytest.mark.parametrize(("kind", "options"), FUSED)
@pytest.mark.parametrize("each", [FORGET, CHRONO, ORTHOGONAL])
def test_the_code_sets_what_the_remedy_sets(kind: str, options: dict[str, Any], each: Any) -> None:
    live = training(Reader(kind, **options))
    torch.manual_seed(3)
    change = each.apply(live)
    model = Reader(kind, **options)
    torch.manual_seed(3)
    optimizer = executed(change.code, model, sgd(model))
    for one, other in zip(trained(live.model, live.optimizer), trained(model, optimizer), strict=True):
        assert torch.equal(one, other)


def test_chrono_biases_spread_the_time_scales_evenly() -> None:
    """``1 + e^b`` is uniform on [2, T]: the mean is (T + 2) / 2 and the deviation (T - 2) / sqrt(12)."""
    torch.manual_seed(0)
    for kind in ("LSTM", "GRU"):
        live = training(Reader(kind, hidden=4096), 100)
        CHRONO.apply(live)
        (forget,) = biases(live.model.body["rnn"], 1, 4096)
        scales = 1 + forget.exp()
        assert 2 <= float(scales.min()) <= 2.5
        assert 99.5 <= float(scales.max()) <= 100.001
        assert float(scales.mean()) == pytest.approx(51, abs=4 * 98 / math.sqrt(12 * 4096))
        assert float(scales.std()) == pytest.approx(98 / math.sqrt(12), rel=0.05)
        if kind == "LSTM":
            (enter,) = biases(live.model.body["rnn"], 0, 4096)
            assert torch.equal(enter, -forget)


def test_open_gates_carry_the_gradient_over_the_steps() -> None:
    """Without recurrent weights the cells are a product of gates: ``(1 - 1/T)^T`` is left, and 1/2^T before."""
    kept: list[float] = []
    for opened in (False, True):
        live = training(Reader("LSTM", hidden=64), 100)
        if opened:
            FORGET.apply(live)
        layer = live.model.body["rnn"]
        torch.nn.init.zeros_(layer.weight_hh_l0)
        c = torch.ones(1, 1, 64, requires_grad=True)
        _, (_, last) = layer(torch.zeros(1, 100, 2), (torch.zeros(1, 1, 64), c))
        (gradient,) = torch.autograd.grad(last.sum(), c)
        kept.append(float(gradient.mean()))
    assert kept[0] < 1e-20
    assert kept[1] == pytest.approx(0.99**100, rel=0.01)


@pytest.mark.parametrize(("kind", "gates"), [("RNN", 1), ("LSTM", 4), ("GRU", 3)])
def test_the_recurrent_weights_of_each_gate_are_orthogonal(kind: str, gates: int) -> None:
    live = training(Reader(kind, num_layers=2))
    ORTHOGONAL.apply(live)
    for index in (0, 1):
        weight = live.model.body["rnn"].get_parameter(f"weight_hh_l{index}")
        for gate in weight.detach().chunk(gates):
            torch.testing.assert_close(gate @ gate.T, torch.eye(12), rtol=0, atol=1e-5)


def test_at_the_identity_a_state_stays_until_something_is_added() -> None:
    live = training(Reader("RNN", nonlinearity="relu"))
    assert IDENTITY.refusal(live) is None
    change = IDENTITY.apply(live)
    state = torch.rand(1, 3, 12)
    output, last = live.model.body["rnn"](torch.zeros(3, 40, 2), state)
    torch.testing.assert_close(last, state)
    model = Reader("RNN", nonlinearity="relu")
    executed(change.code, model, sgd(model))
    torch.testing.assert_close(model.body["rnn"](torch.zeros(3, 40, 2), state)[0], output)
    assert IDENTITY.refusal(training(Reader("RNN"))) is not None
    assert IDENTITY.refusal(training(Reader("LSTM"))) is not None


@pytest.mark.parametrize("each", [FORGET, CHRONO, ORTHOGONAL])
def test_what_was_trained_is_not_undone(each: Any) -> None:
    model = Reader("LSTM", hidden=32)
    optimizer = Adam(model.parameters(), lr=0.01)
    for _ in range(60):
        x = torch.randn(32, 8, 2)
        optimizer.zero_grad()
        (model(x) - x[:, 0, :1] * x[:, 3, 1:]).square().mean().backward()
        optimizer.step()
    under_way = Training(model, optimizer, remembering("body.rnn", 8), (), 10)
    assert "taken steps" in (each.refusal(under_way) or "")
    fresh = training(model)
    with torch.no_grad():
        model.body["rnn"].weight_hh_l0 += torch.outer(torch.randn(128), torch.randn(32)) * 0.2
    assert "trained" in (each.refusal(fresh) or "")
    with pytest.raises(RemedyError):
        each.apply(fresh)


def test_without_gates_biases_or_a_lag_there_is_nothing_to_set() -> None:
    for each in (FORGET, CHRONO):
        assert each.refusal(training(Reader("RNN"))) is not None
        assert each.refusal(training(Reader("LSTM", bias=False))) is not None
        assert each.refusal(training(Reader("LSTM"), steps=2)) is not None
        assert each.refusal(replace(training(Reader("LSTM")), measurement=measurement())) is not None
    assert ORTHOGONAL.refusal(training(nn.Linear(2, 2))) is not None


@pytest.mark.parametrize(("each", "kind"), [(GRU, nn.GRU), (LSTM, nn.LSTM)])
@pytest.mark.parametrize("options", [{}, {"num_layers": 2, "dropout": 0.0, "bidirectional": True}, {"bias": False}])
def test_a_gated_layer_takes_the_place_of_a_plain_one(each: Any, kind: Any, options: dict[str, Any]) -> None:
    live = training(Reader("RNN", **options), built=False)
    held = sum(len(group["params"]) for group in live.optimizer.param_groups)
    assert each.refusal(live) is None
    torch.manual_seed(3)
    change = each.apply(live)
    assert change.places == ("body.rnn",)
    assert isinstance(live.model.body["rnn"], kind)
    (group,) = live.optimizer.param_groups
    assert len(group["params"]) == held
    assert {id(p) for p in group["params"]} == {id(p) for p in live.model.parameters()}
    model = Reader("RNN", **options)
    torch.manual_seed(3)
    executed(change.code, model, sgd(model))
    written = trained(model, sgd(model))
    for one, other in zip(trained(live.model, live.optimizer), written, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize(("model", "each"), [(Reader("RNN"), GRU), (Reader("RNN"), LSTM), (Loop("RNNCell"), GRU)])
@pytest.mark.parametrize("place", [{"dtype": torch.float64}, {"dtype": torch.bfloat16}, {"device": "meta"}])
def test_a_written_layer_is_where_the_old_one_is(model: nn.Module, each: Any, place: dict[str, Any]) -> None:
    """The change was tried on another device, with another dtype."""
    change = each.apply(training(copy.deepcopy(model), built=False))
    written = copy.deepcopy(model).to(**place)
    executed(change.code, written, sgd(written))
    wanted = torch.empty(0, **place)
    assert {(p.dtype, p.device) for p in written.parameters()} == {(wanted.dtype, wanted.device)}


@pytest.mark.parametrize("each", [GRU, LSTM])
def test_a_layer_in_double_precision_is_written_as_it_was_tried(each: Any) -> None:
    model, x = Reader("RNN").double(), torch.randn(3, 5, 2).double()
    written, live = copy.deepcopy(model), training(model, built=False)
    torch.manual_seed(3)
    change = each.apply(live)
    torch.manual_seed(3)
    executed(change.code, written, sgd(written))
    assert torch.equal(live.model(x), written(x))


def test_the_lstm_computes_what_one_with_both_states_does() -> None:
    live = training(Reader("RNN"))
    LSTM.apply(live)
    layer = live.model.body["rnn"]
    reference = nn.LSTM(2, 12, batch_first=True)
    reference.load_state_dict(layer.state_dict())
    x, h = torch.randn(3, 5, 2), torch.randn(1, 3, 12)
    for state, full in ((None, None), (h, (h, torch.zeros_like(h)))):
        output, last = layer(x, state)
        expected, (h_n, _) = reference(x, full)
        torch.testing.assert_close(output, expected)
        torch.testing.assert_close(last, h_n)


@pytest.mark.parametrize("kind", [SGD, Adam, Adagrad])
def test_a_cell_that_is_shared_stays_shared_and_its_new_weights_learn(kind: Any) -> None:
    model = Loop("RNNCell")
    live = Training(model, kind(model.parameters(), lr=0.01), remembering("cell", 50, built=False), (), 10)
    change = GRU.apply(live)
    assert isinstance(model.cell, nn.GRUCell)
    assert model.again is model.cell
    before = [p.detach().clone() for p in model.parameters()]
    after = trained(model, live.optimizer)
    assert all(not torch.equal(one, other) for one, other in zip(before, after, strict=True))
    written = Loop("RNNCell")
    executed(change.code, written, sgd(written))
    assert isinstance(written.cell, nn.GRUCell)
    assert written.again is written.cell
    assert LSTM.refusal(training(Loop("RNNCell"), 50, "cell")) is not None


def test_groups_keep_their_own_rates() -> None:
    model = Reader("RNN")
    optimizer = SGD([{"params": model.body.parameters(), "lr": 0.3}, {"params": model.head.parameters()}], lr=0.1)
    live = Training(model, optimizer, remembering("body.rnn", 50), (), 10)
    GRU.apply(live)
    assert {id(p) for p in optimizer.param_groups[0]["params"]} == {id(p) for p in model.body.parameters()}
    assert optimizer.param_groups[0]["lr"] == 0.3


def test_where_the_line_is_known_another_class_is_called_there() -> None:
    (edit,) = GRU.apply(training(Reader("RNN"))).edits
    assert (edit.at, edit.callee, edit.to) == (BUILT, "RNN", "torch.nn.GRU")
    assert edit.keep is not None
    assert "nonlinearity" not in edit.keep
    assert GRU.apply(training(Reader("RNN"), built=False)).edits == ()
    assert LSTM.apply(training(Reader("RNN"))).edits == ()  # its line would have to hand on a second state


def test_the_model_itself_is_never_replaced() -> None:
    model = nn.RNN(2, 12)
    assert "itself" in (GRU.refusal(Training(model, sgd(model), remembering("", 50), (), 10)) or "")


def test_after_the_gates_are_open_the_layer_reaches_back() -> None:
    """A plain layer under a loss that spans 60 steps: HW201 sees it, and the same diagnosis sees the change."""
    torch.manual_seed(0)
    model = Reader("RNN", hidden=32)
    batches = [(x := torch.randn(64, 60, 2), x[:, 0, :1]) for _ in range(9)]
    report = headwater.diagnose(model, batches, nn.MSELoss(), optimizer=sgd(model))
    (before,) = report.through_time
    live = Training(model, sgd(model), report.measurement, report.findings, 10)
    GRU.apply(live)
    CHRONO.apply(live)
    (after,) = headwater.diagnose(model, batches, nn.MSELoss(), optimizer=live.optimizer).through_time
    assert before.horizon is not None
    assert after.gain is not None
    assert before.horizon < 4
    assert after.horizon is None or after.horizon > 10
