from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import torch

from benchmarks.zoo.entry import register_missing_operators

os.environ.setdefault("KERAS_BACKEND", "torch")
register_missing_operators()  # Lightning imports torchvision


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "integrations" in item.path.parts:  # what these libraries warn of is not ours to mend
            item.add_marker(pytest.mark.filterwarnings("ignore"))


@pytest.fixture(autouse=True)
def threads_as_before() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)
