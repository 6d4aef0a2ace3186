"""Module paths, call numbers and source lines."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

import headwater
from headwater.graph import owners, source_lines


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"out": F.relu(self.fc(x), inplace=True)}


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.block = Block()
        self.head = nn.Linear(4, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for _ in range(3):
            x = self.block(x)["out"]
        return self.head(x)


def test_path_and_call_number_of_modules_functions_and_in_place_operations() -> None:
    net = Net()
    with owners(net) as learned:
        loss = net(torch.randn(2, 4)).sum()
    ops = headwater.trace(loss, model=net, owners=learned).ops
    assert [(op.module, op.call) for op in ops if op.kind == "Relu"] == [("block", 2), ("block", 1), ("block", 0)]
    assert [op.module for op in ops if op.kind == "Addmm"] == ["head", "block.fc", "block.fc", "block.fc"]
    assert ops[0].module == ""
    assert learned.calls["block.fc"] == 3


def test_hooks_are_removed_also_when_the_forward_raises() -> None:
    net = Net()
    try:
        with owners(net):
            net(torch.randn(2, 5))
    except RuntimeError:
        pass
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in net.modules())


def test_checkpointing_does_not_count_calls_twice() -> None:
    net = Net()
    with owners(net) as learned:
        loss = checkpoint(net, torch.randn(2, 4), use_reentrant=False).sum()
        headwater.trace(loss)
    assert learned.calls["block.fc"] == 3


def test_source_lines_name_the_users_frame_and_not_the_library() -> None:
    net = Net()
    with source_lines():
        loss = net(torch.randn(2, 4)).sum()
    ops = headwater.trace(loss).ops
    relu = next(op for op in ops if op.kind == "Relu")
    assert relu.file == __file__
    assert relu.line is not None
    with open(__file__) as source:
        assert "F.relu" in source.read().splitlines()[relu.line - 1]


def test_anomaly_mode_is_put_back() -> None:
    with source_lines():
        assert torch.is_anomaly_enabled()
    assert not torch.is_anomaly_enabled()
