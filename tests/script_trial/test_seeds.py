"""Under seed 0 a script draws what it draws by itself; under another one all that it draws is different."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DRAWS = """
import json, os, random, sys
import numpy as np, torch
sys.path.insert(0, sys.argv[1])
from headwater.script_trial.seeds import shift_numpy, shift_python, shift_torch

def draw():
    if sys.argv[2] == "seeded":
        random.seed(3); np.random.seed(3); torch.manual_seed(3)
    else:
        random.seed(); np.random.seed(); torch.seed()
    own = torch.Generator().manual_seed(5)
    return {
        "python": random.random(),
        "numpy": np.random.rand(),
        "rng": np.random.default_rng(5).random(),
        "unseeded": np.random.default_rng().random(),
        "torch": torch.rand(1).item(),
        "own": torch.randperm(1000, generator=own).tolist()[:5],
        "unseeded own": torch.rand(1, generator=torch.Generator()).item(),
        "loader": [x.item() for x in torch.utils.data.DataLoader(range(100), shuffle=True, generator=own)][:5],
    }

for seed in (None, 0, 0, 1, 1):
    child = os.fork()
    if child == 0:
        for shift in (shift_python, shift_numpy, shift_torch) if seed is not None else ():
            shift(seed)
        print(json.dumps(draw()), flush=True)
        os._exit(0)
    os.waitpid(child, 0)
"""


@pytest.mark.parametrize(
    ("how", "left_to_chance"), [("seeded", {"unseeded"}), ("not", set("python numpy torch".split()))]
)
def test_draws(how: str, left_to_chance: set[str]) -> None:
    command = [sys.executable, "-c", DRAWS, str(ROOT / "src"), how]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    plain, zero, zero_again, one, one_again = map(json.loads, done.stdout.splitlines())
    assert {name for name in plain if plain[name] == zero[name]} == set(plain) - left_to_chance - {"unseeded"}
    assert zero == zero_again and one == one_again
    assert not [name for name in zero if zero[name] == one[name]]
