"""What the numbers of a run are called in a chart, their units and their definitions."""

from __future__ import annotations

from headwater.records import STATISTICS

_NAMES: dict[str, tuple[str, str, str]] = {
    "grad_norm": ("gradient of the parameters", "norm", "log"),
    "weight_norm": ("weights", "norm", "log"),
    "update_ratio": ("update ratio", "share of the weights in a step", "log"),
    "loss_share": ("share of the loss decrease", "share, all layers sum to one", "linear"),
    "signal": ("gradient", "norm over the batch", "log"),
    "gain": ("gain", "factor toward the input", "log"),
    "gain_activation": ("gain, activation", "factor toward the input", "log"),
    "gain_weights": ("gain, weights", "factor toward the input", "log"),
    "gain_normalisation": ("gain, normalisation", "factor toward the input", "log"),
    "gain_other": ("gain, other", "factor toward the input", "log"),
    "predicted_gain": ("predicted gain", "factor toward the input", "log"),
    "loss": ("loss", "loss of a batch", "linear"),
    "learning_rate": ("learning rate", "rate of the optimizer", "log"),
    "clip": ("clipping", "factor on the gradient", "linear"),
}
"""Name, unit and scale of each column of `STATISTICS`."""


def statistics() -> dict[str, dict[str, str]]:
    """Each statistic with its name, unit, scale and definition."""
    return {
        key: {"name": name, "unit": unit, "scale": scale, "definition": STATISTICS[key]}
        for key, (name, unit, scale) in _NAMES.items()
    }
