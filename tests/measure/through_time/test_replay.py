from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from headwater.measure.through_time.capture import Captured, capture, prepared
from headwater.measure.through_time.replay import Scan, replay
from headwater.measure.through_time.summary import log_norms
from tests.measure.through_time.unrolled import Place, states

STEPS, BATCH, INPUTS, UNITS = 7, 3, 4, 5


@dataclass(frozen=True)
class Setting:
    kind: type[nn.RNNBase]
    options: dict[str, Any] = field(default_factory=dict)
    lengths: tuple[int, ...] = ()
    sorted: bool = True
    initial: bool = False
    unbatched: bool = False
    loss: str = "all"


LSTM, GRU, RNN = nn.LSTM, nn.GRU, nn.RNN
SETTINGS = [
    *(Setting(kind) for kind in (RNN, LSTM, GRU)),
    Setting(RNN, {"nonlinearity": "relu"}),
    *(Setting(kind, {"num_layers": 2, "bidirectional": True}, initial=True) for kind in (RNN, LSTM, GRU)),
    *(Setting(kind, {"num_layers": 3, "dropout": 0.4}, loss="last") for kind in (RNN, LSTM, GRU)),
    *(Setting(kind, {"bidirectional": True, "num_layers": 2}, lengths=(7, 4, 2)) for kind in (RNN, LSTM, GRU)),
    *(Setting(kind, {"dropout": 0.4, "num_layers": 2}, lengths=(3, 7, 1), sorted=False) for kind in (LSTM, GRU)),
    Setting(
        GRU, {"bidirectional": True, "num_layers": 2, "dropout": 0.5}, lengths=(2, 7, 5), sorted=False, initial=True
    ),
    *(Setting(kind, {"batch_first": True}, loss="last", initial=True) for kind in (RNN, LSTM, GRU)),
    Setting(LSTM, {"batch_first": True}, lengths=(5, 5, 6), sorted=False, loss="final"),
    Setting(LSTM, {"proj_size": 2}),
    Setting(LSTM, {"proj_size": 2, "num_layers": 2, "bidirectional": True, "bias": False}, initial=True),
    Setting(GRU, {"bias": False}, loss="final"),
    *(Setting(kind, {"num_layers": 2}, unbatched=True, initial=kind is LSTM) for kind in (RNN, LSTM, GRU)),
    Setting(LSTM, {"batch_first": True}, unbatched=True, loss="final"),
]


@dataclass(frozen=True)
class Ran:
    """One real call with its backward pass, replayed, and what the reference needs to repeat it."""

    module: nn.RNNBase
    call: Captured
    scans: tuple[Scan, ...]
    out: Tensor
    finals: tuple[Tensor, ...]
    weights: tuple[Tensor, ...]
    lengths: tuple[int, ...]


def _ran(setting: Setting) -> Ran:
    torch.manual_seed(0)
    module = setting.kind(INPUTS, UNITS, **setting.options).double()
    batch = 1 if setting.unbatched else BATCH
    x = torch.randn(STEPS, batch, INPUTS, dtype=torch.float64)
    rows = module.num_layers * (2 if module.bidirectional else 1)
    sizes = [module.proj_size or UNITS] + [UNITS] * (setting.kind is LSTM)
    hx = [torch.randn(rows, batch, size, dtype=torch.float64) for size in sizes]
    given: Any = x[:, 0] if setting.unbatched else x.transpose(0, 1) if module.batch_first else x
    if setting.lengths:
        lengths = torch.tensor(setting.lengths)
        given = pack_padded_sequence(given, lengths, module.batch_first, enforce_sorted=setting.sorted)
    start = [each[:, 0] if setting.unbatched else each for each in hx]
    arguments = [tuple(start) if setting.kind is LSTM else start[0]] if setting.initial else []
    model = nn.ModuleDict({"rnn": module})
    calls: dict[str, list[Captured]] = {}
    with capture(model, calls):
        out, finals = module(given, *arguments)
    out = out if not setting.lengths else pad_packed_sequence(out)[0]
    finals = finals if isinstance(finals, tuple) else (finals,)
    if setting.unbatched:
        out, finals = out.unsqueeze(1), tuple(each.unsqueeze(1) for each in finals)
    elif module.batch_first and not setting.lengths:
        out = out.transpose(0, 1)
    weights = [torch.randn_like(each) for each in (out, *finals)]
    if setting.loss == "last":
        weights = [weights[0] * (torch.arange(STEPS) == STEPS - 1)[:, None, None], *map(torch.zeros_like, finals)]
    elif setting.loss == "final":
        weights = [torch.zeros_like(out), *weights[1:]]
    _loss(out, finals, weights).backward()
    (call,) = calls["rnn"]
    assert call.length == STEPS if not setting.lengths else max(setting.lengths)
    scans = replay(module, *prepared(call), torch.Generator().manual_seed(0))
    return Ran(module, call, scans, out, finals, tuple(weights), setting.lengths or (STEPS,) * batch)


def _loss(out: Tensor, finals: Any, weights: Any) -> Tensor:
    parts = zip((out, *finals), weights, strict=True)
    return sum(((each * weight).sum().tanh() for each, weight in parts), torch.zeros(()))


