"""Faults of Headwater's own, injected everywhere: the training goes on, bit for bit, and nothing is left hooked."""

from __future__ import annotations

import functools
import inspect
import logging
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from types import FunctionType, ModuleType
from typing import Any

import pytest
import torch
from torch import nn
from torch.amp.grad_scaler import GradScaler
from torch.nn import functional as F
from torch.nn.utils import clip_grad_norm_, clip_grad_value_

from headwater.monitor import Monitor, Settings, Teller
from headwater.monitor.shield import Shield
from tests.monitor.training import assert_as_found, assert_equal, batch, hooks, seeded, state

STEPS = 5

OUTSIDE = {
    # entered before a training is under watch, or after it, where raising is right
    "watch", "Settings.__post_init__", "named_models", "named_optimizers", "module_of", "optimizer_of", "together",
    "Monitor.__init__", "Monitor.attach", "Monitor._hook", "Governor.__init__", "Alarms.__init__", "Shield.__init__",
    "_type", "listen", "_install", "_replace", "_replace_inside", "_wrapped", "around_step",
    "Shield.guard", "Shield.run", "Shield.fail", "Shield.end",
    "Guarded.__init__", "Guarded.__call__", "Before.__init__", "Before.__call__", "After.__init__", "After.__call__",
    "Shield._report", "Shield.at_end",
    "Guarded.__deepcopy__", "Guarded.__reduce__", "_nothing", "PreActivations.__torch_function__",
    "LiveProbe._unwind", "source_lines",  # the one leaves what was entered; the other runs on from before
    "_backward", "_clip_by_norm", "_clip_by_value", "_scaled_step",  # the doors, which hold nothing but shielded calls
    "_stack", "_places",  # where they fail PyTorch's own stands in: tests/graph/test_lines.py
    "Monitor.before_backward", "Monitor.after_backward", "Monitor.clipped", "Monitor.before_scaled_step",
    "Monitor.after_scaled_step", "Monitor._guarded", "Monitor.detach", "Monitor.fault",
    "Session._stepped", "Session._stop_when_enough",  # of an ended session, still hooked while other threads run
}  # fmt: skip
REMOVERS = {
    # take hooks away: what one of them has left when it failed, closing again removes
    "settle", "_go_back", "LiveProbe._remove_hooks", "LiveProbe.close", "ReplayedProbe.close", "_inside", "Probe.shut",
    "Probe.stop", "Updates.forget", "Track.close", "Track._drop_probe", "leave", "_uninstall", "_mode",
}  # fmt: skip


class InjectedError(Exception):
    """Stands for any fault."""


def _modules() -> list[ModuleType]:
    """Everything of Headwater that may run inside a hook."""
    parts = ("headwater.monitor", "headwater.measure", "headwater.graph", "headwater.rules", "headwater.records")
    return [module for name, module in sorted(sys.modules.items()) if name.startswith(parts)]


def _functions() -> dict[FunctionType, str]:
    """Every function and method that is written there."""
    found: dict[FunctionType, str] = {}
    for module in _modules():
        for holder in [module, *(c for c in vars(module).values() if inspect.isclass(c))]:
            if inspect.isclass(holder) and not holder.__module__.startswith("headwater"):
                continue
            for value in vars(holder).values():
                inner: Any = (
                    value.fget if isinstance(value, property) else inspect.unwrap(value) if callable(value) else value
                )
                if isinstance(inner, FunctionType) and inner.__module__.startswith("headwater"):
                    found[inner] = inner.__qualname__
    return found


def _train(start: Callable[..., Any], *, compiles: bool) -> Any:
    """A training that comes through every hook: a scaler, a step that it skips, clipping of both kinds."""
    model: Any = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 2))
    model = torch.compile(model, backend="eager") if compiles else model
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    scaler = GradScaler("cpu", init_scale=64.0)
    start(model, optimizer)
    for i in range(STEPS):
        inputs, targets = batch()
        optimizer.zero_grad()
        scaler.scale(F.cross_entropy(model(inputs), targets) * (math.inf if i == 2 else 1.0)).backward()
        scaler.unscale_(optimizer)
        (clip_grad_value_ if i % 2 else clip_grad_norm_)(model.parameters(), 0.01)
        scaler.step(optimizer)
        scaler.update()
    return model, optimizer


def _run(
    *,
    watches: bool = True,
    during: AbstractContextManager[Any] | None = None,
    twice: bool = False,
    compiles: bool = False,
) -> tuple[list[Any], Monitor | None]:
    """Trains, inside of `during` from the beginning of watching to its end; closes once more after that if `twice`."""
    given: list[Any] = []
    inside = ExitStack()

    def start(model: Any, optimizer: Any) -> None:
        monitor = Monitor(model, optimizer, Settings(budget=math.inf)) if watches else None
        given.append((list(hooks(model, optimizer).values()), monitor))
        if monitor is not None:
            monitor.attach()
        if during is not None:
            inside.enter_context(during)

    with seeded(), inside:
        model, optimizer = _train(start, compiles=compiles)
        before, monitor = given[0]
        if monitor is not None:
            monitor.detach()
        inside.close()
        if monitor is not None and twice:
            monitor.detach()
        assert list(hooks(model, optimizer).values()) == before
        return state(model, optimizer), monitor


