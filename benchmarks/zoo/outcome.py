"""What came of one entry: built, run plainly, diagnosed, and checked to be as it was."""

from __future__ import annotations

import copy
import gc
import hashlib
import time
import traceback
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

import headwater
from benchmarks.zoo.entry import Entry, Problem

FATAL = ("HW101", "HW102")


@dataclass(frozen=True)
class Result:
    """Numbers and names only, so that it travels between processes and lies in a cache."""

    name: str
    family: str
    error: str = ""
    changed: tuple[str, ...] = ()
    findings: tuple[tuple[str, str, str], ...] = ()
    layers: int = 0
    gain: float | None = None
    attenuation: float | None = None
    plain: float = 0.0
    seconds: float = 0.0

    @property
    def healthy(self) -> bool:
        return not self.error and all(severity == "info" for _, severity, _ in self.findings)

    @property
    def fatal(self) -> bool:
        return any(code in FATAL and severity == "error" for code, severity, _ in self.findings)


def run(entry: Entry, steps: int) -> Result:
    """Diagnoses one entry; whatever is raised becomes the result."""
    torch.manual_seed(0)
    try:
        problem = entry.build()
        seconds = plain(problem)
        before = fingerprint(problem.model)
        start = time.perf_counter()
        report = headwater.diagnose(problem.model, problem.batches, problem.loss_fn, steps=steps)
        spent = time.perf_counter() - start
        after = fingerprint(problem.model)
    except Exception as error:
        return Result(entry.name, entry.family, "".join(traceback.format_exception(error, limit=-4))[-1500:])
    finally:
        gc.collect()
    return Result(
        name=entry.name,
        family=entry.family,
        changed=tuple(sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))),
        findings=tuple((f.code, f.severity, f.message) for f in report.findings),
        layers=len(report.layers),
        gain=report.measurement.profile.gain,
        attenuation=report.measurement.profile.attenuation,
        plain=seconds,
        seconds=spent,
    )


def plain(problem: Problem) -> float:
    """Seconds of a forward and backward pass on a copy, without Headwater; the gradients go to the model.

    They stand for those of a training that the diagnosis interrupts, and must still be there after it.
    """
    twin = copy.deepcopy(problem.model)
    seconds = 0.0
    for batch in problem.batches[:2]:  # the first pass also pays for memory and caches
        twin.zero_grad()
        start = time.perf_counter()
        _loss(problem, twin, batch).backward()
        seconds = time.perf_counter() - start
    for parameter, its_twin in zip(problem.model.parameters(), twin.parameters(), strict=True):
        parameter.grad = its_twin.grad
    return seconds


def _loss(problem: Problem, model: nn.Module, batch: Any) -> torch.Tensor:
    if problem.loss_fn is None:
        return model(**batch).loss
    inputs, targets = batch
    return problem.loss_fn(model(inputs), targets)


def fingerprint(model: nn.Module) -> dict[str, str]:
    """Digests of all that a diagnosis must leave alone, bit for bit, buffers that are not saved among it."""
    found = {"random numbers": _digest(torch.get_rng_state())}
    for name, module in model.named_modules():
        found[f"mode of {name}"] = str(module.training)
    for name, parameter in model.named_parameters():
        found[name] = f"{_digest(parameter)} {parameter.requires_grad}"
        found[f"gradient of {name}"] = "none" if parameter.grad is None else _digest(parameter.grad)
    return found | {name: _digest(buffer) for name, buffer in model.named_buffers()}


def _digest(tensor: torch.Tensor) -> str:
    plain_tensor = tensor.detach()
    if plain_tensor.is_sparse:
        plain_tensor = plain_tensor.coalesce()
        return _digest(plain_tensor.indices()) + _digest(plain_tensor.values())
    flat = plain_tensor.contiguous().flatten().view(torch.uint8)
    return hashlib.blake2b(flat.numpy().data, digest_size=16).hexdigest()
