"""Watches a live training: hooks at the optimizer's step, itemised passes, and a governor that bounds their cost."""

from headwater.monitor.about import rank, run_info, world_size
from headwater.monitor.alarms import Event
from headwater.monitor.discovery import models_of
from headwater.monitor.figures import StepFigures
from headwater.monitor.losses import loss_of
from headwater.monitor.monitor import Monitor
from headwater.monitor.recorder import Recorder
from headwater.monitor.session import Session
from headwater.monitor.settings import OF_A_SCRIPT, Settings
from headwater.monitor.sink import Sink, Teller

__all__ = [
    "OF_A_SCRIPT",
    "Event",
    "Monitor",
    "Recorder",
    "Session",
    "Settings",
    "Sink",
    "StepFigures",
    "Teller",
    "loss_of",
    "models_of",
    "rank",
    "run_info",
    "world_size",
]