@pytest.fixture(scope="module")
def plain() -> list[Any]:
    return _run(watches=False)[0]


@contextmanager
def _profiled(note: Any) -> Iterator[None]:
    sys.setprofile(note)
    try:
        yield
    finally:
        sys.setprofile(None)


def _called(*, compiles: bool) -> dict[FunctionType, str]:
    """The functions that a watched training enters once it is watched."""
    codes = {id(function.__code__): function for function in _functions()}
    entered: dict[FunctionType, str] = {}

    def note(frame: Any, event: str, _argument: Any) -> None:
        function = codes.get(id(frame.f_code)) if event == "call" else None
        if function is not None:
            entered[function] = function.__qualname__

    _run(during=_profiled(note), compiles=compiles)
    return entered


def _clear_caches() -> None:
    """What remembers its results would not be entered again."""
    for module in _modules():
        for value in vars(module).values():
            if isinstance(value, functools._lru_cache_wrapper):
                value.cache_clear()


@contextmanager
def _raising(function: FunctionType) -> Iterator[None]:
    """Makes a function raise, whoever holds a reference to it: its code is another's, with as many free variables."""
    kept = function.__code__
    names = ", ".join(kept.co_freevars)
    space: dict[str, Any] = {}
    raises = f"def f(*_, **__):\n  {names or None}\n  raise __import__('sys').modules[{__name__!r}].InjectedError\n"
    exec(f"def outer({names}):\n " + raises.replace("\n", "\n ") + "return f", space)
    function.__code__ = space["outer"](*kept.co_freevars).__code__
    try:
        yield
    finally:
        function.__code__ = kept


@pytest.mark.parametrize("compiles", [False, True], ids=["eager", "compiled"])
def test_an_exception_in_any_function_of_ours_ends_watching_and_not_the_training(
    compiles: bool, caplog: pytest.LogCaptureFixture
) -> None:
    torch._dynamo.reset()
    _run(compiles=compiles)  # what is built once, when a module is imported, is built here
    entered = _called(compiles=compiles)
    if compiles:
        entered = {function: name for function, name in entered.items() if "replay" in function.__module__}
    assert len(entered) > (10 if compiles else 300)  # the walk finds what there is
    plain, _ = _run(watches=False, compiles=compiles)
    for function, name in entered.items():
        if name in OUTSIDE:
            continue
        caplog.clear()
        _clear_caches()
        left, monitor = _run(during=_raising(function), twice=name in REMOVERS, compiles=compiles)
        assert_equal(plain, left)
        assert_as_found()
        assert monitor is not None
        assert isinstance(monitor.fault, InjectedError), name
        warned = [r for r in caplog.records if r.levelno >= logging.WARNING and "by itself" in r.message]
        assert len(warned) == 1, name


def test_nothing_is_logged_and_nothing_fails_without_a_fault(
    plain: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    left, monitor = _run()
    assert_equal(plain, left)
    assert monitor is not None and monitor.fault is None
    assert not [record for record in caplog.records if "by itself" in record.message]


@pytest.mark.parametrize("ours", [KeyboardInterrupt, SystemExit])
def test_what_ends_the_program_passes_through(ours: type[BaseException]) -> None:
    def hook() -> None:
        raise ours

    shield = Shield()
    with pytest.raises(ours):
        shield.guard(hook)()
    assert shield.fault is None


def test_a_callback_of_the_user_that_raises_is_called_no_more(caplog: pytest.LogCaptureFixture) -> None:
    told: list[object] = []

    def tell(event: object) -> None:
        told.append(event)
        raise InjectedError

    model = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    monitor = Monitor(model, optimizer, Settings(budget=math.inf), [Teller(tell)])
    monitor.attach()
    for _ in range(STEPS):
        optimizer.zero_grad()
        (model(batch()[0]).sum() * math.nan).backward()
        optimizer.step()
    monitor.detach()
    assert len(told) == 1
    assert "Teller gets nothing more" in caplog.text
    assert monitor.fault is None and monitor.tracks[0].steps == STEPS
    assert_as_found()


def test_after_a_fault_nothing_is_kept() -> None:
    (take,) = [function for function, name in _functions().items() if name == "Figures.take"]
    _, monitor = _run(during=_raising(take))
    assert monitor is not None
    assert all(track._probe is None and not track._window.updates._before for track in monitor.tracks)
