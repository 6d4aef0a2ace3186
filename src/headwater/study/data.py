"""Real data sets that need no download."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from headwater.errors import InputError, MissingDependencyError

_FASHION_FOLDER = Path("/usr/share/datasets/fashion-mnist")
_FASHION_TRAIN, _FASHION_TEST = 12_000, 2_000  # enough for a short training, and quick to load


@dataclass(frozen=True)
class Dataset:
    """Images as rows, standardised with the training set's one mean and one deviation, in a train and a test part.

    One mean and deviation for all pixels, not one for each: a pixel that is almost always black would else become
    the loudest input (digits, 50 ReLU layers with He initialisation: 0.79 instead of 0.91 of the test images right).

    Attributes:
        name, title: how it is asked for, and how it is called in a sentence.
        inputs, labels: the training part, shapes ``(n, features)`` and ``(n,)``.
        test_inputs, test_labels: the part that no training sees.
        classes: number of classes.
    """

    name: str
    title: str
    inputs: torch.Tensor
    labels: torch.Tensor
    test_inputs: torch.Tensor
    test_labels: torch.Tensor
    classes: int = 10

    @property
    def features(self) -> int:
        """Number of inputs of a network for this data."""
        return self.inputs.shape[1]


def load_dataset(name: str = "auto") -> Dataset:
    """Loads a data set by name.

    Args:
        name: ``"digits"``: 1,797 handwritten digits of 8 x 8 pixels, part of scikit-learn; ``"fashion-mnist"``: 14,000
            of the 70,000 photographs of clothes that Debian's package ``dataset-fashion-mnist`` installs; ``"auto"``:
            the digits, or where scikit-learn is missing the clothes.

    Raises:
        InputError: no data set has this name, or its files are not installed.
        MissingDependencyError: scikit-learn is not installed.
    """
    loaders: dict[str, Callable[[], Dataset]] = {"digits": _digits, "fashion-mnist": _fashion_mnist}
    if name == "auto":
        only_fashion = find_spec("sklearn") is None and _FASHION_FOLDER.is_dir()
        name = "fashion-mnist" if only_fashion else "digits"
    if name not in loaders:
        raise InputError(f"Expected a data set out of {', '.join(loaders)} or auto, got {name!r}.")
    return loaders[name]()


def _digits() -> Dataset:
    try:
        datasets = import_module("sklearn.datasets")
    except ImportError as error:
        raise MissingDependencyError(
            "The handwritten digits come with scikit-learn, which is not installed. "
            "Install it with: pip install 'headwater[demo]'"
        ) from error
    images, labels = datasets.load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(images))  # the file is sorted by writer
    images, labels = images[order], labels[order]
    cut = len(images) * 4 // 5
    return _dataset("digits", "handwritten digits", (images[:cut], labels[:cut]), (images[cut:], labels[cut:]))


def _fashion_mnist() -> Dataset:
    if not _FASHION_FOLDER.is_dir():
        raise InputError(
            f"Fashion-MNIST is read from {_FASHION_FOLDER}, which does not exist. On Debian and Ubuntu install it with "
            "`apt install dataset-fashion-mnist`, or use the digits."
        )
    return _dataset(
        "fashion-mnist",
        "photographs of clothes (Fashion-MNIST)",
        _idx_pair("train", _FASHION_TRAIN),
        _idx_pair("t10k", _FASHION_TEST),
    )


def _idx_pair(part: str, count: int) -> tuple[NDArray[Any], NDArray[Any]]:
    images = _idx(_FASHION_FOLDER / f"{part}-images-idx3-ubyte.gz")[:count]
    return images.reshape(count, -1), _idx(_FASHION_FOLDER / f"{part}-labels-idx1-ubyte.gz")[:count]


def _idx(path: Path) -> NDArray[np.uint8]:
    """Reads an idx file: two zero bytes, the type, the number of dimensions, their sizes (big-endian), the data."""
    content = gzip.decompress(path.read_bytes())
    dimensions = content[3]
    shape = struct.unpack(f">{dimensions}I", content[4 : 4 + 4 * dimensions])
    return np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions).reshape(shape)


def _dataset(
    name: str,
    title: str,
    train: tuple[NDArray[Any], NDArray[Any]],
    test: tuple[NDArray[Any], NDArray[Any]],
) -> Dataset:
    mean, deviation = float(np.mean(train[0])), float(np.std(train[0]))
    parts = [
        (
            torch.tensor((images.astype(np.float64) - mean) / deviation, dtype=torch.float32),
            torch.tensor(labels.astype(np.int64)),
        )
        for images, labels in (train, test)
    ]
    return Dataset(name, title, *parts[0], *parts[1])