def _reference(ran: Ran, nudge: dict[Place, Tensor]) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
    """Loss, outputs and final states of the unrolled module; every h_t can be moved by a nudge."""
    call, _ = prepared(ran.call)
    outs, finals = [], []
    for b, length in enumerate(ran.lengths):
        masks = None if ran.call.random is None else [mask[:, b] for mask in call.masks if mask is not None]
        start = [each[:, b] for each in call.states]
        out, final = states(ran.module, call.inputs[:length, b], start, b, masks, nudge)
        outs.append(torch.cat([out, out.new_zeros(len(call.inputs) - length, out.shape[1])]))
        finals.append(final)
    out = torch.stack(outs, 1)
    ends = tuple(torch.stack(each, 1) for each in zip(*finals, strict=True))
    return _loss(out, ends, ran.weights), out, ends


@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_every_step_agrees_with_the_unrolled_module(setting: Setting) -> None:
    ran = _ran(setting)
    nudge = {
        (scan.layer, int(scan.reverse), t, b): torch.zeros(scan.total.shape[2], dtype=torch.float64, requires_grad=True)
        for scan in ran.scans
        for b, length in enumerate(ran.lengths)
        for t in range(length)
    }
    loss, out, finals = _reference(ran, nudge)
    for one, other in zip((out, *finals), (ran.out, *ran.finals), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)
    loss.backward()
    for scan in ran.scans:
        expected = torch.zeros_like(scan.total)
        for (layer, d, t, b), moved in nudge.items():
            if (layer, d) == (scan.layer, int(scan.reverse)) and moved.grad is not None:
                expected[t, b] = moved.grad
        torch.testing.assert_close(scan.total, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_every_layer_agrees_with_finite_differences(setting: Setting) -> None:
    ran = _ran(setting)
    for scan in ran.scans:
        length = min(ran.lengths)
        b, t, size = ran.lengths.index(length), length // 2, 1e-5
        way = torch.randn(scan.total.shape[2], dtype=torch.float64)
        with torch.no_grad():
            place = (scan.layer, int(scan.reverse), t, b)
            up, down = (float(_reference(ran, {place: sign * size * way})[0]) for sign in (1, -1))
        expected = (up - down) / (2 * size)
        found = float(scan.total[t, b] @ way)
        assert found == pytest.approx(expected, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("kind", [RNN, LSTM, GRU])
def test_the_probe_is_the_jacobian_of_the_last_state(kind: type[nn.RNNBase]) -> None:
    ran = _ran(Setting(kind, {"bidirectional": True}))
    call, _ = prepared(ran.call)
    for scan in ran.scans:
        assert scan.probe is not None
        d = int(scan.reverse)
        last, t, b = (0, 4, 1) if d else (STEPS - 1, 2, 1)
        moved = torch.zeros(UNITS, dtype=torch.float64)

        def end(nudge: Tensor, d: int = d, t: int = t, last: int = last, b: int = b) -> Tensor:
            start = [each[:, b] for each in call.states]
            out, _ = states(ran.module, call.inputs[:, b], start, b, None, {(0, d, t, b): nudge})
            return out[last].chunk(2)[d]

        jacobian = torch.autograd.functional.jacobian(end, moved)
        vector = scan.probe[last, b]
        assert float(vector.norm()) == pytest.approx(1.0)
        torch.testing.assert_close(scan.probe[t, b], vector @ jacobian, rtol=1e-9, atol=1e-14)


def test_a_loss_on_the_last_step_is_known_by_its_reads() -> None:
    assert all(scan.probe is None for scan in _ran(Setting(LSTM, {"num_layers": 2}, loss="last")).scans)
    assert all(scan.probe is not None for scan in _ran(Setting(LSTM, {"num_layers": 2})).scans)
    both = _ran(Setting(GRU, {"bidirectional": True}, loss="last")).scans
    assert [scan.probe is None for scan in both] == [True, False]  # out[-1] is the first step of the reverse half
    assert all(scan.probe is None for scan in _ran(Setting(GRU, {"bidirectional": True}, loss="final")).scans)


def test_norms_are_aligned_at_the_ends_and_do_not_underflow() -> None:
    values = torch.zeros(4, 2, 1, dtype=torch.float64)
    values[:4, 0, 0] = torch.tensor([1e-300, 1e-200, 1e-100, 1.0], dtype=torch.float64)
    values[:2, 1, 0] = torch.tensor([1e-100, 1.0], dtype=torch.float64)
    ln10 = 2.302585092994046
    found = log_norms(values, torch.tensor([4, 2]), reverse=False)
    half = 0.34657359027997264  # ln sqrt 2: two equal norms, or one that stands for two
    assert found == pytest.approx([half - 300 * ln10, half - 200 * ln10, half - 100 * ln10, half])
    assert log_norms(values, None, reverse=True)[-1] == pytest.approx(-100 * ln10)


def test_part_of_the_batch_gives_the_same_steps() -> None:
    ran = _ran(Setting(GRU, {"num_layers": 2}, lengths=(7, 4, 2)))
    some = replay(ran.module, *prepared(ran.call, most=2), torch.Generator().manual_seed(0))
    for whole, part in zip(ran.scans, some, strict=True):
        torch.testing.assert_close(part.total, whole.total[:, ::2])
