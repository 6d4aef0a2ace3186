"""A threshold that two places share is written down once: two copies drift apart."""

from __future__ import annotations

import ast
from pathlib import Path

import headwater
from headwater.rules import thresholds

SOURCE = Path(headwater.__file__).parent
SHARED = {
    *(name for name in vars(thresholds) if name.isupper()),
    *("CURVED", "HORIZONS", "KNOWS", "LOSS_RISES", "LSTM_HORIZONS", "TINY_UPDATE"),
}


def _assigned(path: Path) -> list[str]:
    """The names that a module gives to something at its top level."""
    targets = [t for node in ast.parse(path.read_text()).body if isinstance(node, ast.Assign) for t in node.targets]
    return [name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)]


def test_each_shared_threshold_stands_in_one_place():
    paths = [path for floor in ("records", "rules", "measure") for path in (SOURCE / floor).rglob("*.py")]
    found = [name for path in paths for name in _assigned(path) if name in SHARED]
    assert sorted(found) == sorted(SHARED)
