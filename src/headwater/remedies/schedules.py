"""A schedule of the learning rate, stepped with the optimizer: what the remedies that set one share.

In a trial the schedule is stepped by who trains. In the user's source a hook of the optimizer steps it, so that the
training loop stays as it is; a step that is skipped (an overflow under GradScaler) does not count then.
"""

from __future__ import annotations

from typing import Any

from torch.optim import lr_scheduler

from headwater.records import Change, Code
from headwater.remedies.options import rates
from headwater.remedies.remedy import Training

_STEPPED = "{optimizer}.register_step_post_hook(lambda *_: rate_schedule.step())"
_TOLD = "rate_schedule.step(loss.item())"


def refusal(training: Training) -> str | None:
    """Says why no schedule can be attached."""
    if not any(rates(training.optimizer)):
        return f"{type(training.optimizer).__name__} has no learning rate above 0"
    if training.scheduler is not None:
        return "another remedy has attached a schedule already"
    rate = training.measurement.rate
    if training.scheduled or (rate is not None and rate.scheduled is not None):
        return "a schedule sets the learning rate already"
    return None


def attach(training: Training, remedy: str, says: str, kind: str, *, note: str = "", **arguments: Any) -> Change:
    """Attaches a schedule of ``torch.optim.lr_scheduler`` that is stepped once per optimizer step.

    Args:
        training: to whose optimizer.
        remedy: its key.
        says: what the change does.
        kind: name of the class.
        note: a comment above the schedule in the user's source.
        arguments: of the class.
    """
    training.scheduler = getattr(lr_scheduler, kind)(training.optimizer, **arguments)
    written = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
    built = f"rate_schedule = torch.optim.lr_scheduler.{kind}({{optimizer}}, {written})"
    stepped, by_hand = _STEPPED, ""
    if kind == "ReduceLROnPlateau":  # the one schedule that reads the loss, which no hook of an optimizer sees
        stepped = f"# after each optimizer step: {_TOLD}"
        by_hand = f"write {_TOLD} into the training loop, after each optimizer step"
    comment = f"# {note}\n" if note else ""
    code = Code(after=f"{comment}{built}\n{stepped}", imports=("import torch",))
    return Change(remedy, says, ("",), code=code, by_hand=by_hand)
