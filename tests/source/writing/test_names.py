"""The model is written as it is called where its optimizer is built, which the names that were seen there confirm."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from headwater.records import Code
from headwater.source.writing import patch
from tests.source.writing.builders import change, place, written

DRAW = Code(before="draw({model}.weight)")


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("net = make()\nopt = SGD(net.parameters())\n", {"<module>": {"other": "other", "net": ""}}),
        ("class Agent:\n    def f(self):\n        opt = SGD(self.net.parameters() + self.twin.parameters())\n", {}),
        ("def f(net):\n    opt = SGD(net.parameters())\n", {"<module>": {"net": "net"}, "f": {"net": ""}}),
    ],
    ids=["another object", "no module", "another in this function"],
)
def test_a_name_that_is_not_that_of_the_model_is_not_written(tmp_path: Path, source: str, names: Any) -> None:
    path = written(tmp_path / "train.py", source)
    made = patch([change(code=DRAW)], optimizer=place(path, "opt"), names=names)
    assert not made.files and "does not tell what the model is called" in made.not_written[0]


def test_a_wrapped_model_is_reached_through_its_wrapper(tmp_path: Path) -> None:
    source = "def f(net):\n    net = torch.compile(net)\n    opt = SGD(net.parameters())\n"
    path = written(tmp_path / "train.py", source)
    made = patch([change(code=DRAW)], optimizer=place(path, "opt"), names={"f": {"net": "net._orig_mod"}})
    assert "draw(net._orig_mod.weight)" in made.files[0].new


def test_a_wrapped_model_that_loads_weights_is_left_alone(tmp_path: Path) -> None:
    source = "net = Net()\nnet.load_state_dict(saved)\nnet = compile(net)\nopt = SGD(net.parameters())\n"
    path = written(tmp_path / "train.py", source)
    made = patch([change(code=DRAW)], optimizer=place(path, "opt"), names={"<module>": {"net": "net._orig_mod"}})
    assert not made.files and made.snippet


@pytest.mark.parametrize(
    ("known", "wanted"),
    [
        ({"agent": "agent"}, "draw(agent.weight)"),
        ({"agent": "", "other": "other"}, "draw(agent.net.weight)"),
        ({"agent": "", "agent.net": "agent.net"}, "draw(agent.net.weight)"),
    ],
    ids=["a part of the model", "a property", "an attribute"],
)
def test_a_part_and_what_was_not_seen(tmp_path: Path, known: dict[str, str], wanted: str) -> None:
    path = written(tmp_path / "train.py", "opt = SGD(agent.net.parameters())\n")
    made = patch([change(code=DRAW)], optimizer=place(path, "opt"), names={"<module>": known})
    assert wanted in made.files[0].new
