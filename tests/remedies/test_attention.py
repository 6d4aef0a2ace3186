"""Attentions that look at one key only, and positions that nothing tells apart."""

from __future__ import annotations

import copy
import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from headwater.remedies import Training, remedy
from headwater.remedies.normalise_queries import normalise
from headwater.remedies.position_encoding import add_positions
from headwater.remedies.scale_logits import DividedLogits
from tests.remedies.trainings import case, codes, diagnosed, executed, same_training

CASES = [
    ("init-matched:attention", "sharp-library-pre", "HW303"),
    ("init-matched:attention", "sharp-reader", "HW303"),
    ("init-matched:attention", "forum-cross-attention-blown-up", "HW303"),
    ("scale-logits", "sharp-written-out", "HW303"),
    ("scale-logits", "sharp-causal", "HW303"),
    ("scale-logits", "stream-in-large-units", "HW303"),
    ("scale-logits", "forum-scores-not-divided", "HW303"),
    ("scale-logits", "forum-attention-pooling-temperature", "HW303"),
    ("normalise-queries", "sharp-causal-written-out", "HW303"),
    ("normalise-queries", "stream-in-large-units", "HW303"),
    ("position-encoding", "forum-same-output-for-every-token", "HW104"),
]


@pytest.mark.parametrize(("key", "name", "code"), CASES)
def test_the_collapse_is_no_longer_found_and_the_code_does_the_same(key: str, name: str, code: str) -> None:
    problem, broken = case(name)
    assert code in codes(broken.findings)
    assert remedy(key).refusal(broken) is None
    written = copy.deepcopy(problem.model)
    torch.manual_seed(1)
    change = remedy(key).apply(broken)
    live = copy.deepcopy(problem.model)
    torch.manual_seed(1)
    assert same_training(live, executed(change, written), problem)
    assert code not in codes(diagnosed(problem))


@pytest.mark.parametrize(
    ("key", "name", "why"),
    [
        ("init-matched:attention", "forum-scores-not-divided", "usual size"),
        ("init-matched:attention", "stream-in-large-units", "usual size"),
        ("scale-logits", "sharp-library-pre", "divides its scores itself"),
        ("scale-logits", "one-block", "no attention"),
        ("normalise-queries", "sharp-library-pre", "no two linear layers"),
        ("normalise-queries", "forum-scores-not-divided", "no two linear layers"),
        ("position-encoding", "one-block", "positions of a sample differ"),
    ],
)
def test_others_are_left(key: str, name: str, why: str) -> None:
    assert why in (remedy(key).refusal(case(name)[1]) or "")


def test_only_queries_and_keys_are_drawn_and_to_xaviers_size() -> None:
    _, broken = case("sharp-library-pre")
    before = {name: p.detach().clone() for name, p in broken.model.named_parameters()}
    change = remedy("init-matched:attention").apply(broken)
    assert change.places == ("layers.0.self_attn", "layers.1.self_attn")
    for name, p in broken.model.named_parameters():
        if not name.endswith("in_proj_weight"):
            assert torch.equal(p, before[name])
            continue
        queries, keys, values = p.detach().chunk(3)
        assert torch.equal(values, before[name].chunk(3)[2])
        for part in (queries, keys):
            bound = math.sqrt(6 / (2 * 32))
            assert 0.95 * bound < float(part.abs().max()) <= bound
            assert float(part.std()) == pytest.approx(bound / math.sqrt(3), rel=0.05)


def test_trained_queries_are_kept() -> None:
    _, broken = case("sharp-library-pre")
    with torch.no_grad():
        for layer in broken.model.layers:  # type: ignore[union-attr]
            learnt = torch.outer(torch.randn(96), torch.randn(32))
            layer.self_attn.in_proj_weight += 200 * learnt / learnt.norm()
    assert "look trained" in (remedy("init-matched:attention").refusal(broken) or "")


class Attending(nn.Module):
    """One attention, fused or written out, behind a mask."""

    def __init__(self, fused: bool, mask: Tensor | None, factor: float = 30.0) -> None:
        super().__init__()
        self.query, self.key = nn.Linear(6, 6), nn.Linear(6, 6)
        self.fused, self.mask, self.factor = fused, mask, factor

    def scores(self, x: Tensor) -> Tensor:
        return self.factor * self.query(x) @ self.key(x).mT

    def forward(self, x: Tensor) -> Tensor:
        if self.fused:
            return F.scaled_dot_product_attention(self.query(x), self.key(x), x, self.mask, scale=self.factor)
        scores = self.scores(x)
        return (scores if self.mask is None else scores.masked_fill(~self.mask, -1e9)).softmax(-1) @ x


CAUSAL = torch.ones(8, 8, dtype=torch.bool).tril()


@pytest.mark.parametrize(("fused", "mask"), [(False, None), (False, CAUSAL), (True, None), (True, CAUSAL)])
def test_scores_are_divided_by_their_deviation_in_the_first_batch(fused: bool, mask: Tensor | None) -> None:
    torch.manual_seed(0)
    model, x = Attending(fused, mask), torch.randn(32, 8, 6)
    seen = model.scores(x) if mask is None or fused else model.scores(x)[:, mask]
    deviation = float(seen.detach().std())
    plain = copy.deepcopy(model)
    plain.factor /= deviation
    model.forward = DividedLogits(model)  # type: ignore[method-assign]
    torch.testing.assert_close(model(x), plain(x), atol=2e-2, rtol=2e-2)  # the largest negative scores are left out
    assert float(model.get_buffer("logit_deviation")) == pytest.approx(deviation, rel=0.05)
    torch.testing.assert_close(model(x[:3]), model(x)[:3])  # a later batch does not change it


