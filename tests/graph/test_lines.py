"""The lines that autograd remembers: as PyTorch would note them, without looking up their text."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.fx import traceback as fx_traceback

from headwater.graph import lines
from headwater.graph.lines import source_lines

PYTORCHS = fx_traceback.format_stack


def _noted(network: nn.Module) -> list[str]:
    node = network(torch.ones(1, 2)).grad_fn
    assert node is not None
    return node.metadata["traceback_"]


def test_the_places_are_those_that_pytorch_notes() -> None:
    network = nn.Linear(2, 2)

    def places(texts: list[str]) -> list[str]:
        return [text.splitlines()[0] for text in texts]

    found = []
    for context in (torch.autograd.set_detect_anomaly(True, check_nan=False), source_lines()):
        with context:
            found.append(places(_noted(network)))
    with_pytorchs, with_ours = found
    assert with_ours == with_pytorchs
    assert with_ours[-1].strip().startswith(f'File "{nn.Linear.forward.__code__.co_filename}"')


def test_pytorchs_function_is_back_afterwards() -> None:
    with source_lines():
        assert fx_traceback.format_stack is not PYTORCHS
    assert fx_traceback.format_stack is PYTORCHS
    assert not lines._texts


def test_where_the_user_has_anomaly_mode_on_pytorchs_function_stays() -> None:
    with torch.autograd.set_detect_anomaly(True), source_lines():
        assert fx_traceback.format_stack is PYTORCHS


def test_a_fault_of_ours_leaves_pytorchs_text(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> list[str]:
        raise ValueError

    monkeypatch.setattr(lines, "_places", fails)
    with source_lines():
        noted = _noted(nn.Linear(2, 2))
    assert "return F.linear(" in noted[-2]  # above it stands ours


def test_an_error_in_a_backward_pass_shows_the_place() -> None:
    class Fails(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return 2 * x

        @staticmethod
        def backward(ctx, gradient):
            raise ValueError("the user's own")

    with source_lines():
        loss = Fails.apply(torch.ones(2, requires_grad=True)).sum()
        with pytest.warns(UserWarning, match="test_lines.py"), pytest.raises(ValueError, match="the user's own"):
            loss.backward()
