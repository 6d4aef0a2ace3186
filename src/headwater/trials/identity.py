"""What a search is known by, so that results that were kept are found again for the same training only."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

import headwater
from headwater.graph.frames import is_users
from headwater.trials.objects import HELD_OUT, ObjectsWorkload
from headwater.trials.stream import Stream


def identity(workload: ObjectsWorkload) -> str:
    """Returns what a trial depends on: versions, the user's files, and the data as they and the losses show."""
    seen = hashlib.sha256()
    for batches in (workload.batches, workload.validation):
        for part in _parts([] if batches is None else Stream(batches, seed=0).first(HELD_OUT)):
            seen.update(part)
    files = sorted({str(getattr(module, "__file__", None)) for module in list(sys.modules.values())})
    sources = [
        Path(file).read_bytes() for file in files if os.path.isabs(file) and os.path.isfile(file) and is_users(file)
    ]
    measured = workload.measurement
    parts = [headwater.__version__, torch.__version__, repr(measured.optimizer), seen.hexdigest()]
    parts += [alike([each.loss for each in measured.steps], measured.device)]
    parts += [hashlib.sha256(each).hexdigest() for each in sources]
    return "\n".join(parts)


def alike(losses: Sequence[float], device: str) -> str:
    """Losses as one training shows them again: on the CPU to the last bit, elsewhere to a few digits.

    Kernels of GPUs add up in any order. The first loss, of a forward pass alone, keeps four digits all the same, which
    tell data apart: with ten classes it is near 2.3 on any. In the steps behind it the difference grows: two digits.
    """
    return repr([each if device == "cpu" else float(f"{each:.{1 if i else 3}e}") for i, each in enumerate(losses)])


def _parts(value: Any) -> Iterator[bytes]:
    """The numbers of a batch, whatever it is made of."""
    if isinstance(value, Tensor):
        yield repr((value.shape, value.dtype)).encode()
        yield value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
    elif isinstance(value, np.ndarray):
        array = cast("np.ndarray[Any, Any]", value)
        yield repr((array.shape, array.dtype)).encode()
        yield array.tobytes()
    elif isinstance(value, Mapping):
        yield from _parts(list(cast("Mapping[Any, Any]", value).items()))
    elif isinstance(value, list | tuple):
        for each in cast("list[Any]", value):
            yield from _parts(each)
    else:
        yield repr(value).encode() if isinstance(value, str | int | float) else type(value).__name__.encode()
