"""The gradient through time inside a diagnosis."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import headwater
from headwater.records import TimeProfile
from tests.measure.through_time.test_loops import Loops

STEPS, BATCH, INPUTS = 30, 24, 3


class Reader(nn.Module):
    """A fused layer between two others, read at the last step, at all, or from its final state."""

    def __init__(self, kind: str, read: str = "last", **options: Any) -> None:
        super().__init__()
        self.front = nn.Linear(INPUTS, 6)
        self.rnn = getattr(nn, kind)(6, 16, batch_first=True, **options)
        self.head = nn.Linear(16 * (2 if options.get("bidirectional") else 1), 1)
        self.read = read

    def forward(self, x: Tensor) -> Tensor:
        out, final = self.rnn(self.front(x))
        if self.read == "final":
            h = final[0] if isinstance(final, tuple) else final
            return self.head(torch.cat(tuple(h[-2:]), 1) if self.rnn.bidirectional else h[-1])
        return self.head(out[:, -1] if self.read == "last" else out.mean(1))


def _batches(steps: int = STEPS) -> list[Any]:
    order = torch.Generator().manual_seed(0)
    found = []
    for _ in range(9):
        x = torch.randn(BATCH, steps, INPUTS, generator=order)
        found.append((x, x[:, 0].sum(1, keepdim=True)))
    return found


def _diagnosed(model: nn.Module, batches: list[Any] | None = None, steps: int = 8) -> headwater.Report:
    def optimizer(parameters: Any) -> torch.optim.Optimizer:
        return torch.optim.Adam(parameters, 1e-3)

    return headwater.diagnose(model, batches or _batches(), nn.functional.mse_loss, optimizer=optimizer, steps=steps)


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_profiles_of_a_layer_inside_a_model_are_those_of_unrolled_cells(kind: str) -> None:
    torch.manual_seed(0)
    model = Reader(kind)
    (profile,) = _diagnosed(model, steps=1).through_time
    x, y = _batches()[0]
    cell = getattr(nn, kind + "Cell")(6, 16)
    cell.load_state_dict({name.removesuffix("_l0"): value for name, value in model.rnn.state_dict().items()})
    h = c = torch.zeros(BATCH, 16)
    states = []
    for t in range(STEPS):
        if kind == "LSTM":
            h, c = cell(model.front(x[:, t]), (h, c))
        else:
            h = cell(model.front(x[:, t]), h)
        h.retain_grad()
        states.append(h)
    nn.functional.mse_loss(model.head(h), y).backward()
    # of more than 16 sequences every other one is replayed
    expected = [float(state.grad[::2].norm().log()) for state in states if state.grad is not None]
    assert profile.log_gradient == pytest.approx(expected, abs=1e-4)
    assert (profile.name, profile.kind, profile.probe, profile.needed) == ("rnn", kind, "loss", STEPS - 1)
    assert profile.gated is (kind != "RNN")
    assert profile.file == __file__ and profile.line


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_layers_and_directions_have_profiles_of_their_own(kind: str) -> None:
    found = _diagnosed(Reader(kind, "final", num_layers=2, bidirectional=True, dropout=0.2), steps=2).through_time
    assert [(each.layer, each.direction) for each in found] == [
        (0, "forward"),
        (0, "reverse"),
        (1, "forward"),
        (1, "reverse"),
    ]
    assert [each.probe for each in found] == ["jacobian", "jacobian", "loss", "loss"]
    assert all(each.gain is not None and 0.2 < each.gain < 0.9 for each in found)


def test_a_loss_that_reads_every_state_is_probed_by_the_jacobian() -> None:
    (fused,) = _diagnosed(Reader("GRU", "mean")).through_time
    assert (fused.probe, fused.needed) == ("jacobian", None)
    assert fused.gain == pytest.approx(0.63, abs=0.05)
    torch.manual_seed(0)
    order = torch.Generator().manual_seed(0)
    batches = [(torch.randn(12, 5, 3, generator=order), torch.randn(12, 5, 1, generator=order)) for _ in range(9)]
    (loop,) = _diagnosed(Loops("GRUCell", every=True), batches).through_time
    assert loop.probe == "jacobian" and loop.gain is not None and 0.4 < loop.gain < 0.8
    (last,) = _diagnosed(Loops("GRUCell"), [(x, y[-1:]) for x, y in batches]).through_time
    assert last.probe == "loss" and last.needed == 11


class Looped(Reader):
    """An LSTM in a loop of the user's own."""

    def __init__(self) -> None:
        super().__init__("LSTM")
        self.cell = nn.LSTMCell(6, 16)
        del self.rnn

    def forward(self, x: Tensor) -> Tensor:
        h = c = x.new_zeros(len(x), 16)
        for step in self.front(x).unbind(1):
            h, c = self.cell(step, (h, c))
        return self.head(h)


