"""From a prediction to sentences, terminal text, JSON and a picture. It renders and never computes. No torch."""

from headwater.report.prediction.json import to_json
from headwater.report.prediction.picture import draw
from headwater.report.prediction.terminal import print_prediction
from headwater.report.prediction.words import sentences

__all__ = ["draw", "print_prediction", "sentences", "to_json"]
