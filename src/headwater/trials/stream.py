"""Batches in an order that depends on the seed alone, whatever the network draws meanwhile."""

from __future__ import annotations

import copy
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any, cast

import torch

from headwater.errors import BatchError
from headwater.measure import RandomState, generators, seed_all, take


def materialised(batches: Any, most: int) -> Any:
    """Returns what can be iterated over again and again, in any process.

    Args:
        batches: as for `headwater.diagnose`: one batch, or an iterable of batches.
        most: batches that are read from an iterator, which can be read once only.
    """
    if isinstance(batches, Sequence):
        return take(batches, len(cast("Sequence[Any]", batches)))[0]
    if not isinstance(batches, Iterable) or isinstance(batches, dict | torch.Tensor):
        return take(batches, 1)[0]
    if iter(cast("Iterable[Any]", batches)) is batches:
        return take(batches, most)[0]
    loader = copy.copy(cast(Any, batches))
    if getattr(loader, "_iterator", None) is not None:
        loader._iterator = None  # persistent workers, which belong to one process
    return loader


class Stream:
    """Endless batches of a `materialised` source, from its start again whenever it ends.

    What loading draws (shuffling, augmentation) comes from random numbers of its own. Networks that draw differently
    many numbers, as one with dropout does, therefore see the same batches.
    """

    def __init__(self, batches: Any, seed: int) -> None:
        self._batches = batches
        self._rows: Iterator[Any] = iter(())
        outside = RandomState.now()
        seed_all(seed)
        self._random = RandomState.now()
        outside.again()
        own = enumerate(generators(batches))
        self._own = [(each, torch.Generator(each.device).manual_seed(seed + i).get_state()) for i, each in own]

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        if isinstance(self._batches, list):
            return self._next()
        with self._apart():
            return self._next()

    def first(self, most: int) -> list[Any]:
        """Returns the first batches of one pass."""
        with self._apart():
            return list(islice(iter(self._batches), most))

    def _next(self) -> Any:
        for batch in self._rows:
            return batch
        self._rows = iter(self._batches)
        for batch in self._rows:
            return batch
        raise BatchError(f"Expected at least one batch, got an empty {type(self._batches).__name__}.")

    @contextmanager
    def _apart(self) -> Generator[None]:
        """Draws from the stream's own random numbers inside."""
        outside, theirs = RandomState.now(), [(each, each.get_state()) for each, _ in self._own]
        self._random.again()
        _set(self._own)
        try:
            yield
        finally:
            self._random, self._own = RandomState.now(), [(each, each.get_state()) for each, _ in self._own]
            outside.again()
            _set(theirs)


def _set(states: list[tuple[torch.Generator, torch.Tensor]]) -> None:
    for generator, state in states:
        generator.set_state(state)
