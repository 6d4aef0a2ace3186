"""Leaves the user's model, random numbers and settings as they were, whatever a diagnosis does or raises."""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, cast

import numpy as np
import torch
from torch import nn
from torch.utils import checkpoint

from headwater.errors import ModelError


@contextmanager
def untouched(model: nn.Module, seed: int, batches: Any = None) -> Generator[None]:
    """Guards generators of random numbers, gradients, buffers and modes of autograd; draws from `seed` inside.

    Args:
        model: the user's own, which nothing inside may train.
        seed: of all random numbers drawn inside.
        batches: a data loader, whose own generator is put back too.

    Raises:
        ModelError: the model got a gradient.
    """
    devices = sorted({p.device.index or 0 for p in model.parameters() if p.device.type == "cuda"})
    gradients = [(p, p.grad) for p in model.parameters()]
    buffers = [(buffer, buffer.detach().clone()) for buffer in model.buffers()]
    drawing = [(generator, generator.get_state()) for generator in generators(batches)]
    numpy_state, python_state = np.random.get_state(), random.getstate()
    try:
        with (
            torch.random.fork_rng(devices=devices),
            torch.inference_mode(False),
            torch.enable_grad(),
            _plain(),
            _unblamed(),
        ):
            seed_all(seed)
            for parameter, _ in gradients:
                parameter.grad = None
            yield
            if any(parameter.grad is not None for parameter, _ in gradients):
                raise ModelError(
                    "The loss trained the original model and not the copy that it was given. Let step(model, batch) "
                    "use its own argument, and loss_fn no parameters of the model."
                )
    finally:
        for parameter, gradient in gradients:
            parameter.grad = gradient
        for buffer, before in buffers:
            if buffer.shape != before.shape:  # one that takes its shape from the first batch
                buffer.resize_as_(before)
            if not torch.equal(buffer, before):
                buffer.detach().copy_(before)
        for generator, state in drawing:
            generator.set_state(state)
        np.random.set_state(numpy_state)
        random.setstate(python_state)


def seed_all(seed: int) -> None:
    """Seeds every generator of random numbers that a model can draw from."""
    seed_torch(seed)
    random.seed(seed)
    np.random.seed(seed % 2**32)


def seed_torch(seed: int) -> None:
    """As `torch.manual_seed`, which keeps a stack trace of every call for devices that are not in use.

    A build of PyTorch that knows no other device than the CPU needs none. Whether there is one is not asked: that wakes
    its driver.
    """
    if torch.accelerator.current_accelerator() is None:
        torch.default_generator.manual_seed(seed)
    else:
        torch.manual_seed(seed)


def generators(batches: Any) -> list[torch.Generator]:
    """Returns the generators that a data loader and its sampler draw from, each once."""
    sources = [batches, getattr(batches, "sampler", None), getattr(batches, "batch_sampler", None)]
    found = [getattr(source, "generator", None) for source in sources]
    return list({id(each): each for each in found if isinstance(each, torch.Generator)}.values())


@contextmanager
def _plain() -> Generator[None]:
    """Runs as plain Python what hides its operations from the graph.

    A compiled function is one opaque node. So is a reentrant checkpoint, which builds the graph inside only in the
    backward pass: its function is called as it is, without saving memory.
    """
    hidden = cast(Any, checkpoint).CheckpointFunction
    before = hidden.__dict__.get("apply")
    hidden.apply = staticmethod(_call)
    try:
        with torch.compiler.set_stance("force_eager"):
            yield
    finally:
        if before is None:
            del hidden.apply
        else:
            hidden.apply = before


@contextmanager
def _unblamed() -> Generator[None]:
    """Lets a warning about the user's call be said where the user made it, and not once more where it was watched."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UserWarning, module=r"headwater\.measure\.")
        yield


def _call(function: Callable[..., Any], _preserve_random_state: bool, *arguments: Any) -> Any:
    return function(*arguments)