@pytest.mark.parametrize(
    ("make", "asks"), [(lambda: Reader("LSTM"), True), (Looped, True), (lambda: Reader("GRU"), False)]
)
def test_the_data_are_asked_about_an_lstm_after_ten_horizons(make: Callable[[], Reader], asks: bool) -> None:
    torch.manual_seed(0)
    (profile,) = _diagnosed(make(), _batches(25)).through_time
    assert profile.horizon is not None and 10 < 24 / profile.horizon < 14
    assert (profile.kind == "LSTM") == asks == (profile.dependence is not None)
    if profile.dependence is not None:
        assert profile.dependence.reach == round(10 * profile.horizon)


class Packed(Reader):
    def forward(self, x: Tensor) -> Tensor:
        lengths = torch.arange(len(x)) % 20 + 11
        packed = nn.utils.rnn.pack_padded_sequence(self.front(x), lengths, batch_first=True, enforce_sorted=False)
        return self.head(self.rnn(packed)[1][-1])


def test_sequences_of_unequal_length_decay_from_their_own_ends() -> None:
    torch.manual_seed(0)
    (profile,) = _diagnosed(Packed("GRU")).through_time
    assert profile.probe == "loss" and profile.length == 30
    assert profile.gain == pytest.approx(0.62, abs=0.06)


def test_a_network_without_recurrence_has_none() -> None:
    order = torch.Generator().manual_seed(0)
    batch = (torch.randn(8, 3, generator=order), torch.randn(8, 1, generator=order))
    assert _diagnosed(nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 1)), [batch]).through_time == ()


class Detached(Loops):
    """Truncated backpropagation: the state is cut off half-way."""

    def forward(self, x: Tensor) -> Tensor:
        h = x.new_zeros(5, 8)
        for t, step in enumerate(x):
            h = self.cell(step, h.detach() if t == 6 else h)
        return self.head(h)[None]


@pytest.mark.parametrize(
    "make",
    [
        lambda: Reader("LSTM", num_layers=2, dropout=0.5),
        lambda: Reader("GRU", "mean", bidirectional=True),
        lambda: Reader("RNN", nonlinearity="relu"),
    ],
)
def test_the_model_and_the_random_numbers_stay_as_they_were(make: Callable[[], Reader]) -> None:
    torch.manual_seed(0)
    model = make()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    random, hooks = torch.get_rng_state(), len(model.rnn._forward_hooks) + len(model.rnn._forward_pre_hooks)
    _diagnosed(model)
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert len(model.rnn._forward_hooks) + len(model.rnn._forward_pre_hooks) == hooks
    assert all(p.grad is None for p in model.parameters())


def test_measuring_through_time_does_not_change_the_training() -> None:
    """Losses of the probation against the same steps taken by hand, dropout and all."""
    torch.manual_seed(0)
    model = Reader("LSTM", num_layers=2, dropout=0.5)
    report = _diagnosed(model)
    torch.manual_seed(0)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    for (x, y), step in zip(_batches(), report.measurement.steps, strict=False):
        loss = nn.functional.mse_loss(model(x), y)
        assert float(loss.detach()) == step.loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def test_a_detached_state_ends_the_loop() -> None:
    order = torch.Generator().manual_seed(0)
    batch = (torch.randn(12, 5, 3, generator=order), torch.randn(1, 5, 1, generator=order))
    found: tuple[TimeProfile, ...] = _diagnosed(Detached("GRUCell"), [batch]).through_time
    assert [each.length for each in found] == [6]
