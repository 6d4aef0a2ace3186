"""How a batch becomes a loss: the forms of batch that Headwater knows, and what to say when one does not fit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import nn

from headwater.errors import BatchError, HeadwaterError, LossError, ModelError

LossFunction = Callable[[Any, Any], torch.Tensor]
Step = Callable[[nn.Module, Any], torch.Tensor]

_MANY = 3
"""Tensors of one shape in a list that look like batches: two may be inputs and targets."""
_FORMS = "one batch (inputs, targets) or a dict of keyword arguments, or an iterable of such batches"


@dataclass(frozen=True)
class Forward:
    """One forward pass: the loss, and outputs and targets where they are known."""

    loss: torch.Tensor
    outputs: Any = None
    targets: Any = None


@dataclass(frozen=True)
class Objective:
    """Turns a model and a batch into a loss.

    Attributes:
        loss_fn: ``loss_fn(outputs, targets)``; for a dict batch ``loss_fn(outputs, batch)``. ``None``: the model's
            output carries the loss.
        step: ``step(model, batch)``, which replaces all of it.
    """

    loss_fn: LossFunction | None = None
    step: Step | None = None

    def __call__(self, model: nn.Module, batch: Any) -> Forward:
        """Runs the forward pass.

        Raises:
            ModelError: the model, the loss function or the step raised; the message shows what the batch held.
            BatchError: the batch has a form that is not known.
        """
        try:
            return self._forward(model, batch)
        except HeadwaterError:
            raise
        except Exception as error:
            raise ModelError(_what_went_wrong(error, model, batch, by_step=self.step is not None)) from error

    def _forward(self, model: nn.Module, batch: Any) -> Forward:
        if self.step is not None:
            return Forward(self.step(model, _own(batch)))
        batch = _own(to_device(batch, _device(model)))
        if isinstance(batch, Mapping):
            outputs = model(**cast("Mapping[str, Any]", batch))
            return self._with_loss(outputs, cast(Any, batch))
        if self.loss_fn is None and isinstance(batch, Sequence):
            return self._with_loss(model(*cast("Sequence[Any]", batch)), None)
        if not isinstance(batch, Sequence) or len(cast("Sequence[Any]", batch)) != 2:
            raise BatchError(
                f"Expected a batch (inputs, targets), got {describe(batch)}. Pass step=lambda model, batch: loss for "
                f"any other form.{_perhaps_many(batch)}"
            )
        inputs, targets = cast("Sequence[Any]", batch)
        return self._with_loss(_call(model, inputs), targets)

    def _with_loss(self, outputs: Any, targets: Any) -> Forward:
        if self.loss_fn is not None:
            return Forward(self.loss_fn(outputs, targets), outputs, targets)
        return Forward(_carried_loss(outputs))


def _call(model: nn.Module, inputs: Any) -> Any:
    if isinstance(inputs, Mapping):
        return model(**cast("Mapping[str, Any]", inputs))
    if isinstance(inputs, tuple | list):
        return model(*cast("Sequence[Any]", inputs))
    return model(inputs)


def _carried_loss(outputs: Any) -> torch.Tensor:
    loss = getattr(outputs, "loss", None)
    if loss is None and isinstance(outputs, Mapping):
        loss = cast("Mapping[str, Any]", outputs).get("loss")
    if loss is None:
        raise LossError(
            f"Without loss_fn the model's output must carry .loss, got {_type(cast(object, outputs))} without one. "
            "Pass loss_fn(outputs, targets) or step(model, batch); with a Hugging Face model put labels in the batch."
        )
    return loss


def take(batches: Any, most: int) -> tuple[list[Any], Iterator[Any]]:
    """Returns up to `most` batches, and an iterator over those that are left.

    A dict, a tensor, or a sequence that holds a tensor is one batch; everything else is iterated over.

    Raises:
        BatchError: `batches` is empty or cannot be iterated over.
    """
    if _is_one_batch(batches):
        return [batches], iter(())
    if not isinstance(batches, Iterable):
        raise BatchError(f"Expected batches as {_FORMS}; got {_type(batches)}.")
    rest = iter(cast("Iterable[Any]", batches))
    first = [batch for _, batch in zip(range(most), rest, strict=False)]
    if not first:
        raise BatchError(
            f"Expected at least one batch, got an empty {_type(cast(object, batches))}. Is the data loader empty, does "
            "drop_last drop its only batch, or was a generator used up before?"
        )
    return first, rest


def _is_one_batch(batches: Any) -> bool:
    if isinstance(batches, Mapping | torch.Tensor):
        return True
    if isinstance(batches, list | tuple):
        return any(isinstance(part, torch.Tensor) for part in cast("Sequence[Any]", batches))
    return False


def batch_size(batch: Any) -> int:
    """Returns the extent of the first dimension of the first tensor in a batch; 0 when it holds none."""
    return next((int(t.shape[0]) for t in tensors(batch) if t.dim() > 0), 0)


def to_device(value: Any, device: torch.device) -> Any:
    """Returns the same structure with its tensors on `device`."""
    if isinstance(value, torch.Tensor):
        return value.to(device)
    if isinstance(value, Mapping):
        items = cast("Mapping[Any, Any]", value).items()
        return {key: to_device(part, device) for key, part in items}
    if isinstance(value, list | tuple):
        parts = [to_device(part, device) for part in cast("Sequence[Any]", value)]
        make = cast(Any, type(cast(Any, value)))
        return make(*parts) if hasattr(make, "_fields") else make(parts)  # a named tuple takes its fields one by one
    return value


def _own(batch: Any) -> Any:
    """Returns a batch whose tensors a model may write to, or gather gradients in, while the user's stay as they are."""
    if isinstance(batch, torch.Tensor):
        return batch.detach().clone().requires_grad_(batch.requires_grad)
    if type(batch) is dict:
        return {key: _own(part) for key, part in cast("dict[Any, Any]", batch).items()}
    if type(batch) in (tuple, list):  # not their subclasses, which a step may read by name
        parts = [_own(part) for part in cast("Sequence[Any]", batch)]
        return tuple(parts) if isinstance(batch, tuple) else parts
    return batch


