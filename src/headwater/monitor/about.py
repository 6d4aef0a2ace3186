"""What a run is: the models, the optimizers, the process, and its place among those that train together."""

from __future__ import annotations

import os
import platform
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import distributed, nn

import headwater
from headwater.graph import class_of
from headwater.monitor.names import module_of
from headwater.records import ModelInfo, RunInfo


def run_info(models: Mapping[str, nn.Module], optimizers: Mapping[str, Any], budget: float) -> RunInfo:
    """Describes the training of this process."""
    return RunInfo(
        name="",
        schema_version=0,
        **trained(models, optimizers),
        versions={
            "headwater": headwater.__version__,
            "python": platform.python_version(),
            "torch": str(torch.__version__),
        },
        command=tuple(sys.argv),
        git_commit=_git_commit(),
        host=socket.gethostname(),
        process=os.getpid(),
        world_size=world_size(),
        seeds=_seeds(),
        budget=budget,
    )


def trained(models: Mapping[str, nn.Module], optimizers: Mapping[str, Any]) -> dict[str, Any]:
    """What `RunInfo` says of models and optimizers."""
    return {
        "models": tuple(
            ModelInfo(
                name,
                class_of(module_of(model)).__name__,
                sum(p.numel() for p in model.parameters()),
                _layers(module_of(model)),
            )
            for name, model in models.items()
        ),
        "optimizers": {name: type(optimizer).__name__ for name, optimizer in optimizers.items()},
        "sharded": _sharded(models),
    }


def rank() -> int:
    """Number of this process among those that train together."""
    return distributed.get_rank() if _together() else int(os.environ.get("RANK", "0"))


def world_size() -> int:
    """Number of processes that train together."""
    return distributed.get_world_size() if _together() else int(os.environ.get("WORLD_SIZE", "1"))


def _layers(model: nn.Module) -> dict[str, str]:
    """Path and class of each module that holds parameters of its own."""
    named = cast(Any, model).named_modules()
    return {name: class_of(module).__name__ for name, module in named if list(module.parameters(recurse=False))}


def _seeds() -> dict[str, int]:
    """Seeds that can be asked for without drawing a number; CUDA is not initialised by it."""
    seeds = {"torch": torch.initial_seed()}
    if torch.cuda.is_initialized():
        seeds["cuda"] = torch.cuda.initial_seed()
    return seeds


def _together() -> bool:
    """Whether the processes know each other; before that only torchrun's variables tell."""
    return distributed.is_available() and distributed.is_initialized()


def _sharded(models: Mapping[str, nn.Module]) -> dict[str, int]:
    """Parameters that are distributed, with the number of equal copies of each part."""
    found: dict[str, int] = {}
    for prefix, model in models.items():
        for name, parameter in module_of(model).named_parameters():
            mesh: Any = getattr(parameter, "device_mesh", None)
            if mesh is not None:
                copies = 1
                for size, placement in zip(mesh.shape, parameter.placements, strict=True):  # type: ignore[attr-defined]
                    copies *= 1 if placement.is_shard() else int(size)
                found[f"{prefix}.{name}" if len(models) > 1 else name] = copies
    return found


def _git_commit() -> str | None:
    command = ["git", "rev-parse", "HEAD"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=5, cwd=Path.cwd(), check=False)
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip() or None
