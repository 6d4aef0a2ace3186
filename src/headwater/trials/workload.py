"""What is tried: one training of one candidate, whatever the training is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from headwater.records import TrialResult


@dataclass(frozen=True)
class Trial:
    """One training to be done; with its workload it says all that decides its outcome.

    Attributes:
        remedies: keys, in the order in which they are applied; none for the original.
        seed: of all random numbers.
        steps: optimizer steps.
        control: draw other initial weights and change nothing else.
    """

    remedies: tuple[str, ...]
    seed: int
    steps: int
    control: bool = False


class Workload(Protocol):
    """A training that can be done again and again, in any process: it is pickled with cloudpickle."""

    def run(self, trial: Trial) -> TrialResult:
        """Trains from the start; what goes wrong in the user's code or in a remedy is told in the result."""
        ...
