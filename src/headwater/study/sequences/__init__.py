"""Recurrent networks on tasks whose lags are known, and how far back their gradient reaches."""

from headwater.study.sequences.memory import FARTHEST, Memory, memory
from headwater.study.sequences.networks import KINDS, recurrent
from headwater.study.sequences.tasks import TASKS, Task, adding, copying
from headwater.study.sequences.training import SOLVED, Look, follow

__all__ = [
    "FARTHEST",
    "KINDS",
    "SOLVED",
    "TASKS",
    "Look",
    "Memory",
    "Task",
    "adding",
    "copying",
    "follow",
    "memory",
    "recurrent",
]
