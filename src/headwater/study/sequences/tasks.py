"""Two tasks that ask for what was seen long before (Hochreiter and Schmidhuber 1997, "Long short-term memory")."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from headwater.errors import InputError

LETTERS, ASKED = 8, 10
"""Of the copy task: letters of the alphabet and letters to remember (Arjovsky, Shah and Bengio 2016, section 4.1)."""

Draw = Callable[[int, torch.Generator], tuple[torch.Tensor, torch.Tensor]]
Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Task:
    """A task on sequences; fresh ones are drawn for every batch.

    Attributes:
        name, title: how it is asked for, and how it is called in a sentence.
        inputs, outputs: features of a step, and of an answer.
        steps: length of a sequence.
        lag: the longest time between what is seen and the answer that needs it, in steps.
        baseline: expected loss of the best answer that remembers nothing.
        last: whether the answer is read at the last step only, else at every step.
        draw: ``draw(count, generator)`` gives inputs (steps, count, inputs), and targets.
        loss: of outputs and targets.
    """

    name: str
    title: str
    inputs: int
    outputs: int
    steps: int
    lag: int
    baseline: float
    last: bool
    draw: Draw
    loss: Loss


def adding(lag: int) -> Task:
    """The adding problem: `lag` random numbers in [0, 1], of which two are marked; the answer is the sum of these two.

    One mark lies in the first half and one in the second. Who always answers 1 has the mean squared error
    ``2 / 12 = 1/6``, the variance of the sum of two uniform numbers.
    """
    _at_least(lag, 4)

    def draw(count: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        values, marks = torch.rand(lag, count, generator=generator), torch.zeros(lag, count)
        columns = torch.arange(count)
        first = torch.randint(0, lag // 2, (count,), generator=generator)
        second = torch.randint(lag // 2, lag, (count,), generator=generator)
        marks[first, columns] = marks[second, columns] = 1.0
        total = values[first, columns] + values[second, columns]
        return torch.stack([values, marks], 2), total[:, None]

    return Task("adding", "adding problem", 2, 1, lag, lag, 1.0 / 6.0, True, draw, F.mse_loss)


def copying(lag: int) -> Task:
    """The copy task: ten letters of eight, `lag` blanks, the last of which is the sign to begin; then all ten letters.

    Until the sign, and one step for each letter before it, the answer is a blank. Who knows when to begin but not what
    has the cross-entropy ``10 ln 8 / (lag + 20)``, a mean over all steps (Arjovsky, Shah and Bengio 2016, "Unitary
    evolution recurrent neural networks", section 4.1).
    """
    _at_least(lag, 1)
    steps, blank, sign = lag + 2 * ASKED, LETTERS, LETTERS + 1

    def draw(count: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        letters = torch.randint(0, LETTERS, (ASKED, count), generator=generator)
        symbols = torch.full((steps, count), blank)
        symbols[:ASKED] = letters
        symbols[ASKED + lag - 1] = sign
        answers = torch.full((steps, count), blank)
        answers[-ASKED:] = letters
        return F.one_hot(symbols, LETTERS + 2).float(), answers

    def loss(outputs: torch.Tensor, answers: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(outputs.flatten(0, 1), answers.flatten())

    baseline = ASKED * math.log(LETTERS) / steps
    return Task("copy", "copy task", LETTERS + 2, LETTERS + 1, steps, lag + ASKED, baseline, False, draw, loss)


TASKS: dict[str, Callable[[int], Task]] = {"adding": adding, "copy": copying}
"""By name; each takes the lag."""


def _at_least(lag: int, least: int) -> None:
    if lag < least:
        raise InputError(f"Expected a lag of at least {least} steps, got {lag}.")