def _device(model: nn.Module) -> torch.device:
    return next((p.device for p in model.parameters()), torch.device("cpu"))


def tensors(value: Any) -> list[torch.Tensor]:
    """Returns the tensors in a structure of mappings, lists and tuples."""
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, Mapping):
        return [t for part in cast("Mapping[Any, Any]", value).values() for t in tensors(part)]
    if isinstance(value, list | tuple):
        return [t for part in cast("Sequence[Any]", value) for t in tensors(part)]
    return []


def describe(value: Any) -> str:
    """Says what a batch holds: types, dtypes, shapes and devices."""
    if isinstance(value, torch.Tensor):
        return f"{str(value.dtype).removeprefix('torch.')}{list(value.shape)} on {value.device}"
    if isinstance(value, Mapping):
        parts = [f"{key}: {describe(part)}" for key, part in cast("Mapping[Any, Any]", value).items()]
        return "{" + ", ".join(parts) + "}"
    if isinstance(value, list | tuple):
        parts = [describe(part) for part in cast("Sequence[Any]", value)]
        alike = len(parts) >= _MANY and len(set(parts)) == 1
        return f"({len(parts)} times {parts[0]})" if alike else f"({', '.join(parts)})"
    return _type(value)


def _type(value: object) -> str:
    return type(value).__name__


def _perhaps_many(batch: Any) -> str:
    """What to say of a list of like tensors, each of which may have been meant as a batch."""
    parts = cast("list[Any]", batch) if isinstance(batch, list) else []
    tensors_only = all(isinstance(part, torch.Tensor) for part in parts)
    if len(parts) < _MANY or not tensors_only or len(set(map(describe, parts))) > 1:
        return ""
    return " A list of tensors is one batch: if each of them is one, pass a DataLoader, or iter(batches)."


def _what_went_wrong(error: Exception, model: nn.Module, batch: Any, *, by_step: bool) -> str:
    first = next(iter(model.named_parameters()), None)
    expects = (
        f"the model's first parameter {first[0]} is {describe(first[1])}" if first else "the model has no parameter"
    )
    other = "" if by_step else "; if the model is called in another way, pass step=lambda model, batch: loss"
    return (
        f"The forward pass raised {type(error).__name__}: {error}\nThe batch holds {describe(batch)}; {expects}. Check "
        f"shapes, dtypes and devices{other}.{_perhaps_many(batch)}"
    )