def test_a_checkpoint_is_loaded_into_an_attention_that_has_run_nothing() -> None:
    torch.manual_seed(0)
    trained, x = Attending(False, None), torch.randn(32, 8, 6)
    fresh = copy.deepcopy(trained)
    for model in (trained, fresh):
        model.forward = DividedLogits(model)  # type: ignore[method-assign]
    copied = copy.deepcopy(fresh)
    trained(x)
    for model in (fresh, copied):
        model.load_state_dict(trained.state_dict())
        assert torch.equal(model(x / 3), trained(x / 3))


def test_even_scores_and_a_copys_own_weights() -> None:
    torch.manual_seed(0)
    model, x = Attending(False, None, factor=0.1), torch.randn(32, 8, 6)
    before = model(x)
    model.forward = DividedLogits(model)  # type: ignore[method-assign]
    assert torch.equal(model(x), before)  # scores that are small are not made sharper
    twin = copy.deepcopy(model)
    with torch.no_grad():
        twin.query.weight.mul_(50)
    assert not torch.allclose(twin(x), before, atol=1e-3)
    assert torch.equal(model(x), before)
    with pytest.raises(RuntimeError):
        model(x[..., :3])
    assert torch.equal(x.softmax(-1), F.softmax(x, -1))  # nothing is left behind when a forward raises


def test_normalised_queries_and_keys_bound_the_scores() -> None:
    torch.manual_seed(0)
    heads, width = 3, 5
    long, longer = (normalise(nn.Identity(), (), f * torch.randn(2, 7, heads * width), heads) for f in (1e3, 1e6))
    q, k = (x.view(2, 7, heads, width).transpose(1, 2) for x in (long, longer))
    scores = q @ k.mT / math.sqrt(width)
    assert 1 < float(scores.abs().max()) <= math.sqrt(width) + 1e-5
    torch.testing.assert_close(q.square().mean(-1), torch.ones(2, heads, 7))


@pytest.mark.parametrize("batch_first", [True, False])
def test_positions_are_sines_and_cosines(batch_first: bool) -> None:
    length, width = 9, 7
    x = torch.zeros((2, length, width) if batch_first else (length, 2, width))
    added = add_positions(nn.Identity(), (x,), batch_first)[0]
    for t in range(length):
        for i in range(width):
            angle = t / 10000 ** ((i - i % 2) / width)
            expected = math.cos(angle) if i % 2 else math.sin(angle)
            for n in range(2):
                assert float(added[n, t, i] if batch_first else added[t, n, i]) == pytest.approx(expected, abs=1e-5)


def test_the_first_block_of_a_network_with_positions_first() -> None:
    torch.manual_seed(0)
    model = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0), 2, enable_nested_tensor=False)
    found = equal_positions(model)
    change = remedy("position-encoding").apply(found)
    assert change.places == ("layers.0",)
    x = torch.randn(1, 3, 8).expand(5, 3, 8)  # five equal positions
    assert float(model(x).detach().std(0).min()) > 1e-3


class Beside(nn.Module):
    """An attention of PyTorch's beside the embedding, in the model or in a block of it, called in three ways."""

    def __init__(self, call: str) -> None:
        super().__init__()
        self.call, self.embed = call, nn.Embedding(9, 8)
        self.attn, self.out = nn.MultiheadAttention(8, 2, batch_first=True), nn.Linear(8, 2)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embed(tokens)
        if self.call == "by name":
            h, _ = self.attn(query=x, key=x, value=x)
        elif self.call == "mixed":
            h, _ = self.attn(x, x, value=x, need_weights=False)
        else:
            h, _ = self.attn(x, x, x)
        return self.out(h)


@pytest.mark.parametrize("call", ["by place", "by name", "mixed"])
@pytest.mark.parametrize("inside", [True, False])
def test_an_attention_beside_the_embedding_gets_positions_itself(call: str, inside: bool) -> None:
    torch.manual_seed(0)
    model: nn.Module = nn.Sequential(Beside(call), nn.Identity()) if inside else Beside(call)
    path, tokens = "0.attn" if inside else "attn", torch.full((3, 5), 4)
    assert float(model(tokens).detach().std(1).max()) < 1e-6
    found, written = equal_positions(model, path), copy.deepcopy(model)
    assert remedy("position-encoding").refusal(found) is None
    change = remedy("position-encoding").apply(found)
    assert change.places == (path,)
    answers = model(tokens)
    assert float(answers.detach().std(1).min()) > 1e-3
    assert torch.equal(executed(change, written)(tokens), answers)
    block = model.get_submodule("0") if inside else model
    assert isinstance(block, Beside)
    x = add_positions(block, (block.embed(tokens),))[0]
    torch.testing.assert_close(answers, block.out(F.multi_head_attention_forward(
        *(x.transpose(0, 1) for _ in range(3)), 8, 2, block.attn.in_proj_weight, block.attn.in_proj_bias, None, None,
        False, 0.0, block.attn.out_proj.weight, block.attn.out_proj.bias)[0].transpose(0, 1)))  # fmt: skip


def test_a_model_that_attends_to_its_own_embedding_is_left() -> None:
    found = equal_positions(Beside("by place"), "")
    assert "token numbers" in (remedy("position-encoding").refusal(found) or "")


def equal_positions(model: nn.Module, *paths: str) -> Training:
    """A training of this model, found to give one answer at each position."""
    _, broken = case("forum-same-output-for-every-token")
    records = broken.measurement.attention[:2]
    paths = paths or tuple(f"layers.{i}.self_attn" for i in range(2))
    named = tuple(replace(each, name=path) for path, each in zip(paths, records, strict=False))
    return Training(model, broken.optimizer, replace(broken.measurement, attention=named), broken.findings, 1)
