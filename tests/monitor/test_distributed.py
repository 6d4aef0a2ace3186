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


KINDS = {"ddp": _ddp, "fsdp": _fsdp}


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
        "layers": [(layer.name, layer.weight) for layer in measured.layers] if measured else [],
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
    assert first["layers"] == [("0", "0.weight"), ("2", "2.weight")]
    assert all(0 < factor < 1 for factor in first["clip"])


def test_fsdp_shows_the_norm_of_the_local_shard_under_the_modules_names(ranks: Any) -> None:
    first, second = (rank["fsdp"] for rank in ranks)
    assert set(first["gradients"][0]) == {"0.weight", "0.bias", "2.weight", "2.bias"}
    assert first["gradients"][0]["0.weight"] != second["gradients"][0]["0.weight"]
    for told in (first, second):
        assert told["probes"] == STEPS
        assert told["layers"] == [("0", "0.weight"), ("2", "2.weight")]
        assert "HW601" not in told["codes"] and "HW606" not in told["codes"]
    for here, there in zip(first["clip"], second["clip"], strict=True):
        assert 0 < here < 1 and here == pytest.approx(there, rel=1e-3)
    whole = [sum(n * n for rank in (first, second) for n in rank["gradients"][i].values()) for i in range(STEPS)]
    assert whole == pytest.approx([0.01**2] * STEPS, rel=1e-3)  # local norms squared add up to the clipped norm
