"""Two processes over gloo: figures are those of the gradient that each optimizer consumes."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import multiprocessing, nn
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel
from torch.nn.utils import clip_grad_norm_

from tests.monitor.training import Start, Watched, assert_identical

STEPS = 5
WORLD = 2

pytestmark = pytest.mark.skipif(not dist.is_gloo_available(), reason="needs gloo")


def _net() -> nn.Sequential:
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))


def _ddp() -> Any:
    return DistributedDataParallel(_net())


def _fsdp() -> Any:
    from torch.distributed.fsdp import fully_shard

    model = _net()
    for layer in (model[0], model[2]):
        fully_shard(layer)
    fully_shard(model)
    return model


class _Recurrent(nn.Module):
    """Two fused layers, read at the last of six steps."""

    def __init__(self) -> None:
        super().__init__()
        self.front = nn.GRU(4, 8, batch_first=True)
        self.back = nn.LSTM(8, 8, num_layers=2, batch_first=True, dropout=0.25)
        self.head = nn.Linear(8, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        steps = x[:, None] * torch.linspace(0.2, 1.0, 6)[:, None]
        return self.head(self.back(self.front(steps)[0])[0][:, -1])


def _recurrent_ddp() -> Any:
    return DistributedDataParallel(_Recurrent())


def _recurrent_fsdp() -> Any:
    from torch.distributed.fsdp import fully_shard

    model = _Recurrent()
    fully_shard(model.front)  # one sharded by itself, the other with all that is left
    fully_shard(model)
    return model


KINDS = {"ddp": _ddp, "fsdp": _fsdp, "recurrent ddp": _recurrent_ddp, "recurrent fsdp": _recurrent_fsdp}


def _train(start: Start, make: Any) -> None:
    model = make()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    start(model, optimizer)
    for step in range(STEPS):
        inputs = torch.randn(8, 4) + 3.0 * dist.get_rank() + step  # each rank has data of its own
        optimizer.zero_grad()
        F.cross_entropy(model(inputs), torch.arange(8) % 2).backward()
        clip_grad_norm_(model.parameters(), 0.01)
        optimizer.step()


def _rank(rank: int, port: int, folder: str) -> None:
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.set_num_threads(1)
    dist.init_process_group("gloo", rank=rank, world_size=WORLD)
    try:
        told = {kind: _told(assert_identical(lambda start: _train(start, make))) for kind, make in KINDS.items()}  # noqa: B023
        torch.save(told, Path(folder) / f"{rank}.pt")
    finally:
        dist.destroy_process_group()


def _told(seen: Watched) -> dict[str, Any]:
    measured = seen.monitor.tracks[0].measured
    return {
        "gradients": [dict(step.gradients) for step in seen.steps],
        "clip": [step.clip for step in seen.steps],
        "probes": seen.probes(),
        "layers": [(layer.name, layer.kind, layer.weight) for layer in measured.layers] if measured else [],
        "through time": measured.through_time if measured else (),
        "codes": sorted(seen.codes),
    }


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each rank has told, by kind; both kinds in one pair of processes, which take long to start."""
    folder = tmp_path_factory.mktemp("ranks")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    multiprocessing.spawn(_rank, (port, str(folder)), WORLD)
    return [torch.load(folder / f"{rank}.pt", weights_only=False) for rank in range(WORLD)]


def test_ddp_shows_the_reduced_gradient_on_every_rank(ranks: Any) -> None:
    first, second = (rank["ddp"] for rank in ranks)
    for here, there in zip(first["gradients"], second["gradients"], strict=True):
        assert here == pytest.approx(there)
        assert set(here) == {"0.weight", "0.bias", "2.weight", "2.bias"}
    assert first["probes"] == second["probes"] == STEPS
    assert first["layers"] == [("0", "Linear", "0.weight"), ("2", "Linear", "2.weight")]
    assert all(0 < factor < 1 for factor in first["clip"])


def test_fsdp_shows_the_norm_of_the_local_shard_under_the_modules_names(ranks: Any) -> None:
    first, second = (rank["fsdp"] for rank in ranks)
    assert set(first["gradients"][0]) == {"0.weight", "0.bias", "2.weight", "2.bias"}
    assert first["gradients"][0]["0.weight"] != second["gradients"][0]["0.weight"]
    for told in (first, second):
        assert told["probes"] == STEPS
        assert told["layers"] == [("0", "Linear", "0.weight"), ("2", "Linear", "2.weight")]
        assert "HW601" not in told["codes"] and "HW606" not in told["codes"]
    for here, there in zip(first["clip"], second["clip"], strict=True):
        assert 0 < here < 1 and here == pytest.approx(there, rel=1e-3)
    whole = [sum(n * n for rank in (first, second) for n in rank["gradients"][i].values()) for i in range(STEPS)]
    assert whole == pytest.approx([0.01**2] * STEPS, rel=1e-3)  # local norms squared add up to the clipped norm


def test_fsdp_shows_the_gradient_through_time_that_ddp_shows(ranks: Any) -> None:
    for rank in ranks:
        whole, parts = rank["recurrent ddp"]["through time"], rank["recurrent fsdp"]["through time"]
        told = [(each.name, each.kind, each.layer) for each in parts]
        assert told == [("front", "GRU", 0), ("back", "LSTM", 0), ("back", "LSTM", 1)]
        assert told == [(each.name, each.kind, each.layer) for each in whole]
        for here, there in zip(parts, whole, strict=True):
            assert len(here.log_gradient) == 6
            assert here.log_gradient == pytest.approx(there.log_gradient, abs=1e-4)
    first, second = (rank["recurrent fsdp"]["through time"][0].log_gradient for rank in ranks)
    assert first != pytest.approx(second, abs=1e-2)  # each rank's own batch
