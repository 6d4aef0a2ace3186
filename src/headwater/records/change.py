"""What a remedy changed, as words and as source."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from headwater.records.source import SourceLine

Safety = Literal["safe", "unsafe", "display-only"]
"""How much of the network's meaning a remedy leaves: *safe* changes no function that the network can compute (its
start, its optimizer, a fault of the wiring), *unsafe* changes it (another activation, a normalisation), *display-only*
cannot be applied by a program and is told only."""


@dataclass(frozen=True)
class ReplaceCall:
    """Another function is called at a line of the user's: ``nn.Sigmoid()`` becomes ``nn.ReLU()``.

    All calls of it on that line change. Who names a line has seen that none of them serves a place that is to stay.

    Attributes:
        at: a line of the statement that holds the call.
        callee: last part of the name that is called there: ``"Sigmoid"``, ``"SGD"``.
        to: full name of what is called in its place: ``"torch.nn.ReLU"``. It is written as the file writes its own
            names (``nn.ReLU``, ``ReLU``), with an import where none fits. An empty name: the call gives way to its
            first argument (a softmax that falls away).
        keep: keyword arguments that are kept; ``None``: all. Positional ones that have no keyword are always kept.
        arguments: keyword arguments that are set, as source.
        missing: keyword arguments that are set where the call leaves them to their default, as source.
        groups: how many groups of parameters the optimizer has that is built there; 0: it builds none.
    """

    at: SourceLine
    callee: str
    to: str
    keep: tuple[str, ...] | None = None
    arguments: dict[str, str] = field(default_factory=dict[str, str])
    missing: dict[str, str] = field(default_factory=dict[str, str])
    groups: int = 0


@dataclass(frozen=True)
class Code:
    """Plain PyTorch around the statement that builds the optimizer; ``{model}``, ``{optimizer}`` stand for its names.

    Attributes:
        before: lines ahead of it, when the model is built.
        after: lines behind it.
        imports: what the lines need, e.g. ``"import torch"``.
        apart: whether they belong elsewhere, where only the user can put them.
    """

    before: str = ""
    after: str = ""
    imports: tuple[str, ...] = ()
    apart: bool = False

    def __bool__(self) -> bool:
        return bool(self.before or self.after)


@dataclass(frozen=True)
class Change:
    """What one remedy did to one training.

    Attributes:
        remedy: its key, ``"activation-swap:relu"``.
        says: what was done, in one line with numbers: ``"ReLU in place of sigmoid in 30 hidden layers"``.
        places: paths of the modules, or names of the parameters, that it matched; never empty.
        edits: the same in the user's source, where it is a matter of other calls.
        instead: what does the same as `edits` where those lines are not known, or cannot be changed safely (they serve
            other places too, the class comes from a string); empty where nothing does.
        code: lines that the change needs besides.
        by_hand: what only the user can add, and where; empty where the change is whole without it.
    """

    remedy: str
    says: str
    places: tuple[str, ...]
    edits: tuple[ReplaceCall, ...] = ()
    instead: Code = field(default_factory=Code)
    code: Code = field(default_factory=Code)
    by_hand: str = ""
