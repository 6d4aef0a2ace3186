"""What runs in a worker: a workload is unpacked once, and one trial runs at a time."""

from __future__ import annotations

import threading
import uuid
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import cloudpickle

from headwater.errors import InputError
from headwater.records import TrialResult
from headwater.trials.workload import Screening, Trial, Workload

_KEPT = 2
"""Workloads that a worker keeps unpacked: its search's, and one more."""
_unpacked: OrderedDict[str, Workload] = OrderedDict()
_one_at_a_time = threading.Lock()
"""Random numbers are the process's, and an engine may run several threads in one."""


@dataclass(frozen=True)
class Packed:
    """A workload as bytes, which any process can unpack.

    Attributes:
        key: of one search. A second one of the same workload goes on with no training that the first has left half way:
            what it cost would depend on what ran before.
        data: the workload.
    """

    key: str
    data: bytes


def packed(workload: Workload) -> Packed:
    """Returns the workload as bytes.

    Raises:
        InputError: it cannot be pickled.
    """
    try:
        data: bytes = cloudpickle.dumps(workload)
    except Exception as error:
        raise InputError(
            f"The training cannot be sent to other processes ({type(error).__name__}: {error}). Something that its "
            "functions use, or the batches, cannot be pickled, such as an open file or a lock: open it inside of them."
        ) from error
    return Packed(uuid.uuid4().hex, data)


def train(work: Packed, trial: Trial) -> TrialResult:
    """Runs a trial."""
    with _one_at_a_time:
        return _workload(work).run(trial)


def screen(work: Packed, remedies: tuple[str, ...]) -> Screening:
    """Looks at a candidate."""
    with _one_at_a_time:
        return _workload(work).screen(remedies)


def _workload(work: Packed) -> Workload:
    if work.key not in _unpacked:
        unpacked: Any = cloudpickle.loads(work.data)
        _unpacked[work.key] = unpacked
    _unpacked.move_to_end(work.key)
    while len(_unpacked) > _KEPT:
        _unpacked.popitem(last=False)
    return _unpacked[work.key]
