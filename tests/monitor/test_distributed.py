"""Two processes over gloo: figures are those of the gradient that each optimizer consumes."""

from __future__ import annotations

import math
import os
import socket
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import multiprocessing, nn
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel
from torch.nn.utils import clip_grad_norm_
from typer.testing import CliRunner

import headwater
from headwater.cli.app import app
from headwater.store import open_run
from headwater.watch import Watch
from tests.monitor.training import Start, Watched, assert_identical, norm
from tests.ranks import aborted_at_exit

STEPS = 5
WORLD = 2

pytestmark = [pytest.mark.skipif(not dist.is_gloo_available(), reason="needs gloo"), aborted_at_exit]


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
    dist.init_process_group("gloo", rank=rank, world_size=WORLD, timeout=timedelta(seconds=60))
    try:
        told = {kind: _told(assert_identical(lambda start: _train(start, make))) for kind, make in KINDS.items()}  # noqa: B023
        _watch_on_one_rank()
        for copies in (1, WORLD):
            _record(copies, f"{folder}/run{copies}")
        torch.save(told, Path(folder) / f"{rank}.pt")
    finally:
        dist.destroy_process_group()


BATCH = 8


def _watch_on_one_rank() -> None:
    """A collective of ours would wait for the other rank."""
    model = _fsdp()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    watched = headwater.watch(model, optimizer, budget=math.inf) if dist.get_rank() == 0 else nullcontext()
    with watched:
        for _ in range(STEPS):
            optimizer.zero_grad()
            F.cross_entropy(model(torch.randn(8, 4)), torch.arange(8) % 2).backward()
            optimizer.step()
    if isinstance(watched, Watch):
        assert watched.monitor.fault is None and watched.monitor.tracks[0].measured is not None


def _record(copies: int, folder: str) -> None:
    """Records a training of which each part of a parameter lies on so many ranks; each rank has a part of the batch."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    model = _seeded_net()
    mesh = init_device_mesh("cpu", (copies, WORLD // copies), mesh_dim_names=("copies", "parts"))
    for module in (model[0], model):
        fully_shard(module, mesh=mesh if copies > 1 else mesh["parts"])
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    share, rank = BATCH // WORLD, dist.get_rank()
    with headwater.watch(model, optimizer, run_dir=folder, budget=math.inf) as watched:
        for inputs, targets in _batches():
            mine = slice(rank * share, (rank + 1) * share)
            optimizer.zero_grad()
            F.mse_loss(model(inputs[mine]), targets[mine]).backward()
            optimizer.step()
    (track,) = watched.monitor.tracks
    assert track.measured is not None
    torch.save({p.name: p.gradient for p in track.measured.parameters}, f"{folder}.{rank}.pt")


def _alone() -> list[dict[str, float]]:
    """The norms of the same training in one process, step by step; that of all under an empty name."""
    model = _seeded_net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    found: list[dict[str, float]] = []
    for inputs, targets in _batches():
        optimizer.zero_grad()
        F.mse_loss(model(inputs), targets).backward()
        gradients = {name: p.grad for name, p in model.named_parameters()}
        found.append({name: norm([gradient]) for name, gradient in gradients.items()} | {"": norm(gradients.values())})
        optimizer.step()
    return found


def _seeded_net() -> nn.Sequential:
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(4, 7), nn.Tanh(), nn.Linear(7, 1))  # 7 rows are no two halves, 1 is no row for one


def _batches() -> list[tuple[torch.Tensor, torch.Tensor]]:
    generator = torch.Generator().manual_seed(4)
    shapes = ((BATCH, 4), (BATCH, 1))
    return [(torch.randn(shapes[0], generator=generator), torch.randn(shapes[1], generator=generator)) for _ in "12345"]


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
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two ranks have left behind; all kinds in one pair of processes, which take long to start."""
    folder = tmp_path_factory.mktemp("ranks")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    multiprocessing.spawn(_rank, (port, str(folder)), WORLD)
    return folder


@pytest.fixture(scope="module")
def ranks(folder: Path) -> list[dict[str, Any]]:
    """What each rank has told, by kind."""
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


@pytest.mark.parametrize("copies", [1, WORLD])
def test_norms_of_parts_joined_are_those_of_a_training_in_one_process(folder: Path, copies: int) -> None:
    run = open_run(folder / f"run{copies}")
    assert (run.info.world_size, run.info.models[0].kind) == (WORLD, "Sequential")
    assert run.info.sharded == dict.fromkeys(("0.weight", "0.bias", "2.weight", "2.bias"), copies)
    alone = _alone()
    rows = run.table(["step", "layer", "parameter", "grad_norm"], joined=True).to_pylist()
    found: list[dict[str, float]] = [{} for _ in alone]
    for row in rows:
        if row["grad_norm"] is not None:
            found[row["step"]][".".join(filter(None, (row["layer"], row["parameter"])))] = row["grad_norm"]
    for here, there in zip(found, alone, strict=True):
        assert here == pytest.approx(there, rel=1e-5, abs=0.0)
    assert sum(row["parameter"] is not None for row in rows) == 4 * len(alone)
    weight = run.table(["weight_norm", "parameter"], layer="0", last_step=0, joined=True).to_pylist()
    whole = {name: norm([p]) for name, p in _seeded_net()[0].named_parameters()}
    assert {row["parameter"]: row["weight_norm"] for row in weight if row["parameter"]} == pytest.approx(whole, 1e-5)
    assert run.notes == []


def test_the_report_of_a_sharded_run_says_what_it_shows_parts_of(folder: Path) -> None:
    told = " ".join(CliRunner().invoke(app, ["report", str(folder / "run1")]).stderr.split())
    assert "4 parameters are sharded: what is said of weights and updates is about rank 0's parts, 1 of 2" in told
    whole = _alone()[-1][""]
    assert f"norm of the gradient at step 4, joined over 2 ranks: {whole:.3g}" in told


def test_a_rank_without_a_part_does_not_call_its_gradient_zero(folder: Path) -> None:
    for rank in range(WORLD):
        told = torch.load(folder / f"run1.{rank}.pt", weights_only=False)
        assert told == dict.fromkeys(("0.weight", "0.bias", "2.weight", "2.bias"), "nonzero")
