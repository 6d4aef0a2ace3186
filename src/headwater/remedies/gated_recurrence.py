"""Replace plain recurrent layers by a GRU or an LSTM, whose gates hold a state once they are open.

## What it does

A plain layer computes its state anew in each step and multiplies the gradient by the same weights every time. A gate
adds to the state that was there,

    h' = (1 - z) n + z h                (GRU, Cho et al. 2014, in PyTorch's form)
    c' = f c + i g, h' = o tanh(c')     (LSTM, Hochreiter and Schmidhuber 1997; Gers et al. 2000)

and an open one hands the gradient back whole. Every `nn.RNN` becomes an `nn.GRU` of the same size, three times its
weights, and an `nn.RNNCell` an `nn.GRUCell`: they take and return the same. An `nn.LSTM`, four times the weights, has a
second state: it is wrapped so that it takes and returns the first one only, and forgets the second between calls.

As PyTorch draws them the gates are half open, and keep 0.63 of the gradient a step: `chrono-init` and `forget-bias` go
with this remedy.

## When not

Not where the layer was trained. Not where a state is handed on between batches, for the LSTM; nor where code reads the
weights of the layer by name. The recurrent layer must not be the model itself.

## Safety

Unsafe: another function, and more weights.

## References

- Hochreiter, Schmidhuber 1997, "Long short-term memory", Neural Computation 9
- Cho et al. 2014, "Learning phrase representations using RNN encoder-decoder for statistical machine translation",
  EMNLP, arXiv 1406.1078
- Chung, Gulcehre, Cho, Bengio 2014, "Empirical evaluation of gated recurrent neural networks on sequence modeling",
  arXiv 1412.3555
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from headwater.records import Change, Code, ReplaceCall
from headwater.remedies import recurrent
from headwater.remedies.plain import source
from headwater.remedies.remedy import Remedy, Training
from headwater.remedies.rewrite import is_inside, join, named, replace_modules

_CODE = "gated-recurrence"
_PLAIN = "plain recurrent layer"
_KEPT = tuple("input_size hidden_size num_layers bias batch_first dropout bidirectional device dtype".split())
"""All arguments but the nonlinearity."""


class PlainLSTM(nn.LSTM):
    """An LSTM that takes and returns the state of a plain recurrent layer, h."""

    def forward(self, input: Tensor, hx: Tensor | None = None) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        """Runs over a sequence; the cell begins at zero."""
        states = None if hx is None else (hx, torch.zeros_like(hx))
        output, (h, _) = super().forward(input, states)
        return output, h


_GATED: dict[str, dict[type[nn.Module], type[nn.Module]]] = {
    "gru": {nn.RNN: nn.GRU, nn.RNNCell: nn.GRUCell},
    "lstm": {nn.RNN: PlainLSTM},
}


def _refusal(variant: str) -> Callable[[Training], str | None]:
    def refusal(training: Training) -> str | None:
        if isinstance(training.model, nn.RNN | nn.RNNCell):
            return "the recurrent layer is the model itself, which a script holds"
        refused = recurrent.refusal(training, _PLAIN, nn.RNN, nn.RNNCell)
        if refused is None and not _places(training, variant):
            return "the model has cells only: an LSTM's hands on a second state, which the loop would have to carry"
        return refused

    return refusal


def _places(training: Training, variant: str) -> dict[str, recurrent.Recurrent]:
    found = recurrent.layers(training, nn.RNN, nn.RNNCell)
    return {path: layer for path, layer in found.items() if type(layer) in _GATED[variant]}


def _apply(variant: str) -> Callable[[Training], Change]:
    def apply(training: Training) -> Change:
        places = _places(training, variant)
        every = sum(isinstance(module, nn.RNN | nn.RNNCell) for module in training.model.modules()) == len(places)
        new = {path: _like(layer, _GATED[variant][type(layer)]) for path, layer in places.items()}
        written = _assigned(training.model, places, new)
        changed = replace_modules(training.model, lambda path, _: new.get(path))
        for path, layer in places.items():
            _exchange(training.optimizer, layer, new[path])
        edits = _edits(training, places, new) if every and variant == "gru" else ()
        says = f"{'GRU' if variant == 'gru' else 'LSTM'} in place of plain recurrence in {', '.join(changed)}"
        key = f"{_CODE}:{variant}"
        if edits:
            return Change(key, says, changed, edits, instead=written)
        return Change(key, says, changed, code=written)

    return apply


def _like(layer: recurrent.Recurrent, to: type[nn.Module]) -> Any:
    """A gated layer of the size of a plain one, drawn as the written one is: on the CPU, and moved where that was."""
    return to(*_sizes(layer), **_options(layer)).to(next(layer.parameters())).train(layer.training)


def _sizes(layer: recurrent.Recurrent) -> tuple[int, int]:
    return layer.input_size, layer.hidden_size


def _options(layer: recurrent.Recurrent) -> dict[str, Any]:
    """The options that are not as they come."""
    usual = {"num_layers": 1, "bias": True, "batch_first": False, "dropout": 0.0, "bidirectional": False}
    return {name: getattr(layer, name) for name, value in usual.items() if getattr(layer, name, value) != value}


def _exchange(optimizer: torch.optim.Optimizer, old: nn.Module, new: nn.Module) -> None:
    """Puts the parameters of one layer where those of the other stood, by name."""
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    for name, parameter in old.named_parameters():
        if id(parameter) in held:
            join(optimizer, [new.get_parameter(name)], [parameter])
    gone = {id(parameter) for parameter in old.parameters()}
    for group in optimizer.param_groups:
        group["params"][:] = [p for p in group["params"] if id(p) not in gone]


def _edits(training: Training, places: dict[str, Any], new: dict[str, nn.Module]) -> tuple[ReplaceCall, ...]:
    """Calls of the other class where the layers are built; none where one of these lines is not known."""
    built = {path: _built(training, path) for path in places}
    lines = [each for each in built.values() if each is not None]
    if len(lines) < len(places):
        return ()
    found: dict[Any, ReplaceCall] = {}
    for (path, layer), line in zip(places.items(), lines, strict=True):
        to = type(new[path]).__name__
        found[line, to] = ReplaceCall(line, type(layer).__name__, f"torch.nn.{to}", _KEPT)
    return tuple(found.values())


def _built(training: Training, path: str) -> Any:
    of_it = [each for each in training.measurement.layers if is_inside(each.name, path)]
    return next((each.built for each in of_it if each.built is not None), None)


def _assigned(model: nn.Module, places: dict[str, Any], new: dict[str, nn.Module]) -> Code:
    """Statements that put a new layer into each attribute that holds the old one."""
    lines = [source(PlainLSTM)] if any(isinstance(each, PlainLSTM) for each in new.values()) else []
    imports = ("import torch", "from torch import Tensor", "from torch import nn") if lines else ("import torch",)
    for path, layer in places.items():
        held = [name for name, module in named(model, every=True) if module is layer]
        kind = type(new[path])
        name = kind.__name__ if kind is PlainLSTM else f"torch.nn.{kind.__name__}"
        arguments = [*map(str, _sizes(layer)), *(f"{option}={value!r}" for option, value in _options(layer).items())]
        weight = "weight_ih" if isinstance(layer, nn.RNNCellBase) else "weight_ih_l0"
        moved = f".to({_slot(held[0])}.{weight})"  # device and dtype are those that the old one has where this runs
        lines.append(f"{_slot(held[0])} = {name}({', '.join(arguments)}){moved}")
        lines += [f"{_slot(other)} = {_slot(held[0])}" for other in held[1:]]
    return Code(before="\n".join(lines), imports=imports)


def _slot(path: str) -> str:
    """The attribute that holds a module, or the place in a list."""
    parent, _, name = path.rpartition(".")
    return f"{recurrent.at(parent)}.{name}" if name.isidentifier() else f"{recurrent.at(parent)}[{name}]"


REMEDIES = tuple(
    Remedy(_CODE, variant, "unsafe", 4, _refusal(variant), _apply(variant), __doc__ or "") for variant in _GATED
)
