"""What a fused recurrent module is called with in a real forward pass, and the gradient that reaches its outputs.

Everything is brought into one form: time first, padded, in the order in which the caller gave the sequences, float64.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence
from torch.utils.hooks import RemovableHandle

from headwater.graph import Guard, class_of, unguarded
from headwater.measure.through_time.cells import State
from headwater.measure.through_time.replay import Call, Gradients

KINDS = (nn.RNN, nn.LSTM, nn.GRU)

Padded = tuple[torch.Tensor, torch.Tensor | None]


@dataclass
class Captured:
    """One call of a recurrent module: what went in, and after the backward pass the gradients at what came out.

    Where FSDP2 shards the module, `module` is a copy: its weights are whole only while it runs.
    """

    module: nn.RNNBase
    inputs: torch.Tensor | PackedSequence
    initial: Any
    random: torch.Tensor | None
    outputs: torch.Tensor | PackedSequence | None = None
    finals: tuple[torch.Tensor, ...] = ()
    gradients: dict[int, torch.Tensor] = field(default_factory=dict[int, torch.Tensor])

    @property
    def length(self) -> int:
        """Number of steps."""
        if isinstance(self.inputs, PackedSequence):
            return len(self.inputs.batch_sizes)
        return int(self.inputs.shape[1 if self.module.batch_first and self.inputs.dim() == 3 else 0])


@contextmanager
def capture(model: nn.Module, calls: dict[str, list[Captured]], guard: Guard = unguarded) -> Generator[None]:
    """Collects in `calls` those of recurrent modules, by path, while a forward pass runs inside."""
    handles: list[RemovableHandle] = []
    for name, module in cast("Iterator[tuple[str, nn.Module]]", model.named_modules()):
        if class_of(module) in KINDS:
            handles += _hook(name, cast(nn.RNNBase, module), calls, guard)
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _hook(name: str, module: nn.RNNBase, calls: dict[str, list[Captured]], guard: Guard) -> list[RemovableHandle]:
    def enter(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if cast(Any, torch)._C._current_graph_task_id() != -1:  # checkpointing runs forward again inside backward
            return
        inputs, initial = _arguments(*args, **kwargs)
        drops = module.training and module.dropout > 0 and module.num_layers > 1
        # the masks are not kept anywhere, but the generator that drew them on a CPU can draw them again
        state = torch.get_rng_state() if drops else None
        several = calls.setdefault(name, [])
        several.append(Captured(_readable(module, several), inputs, initial, state))

    def leave(_module: nn.Module, _inputs: Any, result: Any) -> None:
        if cast(Any, torch)._C._current_graph_task_id() != -1:
            return
        call = calls[name][-1]
        call.outputs, finals = result
        call.finals = finals if isinstance(finals, tuple) else (finals,)
        output = call.outputs.data if isinstance(call.outputs, PackedSequence) else call.outputs
        for index, tensor in enumerate((output, *call.finals)):
            if tensor is not None and tensor.requires_grad:
                tensor.register_hook(guard(_keep(call.gradients, index)))

    return [
        module.register_forward_pre_hook(guard(enter), with_kwargs=True),
        module.register_forward_hook(guard(leave)),
    ]


def _readable(module: nn.RNNBase, earlier: Sequence[Captured]) -> nn.RNNBase:
    """The module, or what can still be read once its weights are parts again; calls of one pass share their copy."""
    if not hasattr(module, "_is_fsdp_managed_module"):
        return module
    return earlier[0].module if earlier else copied(module)


def copied(module: nn.RNNBase) -> nn.RNNBase:
    """Returns a module with the weights of now, for reading only.

    deepcopy will not do: it refuses tensors that a module keeps as results of operations, and what FSDP2 shards.
    """
    found = cast(nn.RNNBase, object.__new__(class_of(module)))
    vars(found).update({name: _kept(value) for name, value in vars(module).items() if name != "_flat_weights"})
    weights = module.named_parameters(recurse=False, remove_duplicate=False)
    vars(found)["_parameters"] = {name: _kept(weight) for name, weight in weights}
    return found


def _kept(value: Any) -> Any:
    return value.detach().clone() if isinstance(value, torch.Tensor) else value


def _arguments(input: Any, hx: Any = None) -> tuple[Any, Any]:
    """The two arguments under the names that PyTorch gives them."""
    return input, hx


def _keep(gradients: dict[int, torch.Tensor], index: int) -> Any:
    def keep(gradient: torch.Tensor) -> None:
        gradients[index] = gradient.detach()

    return keep


def prepared(captured: Captured, most: int | None = None) -> tuple[Call, Gradients]:
    """Brings a call and the gradients that reached it into the form that `replay` reads.

    Args:
        captured: after the backward pass.
        most: number of sequences to keep, evenly chosen; ``None``: all.
    """
    module, source = captured.module, captured.inputs
    unbatched = not isinstance(source, PackedSequence) and source.dim() == 2
    inputs, lengths = _padded(source, module.batch_first, unbatched)
    batch = inputs.shape[1]
    finals = tuple(_final(captured, index, unbatched) for index in range(len(captured.finals)))
    states = tuple(
        torch.zeros_like(final) if given is None else _double(given.unsqueeze(1) if unbatched else given)
        for given, final in zip(_initial(captured), finals, strict=True)
    )
    output = _output_gradient(captured, unbatched)
    every = -(-batch // most) if most else 1
    rows = slice(None, None, every)

    def kept(state: State) -> State:
        return tuple(each[:, rows].contiguous() for each in state)

    masks = tuple(None if mask is None else mask[:, rows] for mask in _masks(captured, output))
    call = Call(inputs[:, rows], None if lengths is None else lengths[rows], kept(states), masks)
    return call, Gradients(output[:, rows], kept(finals))


def _padded(source: torch.Tensor | PackedSequence, batch_first: bool, unbatched: bool) -> Padded:
    if isinstance(source, PackedSequence):
        data = PackedSequence(_double(source.data), source.batch_sizes, source.sorted_indices, source.unsorted_indices)
        return cast(Padded, pad_packed_sequence(data))
    values = _double(source)
    if unbatched:
        return values.unsqueeze(1), None
    return (values.transpose(0, 1) if batch_first else values), None


def _initial(captured: Captured) -> tuple[torch.Tensor | None, ...]:
    if captured.initial is None:
        return (None,) * len(captured.finals)
    given: Any = captured.initial
    return cast("tuple[torch.Tensor, ...]", given if isinstance(given, tuple) else (given,))


def _final(captured: Captured, index: int, unbatched: bool) -> torch.Tensor:
    """Gradient of a final state, zero where none reached it."""
    gradient = captured.gradients.get(index + 1)
    values = _double(torch.zeros_like(captured.finals[index]) if gradient is None else gradient)
    return values.unsqueeze(1) if unbatched else values


def _output_gradient(captured: Captured, unbatched: bool) -> torch.Tensor:
    outputs, gradient = captured.outputs, captured.gradients.get(0)
    assert outputs is not None
    if isinstance(outputs, PackedSequence):
        data = torch.zeros_like(outputs.data) if gradient is None else gradient
        packed = PackedSequence(data, outputs.batch_sizes, outputs.sorted_indices, outputs.unsorted_indices)
        return _padded(packed, False, False)[0]
    return _padded(torch.zeros_like(outputs) if gradient is None else gradient, captured.module.batch_first, unbatched)[
        0
    ]


def _masks(captured: Captured, output: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
    """Draws dropout's masks again, as PyTorch does: one for each layer but the last, time first, or packed."""
    module, outputs = captured.module, captured.outputs
    if captured.random is None:
        return (None,) * (module.num_layers - 1)
    data = outputs.data if isinstance(outputs, PackedSequence) else output
    ones = torch.ones(data.shape, dtype=captured.finals[0].dtype)
    with torch.random.fork_rng(devices=[]):
        torch.set_rng_state(captured.random)
        drawn = [torch.dropout(ones, module.dropout, True) for _ in range(module.num_layers - 1)]
    if isinstance(outputs, PackedSequence):
        order = outputs.batch_sizes, outputs.sorted_indices, outputs.unsorted_indices
        drawn = [pad_packed_sequence(PackedSequence(mask.to(data.device), *order))[0] for mask in drawn]
    return tuple(mask.to(output.device, torch.float64) for mask in drawn)


def _double(tensor: torch.Tensor) -> torch.Tensor:
    """Float64, on the CPU where the device has none."""
    tensor = tensor.detach()
    return (tensor.cpu() if tensor.device.type == "mps" else tensor).double()
