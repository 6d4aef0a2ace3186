"""Paths that are cut, gradients that are exactly zero, parameters that the optimizer does not hold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.detection.data import accuracy, standard_digits
from benchmarks.detection.nets import Experts, GatedMlp, LoraLinear, Siamese, init_, mlp
from benchmarks.detection.nets_sequence import Recurrent, Transformer
from benchmarks.detection.nets_vision import cnn
from benchmarks.detection.nets_wiring import (
    Cut,
    Generator,
    Hidden,
    NoGradBody,
    Quantised,
    SharedDepth,
    Spikes,
    Stopped,
    TwoHeads,
    TwoInputs,
    UnusedBranch,
)
from benchmarks.detection.problem import Case, Factory, Family, Problem, adam, adamw, rmsprop, sgd
from benchmarks.detection.tasks import ADAM_2, TASKS, make_problem

Change = Callable[[Tensor], Tensor]


def same(x: Tensor) -> Tensor:
    return x


def through(change: Change) -> Change:
    """Straight-through estimator of `change`."""
    return lambda x: x + (change(x) - x).detach()


def both_heads(outputs: dict[str, Tensor], digit: Tensor) -> Tensor:
    parity = (digit % 2).float()[:, None]
    return F.cross_entropy(outputs["digit"], digit) + F.binary_cross_entropy_with_logits(outputs["even"], parity)


def through_numpy(x: Tensor) -> Tensor:
    return torch.tensor(x.tolist())


def winner(x: Tensor) -> Tensor:
    return F.one_hot(x.argmax(-1), x.shape[-1]).float()


def steps_of_quarters(x: Tensor) -> Tensor:
    return torch.round(4 * x) / 4


def body(kind: str, width: int, depth: int) -> tuple[nn.Module, str]:
    """A body that ends in `width` features, and the task that feeds it."""
    if kind == "cnn":
        return init_(cnn(width, depth, width, pool_every=2), "he"), "images"
    if kind == "gru":
        return Recurrent("gru", 8, width, width), "rows"
    if kind == "transformer":
        return Transformer(17, width, depth, width), "tokens"
    return init_(mlp(64, width, depth, width), "he"), "digits"


def cut(
    seed: int,
    widen: int = 1,
    *,
    kind: str = "mlp",
    width: int = 32,
    depth: int = 2,
    change: Change = same,
    opt: Factory = ADAM_2,
    batch: int = 64,
    steps: int = 150,
) -> Problem:
    torch.manual_seed(seed)
    made, task = body(kind, width * widen, depth)
    model = Cut(made, change, mlp(width * widen, width * widen, 1, 10))
    return make_problem(model, TASKS[task], seed=seed, opt=opt, batch=batch, steps=steps)


def no_grad(
    seed: int, widen: int = 1, *, kind: str = "cnn", width: int = 16, depth: int = 3, grad: bool = True
) -> Problem:
    torch.manual_seed(seed)
    made, task = body(kind, width * widen, depth)
    model = NoGradBody(made, nn.Sequential(nn.ReLU(), nn.Linear(width * widen, 10)), grad)
    return make_problem(model, TASKS[task], seed=seed, opt=adam(2e-3), steps=150)


def missed(
    seed: int,
    widen: int = 1,
    *,
    kind: str = "mlp",
    width: int = 32,
    depth: int = 2,
    held: str | None = None,
    replaced: bool = False,
    opt: Factory = ADAM_2,
    steps: int = 150,
) -> Problem:
    """The optimizer holds only the parameters under `held`, or was built before the body was `replaced`."""
    torch.manual_seed(seed)
    made, task = body(kind, width * widen, depth)
    model = Cut(made, torch.relu, nn.Linear(width * widen, 10))
    optimizer = opt([p for name, p in model.named_parameters() if held is None or name.startswith(held)])
    if replaced:
        model.body = body(kind, width * widen, depth)[0]
    problem = make_problem(model, TASKS[task], seed=seed, steps=steps)
    return Problem(model, problem.batches, problem.test, problem.score, problem.loss_fn, optimizer, steps)


def adapters(
    seed: int,
    widen: int = 1,
    *,
    zero: str = "outer",
    late: bool = False,
    rank: int = 4,
    width: int = 64,
    target: int = 5,
) -> Problem:
    """Low-rank adapters on a trained, frozen network; `late`: the optimizer was built before they were added."""
    torch.manual_seed(seed)
    model = init_(mlp(64, width * widen, 2, 10), "he")
    task = TASKS["digits"]
    make_problem(model, task, seed=seed, opt=adam(2e-3), converge=100)
    optimizer = torch.optim.Adam(list(model.parameters()), lr=5e-3)
    for index in (0, 2, 4):
        model[index] = LoraLinear(model[index], rank, zero)
    if not late:
        optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=5e-3)
    # The new task: digits under a fixed permutation of the classes.
    data = task.data().map(on_y=lambda y: (y + target) % 10)
    problem = make_problem(model, task, seed=seed, steps=200, data=data)
    return Problem(model, problem.batches, problem.test, problem.score, problem.loss_fn, optimizer, 200)


def module(
    seed: int,
    widen: int = 1,
    *,
    make: Callable[[int], nn.Module],
    width: int = 32,
    task: str = "digits",
    opt: Factory = ADAM_2,
    loss: Any = None,
    score: Any = None,
    batch: int = 64,
    steps: int = 200,
    batchwise: Callable[[Any], Any] | None = None,
) -> Problem:
    """Any module; `batchwise` rearranges each batch."""
    torch.manual_seed(seed)
    problem = make_problem(
        make(width * widen), TASKS[task], seed=seed, opt=opt, batch=batch, steps=steps, loss_fn=loss, score=score
    )
    if batchwise is None:
        return problem
    return Problem(
        problem.model,
        [batchwise(b) for b in problem.batches],
        batchwise(problem.test),
        problem.score,
        problem.loss_fn,
        opt,
        steps,
    )


def stepped(seed: int, widen: int = 1) -> Problem:
    """Trained through `step` with two terms, as unusual losses are."""
    torch.manual_seed(seed)
    data = standard_digits()

    def step(model: nn.Module, batch: Any) -> Tensor:
        logits, agreement = model(batch[0])
        return F.cross_entropy(logits, batch[1]) + agreement

    return Problem(
        Stopped(48 * widen),
        data.batches(64, seed),
        data.test,
        accuracy(0.1, lambda out: out[0].argmax(-1)),
        optimizer=adam(2e-3),
        step=step,
    )


def warm_up(seed: int, widen: int = 1) -> Problem:
    """A linear warm-up: the rate at the first step is zero."""
    torch.manual_seed(seed)
    model = init_(mlp(64, 64 * widen, 3, 10), "he")
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, step / 50))
    data = standard_digits()
    return Problem(
        model, data.batches(64, seed), data.test, accuracy(), F.cross_entropy, optimizer, schedule=schedule.step
    )


CUT = Family("wiring", cut)
NO_GRAD = Family("wiring", no_grad)
MISSED = Family("wiring", missed)
LORA = Family("adapters", adapters)
MODULE = Family("wiring", module)
_BODY = {"effect": "part", "part": "body"}

# Tables, a case in as few lines as it takes.
# fmt: off
BROKEN: tuple[Case, ...] = (
    *CUT.pair("detach-mlp", "HW601", "tune", {}, {"change": Tensor.detach}, {}, **_BODY),
    *CUT.pair("detach-transformer", "HW601", "held_out", {"kind": "transformer", "steps": 250},
        {"change": Tensor.detach}, {}, **_BODY),
    *CUT.pair("data-attribute-gru", "HW601", "tune", {"kind": "gru", "opt": adam(5e-3)}, {"change": lambda x: x.data},
        {}, **_BODY),
    *CUT.pair("through-numpy-cnn", "HW601", "held_out", {"kind": "cnn", "depth": 3, "opt": rmsprop(1e-3)},
        {"change": through_numpy}, {}, **_BODY),
    *CUT.pair("argmax-mlp", "HW601", "held_out", {"width": 64, "depth": 1, "opt": adam(1e-2), "steps": 300},
        {"change": winner}, {"change": lambda x: x.softmax(-1) + (winner(x) - x.softmax(-1)).detach()}, learns=0.4,
        **_BODY),
    *NO_GRAD.pair("no-grad-body-cnn", "HW601", "tune", {}, {"grad": False}, {"grad": True}, **_BODY),
    *MODULE.pair("spikes-without-surrogate", "HW601", "held_out", {"task": "rows", "width": 64, "opt": adam(5e-3)},
        {"make": lambda w: Spikes(w, False)}, {"make": lambda w: Spikes(w, True)}, effect="part", part="inner"),
    *CUT.pair("sign-mlp", "HW602", "tune", {"width": 64}, {"change": torch.sign}, {"change": through(torch.sign)},
        **_BODY),
    *CUT.pair("round-cnn", "HW602", "held_out", {"kind": "cnn", "depth": 3}, {"change": steps_of_quarters},
        {"change": through(steps_of_quarters)}, **_BODY),
    *CUT.pair("floor-gru", "HW602", "held_out", {"kind": "gru", "opt": adam(5e-3)}, {"change": torch.floor},
        {"change": through(torch.floor)}, **_BODY),
    *CUT.pair("dropout-of-everything", "HW602", "tune", {"width": 48}, {"change": lambda x: F.dropout(x, 1.0)},
        {"change": lambda x: F.dropout(x, 0.1)}, accept=("HW103",), note="1.0 meant the share to keep"),
    *LORA.pair("adapters-both-zero", "HW602", "held_out", {}, {"zero": "both"}, {"zero": "outer"}, accept=("HW607",),
        note="with both factors zero the units are also identical"),
    *MISSED.pair("optimizer-over-head-mlp", "HW606", "tune", {"depth": 3}, {"held": "head"}, {}, **_BODY),
    *MISSED.pair("optimizer-over-head-transformer", "HW606", "held_out", {"kind": "transformer", "steps": 250},
        {"held": "head"}, {}, **_BODY),
    *MISSED.pair("body-replaced-cnn", "HW606", "tune",
        {"kind": "cnn", "width": 16, "depth": 3, "opt": sgd(0.02, 0.9)}, {"replaced": True}, {}, **_BODY),
    *MISSED.pair("body-replaced-gru", "HW606", "held_out", {"kind": "gru", "opt": adamw(5e-3)}, {"replaced": True},
        {}, **_BODY),
    *MODULE.pair("layers-in-python-list", "HW606", "held_out", {"width": 16, "opt": adam(5e-3)},
        {"make": lambda w: Hidden(w, False)}, {"make": lambda w: Hidden(w, True)}, effect="worse",
        note="the graph reaches parameters that the module does not list"),
    *LORA.pair("adapters-after-optimizer", "HW606", "tune", {"width": 100, "rank": 8}, {"late": True}, {}),
)

HEALTHY: tuple[Case, ...] = (
    MODULE.healthy("unused-branch", "tune", make=UnusedBranch),
    MODULE.healthy("expert-never-chosen", "held_out", make=lambda w: Experts(64, w, 4, 10), opt=adam(5e-3)),
    MODULE.healthy("siamese-tower", "tune", make=lambda w: Siamese(64, w, 10)),
    MODULE.healthy("gated-mlp", "held_out", make=lambda w: GatedMlp(64, w, 3, 10), width=48),
    MODULE.healthy("gated-mlp-shut", "tune", make=lambda w: GatedMlp(64, w, 3, 10, bias=-6.0), width=48,
        opt=adam(5e-3), note="gates start shut, by design"),
    MODULE.healthy("two-heads", "held_out", make=TwoHeads, score=accuracy(0.1, lambda out: out["digit"].argmax(-1)),
        loss=both_heads),
    MODULE.healthy("two-inputs", "tune", make=TwoInputs, width=64,
        batchwise=lambda b: ((b[0][:, :32], b[0][:, 32:]), b[1])),
    MODULE.healthy("vector-quantised", "held_out", make=lambda w: Quantised(w), width=8, opt=adam(5e-3),
        score=accuracy(0.1, lambda out: out[0].argmax(-1)), steps=300, learns=0.5,
        loss=lambda out, y: F.cross_entropy(out[0], y) + out[1],
        note="for a few steps all samples share one code; then they spread again"),
    MODULE.healthy("shared-depth-12", "tune", make=lambda w: SharedDepth(w, 12), width=64),
    MODULE.healthy("generator-through-frozen-critic", "held_out", make=Generator, width=64),
    Case("stop-gradient-teacher", None, "wiring", "tune", stepped),
    Case("warm-up-from-zero", None, "wiring", "held_out", warm_up),
)
# fmt: on

CASES = BROKEN + HEALTHY
