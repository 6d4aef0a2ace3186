from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from headwater import predict
from headwater.errors import InputError

GOLDEN = Path(__file__).parent / "golden"
PREDICTIONS = {
    "vanishing": predict("gelu", "xavier"),
    "critical": predict("relu", "he", 30),
    "exploding": predict("linear", (2.0, 0.0), 2000),
    "zero": predict("relu", (0.0, 0.1), 5),
    "no-edge": predict("softplus", "he"),
    "unusable-edge": predict("sigmoid", depth=3),
    "deep": predict("selu", "lecun", 300),
}


def printed(name: str, width: int = 80, encoding: str = "utf-8") -> str:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding=encoding, newline="\n")
    PREDICTIONS[name].print(Console(file=out, width=width))
    out.flush()
    return raw.getvalue().decode(encoding)


@pytest.mark.parametrize("name", PREDICTIONS)
def test_text_at_80_columns(name: str, golden: Callable[[Path, str], None]) -> None:
    golden(GOLDEN / f"{name}.txt", printed(name))


@pytest.mark.parametrize("name", PREDICTIONS)
@pytest.mark.parametrize("width", [50, 80, 200])
def test_lines_fit_and_end_without_spaces(name: str, width: int) -> None:
    for line in printed(name, width).splitlines():
        assert len(line) <= width
        assert line == line.rstrip()


def test_ascii_where_the_encoding_has_no_more() -> None:
    assert "sigma_w^2 4" in printed("vanishing", encoding="ascii")


@pytest.mark.parametrize("name", PREDICTIONS)
def test_json_has_every_number_and_no_infinity_of_its_own(name: str) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    read = json.loads(PREDICTIONS[name].to_json(), parse_constant=refuse)
    record = PREDICTIONS[name].record
    assert read["gain"] == record.gain
    assert len(read["gains"]) == record.depth - 1
    expected = "infinity" if record.trainable_depth == float("inf") else record.trainable_depth
    assert read["trainable_depth"] == expected


@pytest.mark.parametrize("name", ["critical", "exploding", "zero"])
def test_every_prediction_can_be_drawn(name: str, tmp_path: Path) -> None:
    path = tmp_path / "plot.png"
    assert PREDICTIONS[name].plot(path) == path
    assert path.read_bytes().startswith(b"\x89PNG")


def test_the_figure_marks_the_initialisation_in_the_phase_diagram() -> None:
    from matplotlib.figure import Figure

    figure = predict("tanh", (1.3, 0.2)).plot()
    assert isinstance(figure, Figure)
    depth, phases, *_ = figure.axes
    assert depth.get_xlim() == (1, 50)
    stars = [line for line in phases.get_lines() if line.get_marker() == "*"]
    assert [tuple(line.get_xydata()[0]) for line in stars] == [pytest.approx((0.04, 1.69))]
    said = {text.get_text() for text in phases.texts}
    assert {"He", "PyTorch default", "ordered: the gradient vanishes", "chaotic: the gradient explodes"} <= said


def test_an_initialisation_beyond_the_usual_is_inside_the_diagram() -> None:
    diagram = predict("tanh", (4.0, 1.0)).phase_diagram()
    assert diagram.weight_variances[-1] > 16.0
    assert diagram.bias_variances[-1] > 1.0


def test_the_path_is_checked_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"plot\.txt"):
        PREDICTIONS["critical"].plot(tmp_path / "plot.txt")


def test_a_picture_needs_no_pyplot() -> None:
    code = "import sys, headwater; headwater.predict('relu').plot(); assert 'matplotlib.pyplot' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
