import sys

import pytest
import torch

from headwater.errors import InputError, MissingDependencyError
from headwater.study import data
from headwater.study.data import load_dataset

HAS_FASHION = data._FASHION_FOLDER.is_dir()


def test_digits():
    pytest.importorskip("sklearn")
    digits = load_dataset("digits")
    assert digits.inputs.shape == (1437, 64)
    assert digits.test_inputs.shape == (360, 64)
    assert digits.features == 64
    assert digits.inputs.mean().item() == pytest.approx(0, abs=1e-5)
    assert digits.inputs.std().item() == pytest.approx(1, abs=1e-4)
    assert sorted(set(digits.labels.tolist())) == list(range(10))


def test_no_test_image_is_a_training_image():
    pytest.importorskip("sklearn")
    digits = load_dataset("digits")
    training = {tuple(row) for row in digits.inputs.tolist()}
    assert not training & {tuple(row) for row in digits.test_inputs.tolist()}


@pytest.mark.skipif(not HAS_FASHION, reason="Debian's package dataset-fashion-mnist is not installed")
def test_fashion_mnist():
    clothes = load_dataset("fashion-mnist")
    assert clothes.inputs.shape == (12000, 784)
    assert clothes.test_inputs.shape == (2000, 784)
    assert clothes.labels[:5].tolist() == [9, 0, 0, 3, 0]  # an ankle boot first, as the data set's own README shows
    assert clothes.inputs.dtype == torch.float32


def test_fashion_mnist_that_is_not_installed(monkeypatch, tmp_path):
    monkeypatch.setattr(data, "_FASHION_FOLDER", tmp_path / "nothing")
    with pytest.raises(InputError, match="apt install dataset-fashion-mnist"):
        load_dataset("fashion-mnist")


def test_digits_without_scikit_learn_name_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'headwater\[demo\]'"):
        load_dataset("digits")


def test_an_unknown_name():
    with pytest.raises(InputError, match="Expected a data set out of digits, fashion-mnist or auto, got 'mnist'"):
        load_dataset("mnist")
