"""More data that needs no download: clothes, sequences to be copied, and the sources of Python's standard library."""

from __future__ import annotations

import sysconfig
from collections import Counter
from functools import lru_cache
from pathlib import Path

import torch
import torch.nn.functional as F

from benchmarks.detection.data import Data
from headwater.study.data import load_dataset

LETTERS, ASKED = 4, 3
_CLOTHES = (3000, 1000)
_CHARACTERS = 48
_READ, _UNREAD = ("argparse.py", "inspect.py", "typing.py", "tarfile.py"), "dataclasses.py"


@lru_cache
def clothes() -> Data:
    """Fashion-MNIST, 14 x 14 pixels (means of four), standardised, ten classes; 3000 to train on and 1000 to test."""
    whole = load_dataset("fashion-mnist")
    train, test = _CLOTHES
    small = [F.avg_pool2d(x.view(-1, 1, 28, 28), 2) for x in (whole.inputs[:train], whole.test_inputs[:test])]
    return Data(small[0], whole.labels[:train], small[1], whole.test_labels[:test])


def flat_clothes() -> Data:
    return clothes().map(lambda x: x.flatten(1))


@lru_cache
def copied(lag: int) -> Data:
    """The copy task (Hochreiter and Schmidhuber 1997): three letters, `lag` blanks, then all three are asked for.

    The last input is a blank too; the answer is read from it in one go.
    """
    letters = torch.randint(0, LETTERS, (4000, ASKED), generator=torch.Generator().manual_seed(0))
    blanks = torch.full((len(letters), lag), LETTERS)
    x = F.one_hot(torch.cat([letters, blanks], 1), LETTERS + 1).float()
    test = len(x) // 4
    return Data(x[test:], letters[test:], x[:test], letters[:test])


@lru_cache
def python_source(length: int) -> Data:
    """Characters of modules of the standard library; at every position the next one is asked for.

    The most frequent characters have a number each, all others share number 0. The held-out module is another one.
    """
    library = Path(sysconfig.get_path("stdlib"))
    read = "".join((library / name).read_text(encoding="utf-8") for name in _READ)
    frequent = [character for character, _ in Counter(read).most_common(_CHARACTERS - 1)]
    numbers = {character: number for number, character in enumerate(frequent, 1)}
    train, test = (_windows(text, numbers, length) for text in (read, (library / _UNREAD).read_text(encoding="utf-8")))
    train = train[torch.randperm(len(train), generator=torch.Generator().manual_seed(0))][:2000]
    return Data(train[:, :-1], train[:, 1:], test[:400, :-1], test[:400, 1:])


def next_character(length: int) -> Data:
    """The same with one answer for each window, its last character; the inputs are one-hot and laid out in a row."""
    return python_source(length).map(
        lambda x: F.one_hot(x, _CHARACTERS).float().flatten(1), lambda y: y[:, -1].contiguous()
    )


def _windows(text: str, numbers: dict[str, int], length: int) -> torch.Tensor:
    codes = torch.tensor([numbers.get(character, 0) for character in text])
    return codes[: len(codes) // (length + 1) * (length + 1)].view(-1, length + 1)


CHARACTERS = _CHARACTERS
SPACES = 0.26
"""About the share of spaces in that source: what the best constant answer gets right."""
