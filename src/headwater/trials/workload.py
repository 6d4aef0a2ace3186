"""What is tried: one training of one candidate, whatever the training is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from headwater.records import Change, TrialResult

DIED = "its process died"
"""How the error of a trial begins that ended its process: another time, with more memory, it may not."""


@dataclass(frozen=True)
class Trial:
    """The beginning of one training; with its workload it says all that decides the outcome.

    Attributes:
        remedies: keys, in the order in which they are applied; none for the original.
        seed: of all random numbers.
        steps: optimizer steps to take.
        control: draw other initial weights and change nothing else.
        horizon: optimizer steps of the whole training, over which a schedule runs; 0: `steps` are all of it.
        profile: whether the gradient along the trunk is measured at the end.
    """

    remedies: tuple[str, ...]
    seed: int
    steps: int
    control: bool = False
    horizon: int = 0
    profile: bool = False

    @property
    def whole(self) -> int:
        """Steps of the whole training."""
        return self.horizon or self.steps


@dataclass(frozen=True)
class Screening:
    """What one look at the changed training showed, before any training.

    Attributes:
        remedies: as in `Trial`.
        standing: ``"passed"``, ``"screened out"``, ``"refused"`` (a remedy does not apply), ``"failed"`` (something
            raised).
        why: in one sentence; empty when it passed.
        changes: what the remedies did.
        spent: optimizer steps that it took, those of range tests among them.
    """

    remedies: tuple[str, ...]
    standing: Literal["passed", "screened out", "refused", "failed"]
    why: str = ""
    changes: tuple[Change, ...] = ()
    spent: int = 0


class Workload(Protocol):
    """A training that can be done again and again, in any process: it is pickled with cloudpickle."""

    def run(self, trial: Trial) -> TrialResult:
        """Trains from the start; what goes wrong in the user's code or in a remedy is told in the result."""
        ...

    def screen(self, remedies: tuple[str, ...]) -> Screening:
        """Applies the remedies and looks whether the gradient still fails to flow."""
        ...
