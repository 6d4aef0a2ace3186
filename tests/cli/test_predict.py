from __future__ import annotations

import json

import pytest

from tests.cli.test_app import run


def test_text(capsys):
    code, out, err = run(capsys, "predict", "--activation", "gelu", "--init", "xavier", "--depth", "50")
    assert (code, err) == (0, "")
    assert "gelu, xavier initialisation, 50 layers: the gradient vanishes" in out
    assert "0.5076" in out


def test_json_and_deviations(capsys):
    arguments = ("predict", "-a", "tanh", "--sigma-w", "2", "--sigma-b", "0.2236068", "--depth", "20", "--json")
    code, out, _ = run(capsys, *arguments)
    read = json.loads(out)
    assert code == 0
    assert read["weight_variance"] == 4.0
    assert read["trainable_depth"] == pytest.approx(42, rel=0.01)


def test_plot(capsys, tmp_path):
    path = tmp_path / "phases.svg"
    code, out, err = run(capsys, "predict", "-a", "relu", "--init", "he", "--plot", str(path))
    assert code == 0
    assert "survives" in out
    assert err == f"written: {path}\n"
    assert b"<svg" in path.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("-a", "gelo"), "Nearest: gelu"),
        (("-a", "gelu", "--init", "hee"), "Nearest: he"),
        (("-a", "gelu", "--init", "1.5,0.1"), "--sigma-w and --sigma-b"),
        (("-a", "gelu", "--sigma-w", "nan"), "--sigma-w as a finite number of at least 0, got nan"),
        (("-a", "gelu", "--sigma-w", "1", "--sigma-b", "-1"), "--sigma-b as a finite number of at least 0, got -1"),
        (("-a", "gelu", "--sigma-b", "0.1"), "needs --sigma-w"),
        (("-a", "gelu", "--init", "he", "--sigma-w", "1"), "got both"),
        (("-a", "gelu", "--plot", "x.bmp"), "x.bmp"),
        ((), "Missing option"),
    ],
)
def test_input_errors_exit_with_2(capsys, arguments, said):
    code, out, err = run(capsys, "predict", *arguments)
    assert (code, out) == (2, "")
    assert said in err
