"""Deep convolutional networks, the images that they learn, and their gradient at the start."""

from headwater.study.convolutions.images import images
from headwater.study.convolutions.networks import VARIANTS, cnn
from headwater.study.convolutions.start import start

__all__ = ["VARIANTS", "cnn", "images", "start"]
