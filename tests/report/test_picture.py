from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from headwater.errors import InputError, MissingDependencyError
from headwater.report import Report
from tests.builders import chain, finding, findings, layer, measurement, residual, vanishing

REPORTS = {
    "vanishing": Report(vanishing(), findings()),
    "healthy": Report(residual(), ()),
    "odd": Report(measurement((*chain([0.0, math.nan, 1e-3, math.inf]), layer("$x_$", 2, None))), (finding(),)),
    "one": Report(measurement(chain([0.3], prefix="a$b$_")), ()),
    "none": Report(measurement(), ()),
    "long": Report(vanishing(2000, 0.93), ()),
}


@pytest.mark.parametrize("name", REPORTS)
def test_every_report_can_be_drawn(name: str, tmp_path: Path) -> None:
    path = tmp_path / "plot.png"
    assert REPORTS[name].plot(path) == path
    assert path.read_bytes().startswith(b"\x89PNG")


def test_the_suffix_chooses_the_format(tmp_path: Path) -> None:
    assert b"<svg" in Path(str(REPORTS["healthy"].plot(tmp_path / "plot.svg"))).read_bytes()
    with pytest.raises(InputError, match=r"plot\.xlsx"):
        REPORTS["healthy"].plot(str(tmp_path / "plot.xlsx"))


def test_the_figure_shows_the_profile() -> None:
    from matplotlib.figure import Figure

    figure = REPORTS["vanishing"].plot()
    assert isinstance(figure, Figure)
    line = figure.axes[0].lines[-1]
    assert list(line.get_xdata()) == list(range(1, 51))  # type: ignore[arg-type]
    signals = [point.signal for point in REPORTS["vanishing"].profile.points]
    assert list(line.get_ydata()) == pytest.approx([math.log10(signal) for signal in signals])  # type: ignore[arg-type]


def test_the_prediction_lies_over_the_measurement_and_text_stays_text(tmp_path: Path) -> None:
    layers = tuple(replace(each, predicted_gain=0.1) for each in chain([1e-3, 1e-2, 1e-1, 1.0]))
    report = Report(measurement(layers), ())
    figure = report.plot()
    (line,) = [each for each in figure.axes[0].lines if each.get_label() == "predicted"]  # type: ignore[union-attr]
    assert list(line.get_xdata()) == [4, 3, 2, 1]
    assert list(line.get_ydata()) == pytest.approx([0.0, -1.0, -2.0, -3.0])
    svg = report.plot(tmp_path / "plot.svg").read_text()  # type: ignore[union-attr]
    assert ">gradient norm<" in svg and ">input: 0<" in svg and ">10⁻¹⁰<" not in svg
    assert ">10⁻⁴⁰<" in REPORTS["vanishing"].plot(tmp_path / "deep.svg").read_text()  # type: ignore[union-attr]


def test_no_window_system_and_no_global_figures() -> None:
    code = (
        "from tests.builders import vanishing; from headwater.report import Report; import sys;"
        "assert 'matplotlib' not in sys.modules and 'torch' not in sys.modules;"
        "Report(vanishing(), ()).plot(); assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_matplotlib_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingDependencyError, match=r'pip install "headwater\[plot\]"'):
        REPORTS["healthy"].plot()
