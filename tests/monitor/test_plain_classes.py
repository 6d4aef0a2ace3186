"""Optimizers that are classes of their own, without hooks: the step is wrapped, and nothing else notices."""

from __future__ import annotations

import copy
import functools
import inspect
import io
import pickle
from typing import Any

import pytest
import torch

from tests.monitor.test_optimizers import STEPS, _step
from tests.monitor.training import Start, assert_equal, assert_identical, begin, joint, mlp, seeded, state


class Plain:
    """A class of its own, without hooks and without state."""

    def __init__(self, parameters: Any, lr: float) -> None:
        self.param_groups = [{"params": list(parameters), "lr": lr}]

    def zero_grad(self, set_to_none: bool = True) -> None:
        for p in self.param_groups[0]["params"]:
            p.grad = None

    @torch.no_grad()
    def step(self) -> None:
        for p in self.param_groups[0]["params"]:
            p.sub_(p.grad, alpha=self.param_groups[0]["lr"])


def test_a_plain_class_is_watched() -> None:
    def train(start: Start) -> None:
        model = mlp()
        optimizer = Plain(model.parameters(), lr=0.01)
        start(model, optimizer)
        sizes[:] = [_step(model, optimizer) for _ in range(STEPS)]

    sizes: list[float] = []
    seen = assert_identical(train)
    assert [joint(step) for step in seen.steps] == pytest.approx(sizes, rel=1e-5)
    assert seen.probes() == STEPS


class Counting(Plain):
    """Has the step of its base, and all of its attributes in its state."""

    def state_dict(self) -> dict[str, Any]:
        return dict(vars(self))


class Delegating:
    """Passes everything on to another."""

    def __init__(self, inner: Plain) -> None:
        self.__dict__["inner"] = inner

    def __getattr__(self, name: str) -> Any:
        if name == "inner":  # while it is unpickled
            raise AttributeError(name)
        return getattr(self.inner, name)


def own_step(parameters: Any, lr: float) -> Plain:
    """Returns one whose step is an attribute of the object."""
    found = Plain(parameters, lr)
    found.step = functools.partial(Plain.step, found)  # type: ignore[method-assign]
    return found


@pytest.mark.parametrize("make", [Plain, Counting, lambda p, lr: Delegating(Plain(p, lr)), own_step])
def test_copies_of_a_plain_class_are_as_without(make: Any) -> None:
    """What each copy steps, and what is saved, with and without a watch: the original is stepped by none but itself."""

    def tried(watched: bool) -> list[Any]:
        with seeded():
            model = mlp()
            optimizer = make(model.parameters(), lr=0.01)
            seen = begin(model, optimizer) if watched else None
            _step(model, optimizer)
            left: list[Any] = [_saved(pickle.dumps(optimizer)), _saved(_file(optimizer))]
            for other in (copy.copy(optimizer), copy.deepcopy(optimizer), pickle.loads(pickle.dumps(optimizer))):
                for p in other.param_groups[0]["params"]:
                    p.grad = torch.ones_like(p)
                other.step()
                left += [[p.detach().clone() for p in each.param_groups[0]["params"]] for each in (optimizer, other)]
            left += [sorted(getattr(optimizer, "state_dict", dict)()), inspect.signature(optimizer.step)]
            _step(model, optimizer)
            if seen is not None:
                steps = seen.monitor.tracks[0].steps
                seen.watch.close()
                assert steps == (3 if make is own_step else 2)  # the step that it shares is the original's
                assert seen.monitor.fault is None
            return [*left, state(model, optimizer)[:2]]

    before = {kind: vars(kind).get("step") for kind in (Plain, Counting, Delegating)}
    assert_equal(tried(watched=False), tried(watched=True))
    assert {kind: vars(kind).get("step") for kind in before} == before


def _file(optimizer: Any) -> bytes:
    file = io.BytesIO()
    torch.save(optimizer, file)
    return file.getvalue()


def _saved(content: bytes) -> bool:
    return b"headwater" in content


def test_two_watches_of_objects_of_one_class_end_in_any_order() -> None:
    model = mlp()
    first, second, unseen = (Plain(model.parameters(), lr=0.01) for _ in range(3))
    watches = [begin(model, each) for each in (first, second, first)]
    for each in (first, second, unseen):
        _step(model, each)
    watches[0].watch.close()
    _step(model, first)
    watches[1].watch.close()
    _step(model, second)
    watches[2].watch.close()
    _step(model, first)
    assert [each.monitor.tracks[0].steps for each in watches] == [1, 1, 2]
    assert type(vars(Plain)["step"]).__name__ == "function"


def test_a_plain_class_whose_step_raises_is_watched_on() -> None:
    class Failing(Plain):
        fails = False

        def step(self) -> None:
            if self.fails:
                raise KeyError("the user's own")
            super().step()

    def train(start: Start) -> None:
        model = mlp()
        optimizer = Failing(model.parameters(), lr=0.01)
        seen = start(model, optimizer)
        for i in range(STEPS):
            optimizer.fails = i == 2
            try:
                _step(model, optimizer)
            except KeyError:
                assert i == 2
        if seen:
            assert seen.monitor.tracks[0].steps == STEPS - 1

    assert_identical(train)
