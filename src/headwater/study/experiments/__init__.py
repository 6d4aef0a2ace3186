"""The experiments, each declared in a file of its own."""

from headwater.study.experiments.registry import EXPERIMENTS, experiment

__all__ = ["EXPERIMENTS", "experiment"]
