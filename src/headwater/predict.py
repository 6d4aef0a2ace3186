"""The story of a prediction: an activation and an initialisation, what the theory says, and ways to look at it."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headwater import theory
from headwater.errors import InputError
from headwater.records import CriticalPoint, Phase, PhaseRecord, PredictionRecord
from headwater.report import prediction as views

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.console import Console


@dataclass(frozen=True, repr=False)
class Prediction:
    """What mean-field theory says of a plain deep network at initialisation.

    Attributes:
        record: every number, as plain data.
        activation: the function that they are for.
    """

    record: PredictionRecord
    activation: theory.Activation

    @property
    def gain(self) -> float:
        """Norm gain of the gradient per layer toward the input: geometric mean over the depth."""
        return self.record.gain

    @property
    def attenuation(self) -> float:
        """The gradient's norm at the first layer divided by that at the last: the product of ``depth - 1`` gains."""
        return self.record.attenuation

    @property
    def depth_scale(self) -> float:
        """Layers over which the network forgets which input it saw (xi_c); infinite at the edge of chaos."""
        return self.record.depth_scale

    @property
    def trainable_depth(self) -> float:
        """Layers up to which gradient descent trains it: six depth scales; infinite at the edge of chaos."""
        return self.record.trainable_depth

    @property
    def q(self) -> float:
        """Variance that the pre-activations settle on; zero: the signal dies out, infinite: it grows without end."""
        return self.record.q

    @property
    def verdict(self) -> str:
        """The prediction in a few plain sentences."""
        return views.sentences(self.record)

    def phase_diagram(self) -> PhaseRecord:
        """Returns the trainable depth over all initialisations with this activation, with room for this one."""
        record = self.record
        return theory.phase_diagram(
            self.activation,
            weight_variance=max(_WEIGHTS, 1.25 * record.weight_variance),
            bias_variance=max(_BIASES, 1.25 * record.bias_variance),
        )

    def print(self, console: Console | None = None) -> None:
        """Prints the prediction on a terminal (standard output unless a rich console is given)."""
        views.print_prediction(self.record, console)

    def to_json(self) -> str:
        """Returns every number as JSON; infinite ones, which JSON has not, as the words ``"infinity"``."""
        return views.to_json(self.record)

    def plot(self, path: str | Path | None = None) -> Path | Figure:
        """Draws the gradient over the depth and the phase diagram; writes ``.png``, ``.svg`` or ``.pdf``.

        Without a path it returns matplotlib's figure.

        Raises:
            MissingDependencyError: matplotlib is not installed.
            InputError: the path has another suffix, its folder does not exist, or nothing can be written there.
        """
        return views.draw(self.record, self.phase_diagram, None if path is None else Path(path))

    def __str__(self) -> str:
        from rich.console import Console

        out = io.StringIO()
        self.print(Console(file=out, width=_COLUMNS))
        return out.getvalue().rstrip("\n")

    def __repr__(self) -> str:
        return f"<Prediction: {self.verdict}>"

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>"


_WEIGHTS, _BIASES = 4.0, 0.3
"""Variances up to which the phase diagram is drawn at least: the named initialisations, and the curve of the edge."""
_COLUMNS = 88


def predict(
    activation: str | Callable[..., Any],
    init: str | Sequence[float] = "default",
    depth: int = 50,
    *,
    width: int = theory.WIDTH,
) -> Prediction:
    """Predicts what becomes of the gradient in a plain network of `depth` layers, before any training.

    Each layer is a weight matrix (or a convolution) with biases, and the activation; inputs have mean square one. The
    theory is that of wide networks at initialisation: Poole et al. 2016, Schoenholz et al. 2017. Where the variance of
    the pre-activations is stable it agrees with networks of 1000 units to within half a per cent per layer.

    Args:
        activation: a name such as ``"gelu"``, an ``nn.Module``, or a function from tensor to tensor.
        init: ``"default"`` (PyTorch's), ``"xavier"``, ``"he"``, ``"lecun"``, ``"orthogonal"``, or the pair of standard
            deviations ``(sigma_w, sigma_b)``: of a weight times ``sqrt(fan_in)``, and of a bias.
        depth: number of layers, at least 2.
        width: units of a layer; it decides the variance of PyTorch's default bias, and how far a network of this width
            strays from the prediction.

    Raises:
        InputError: no activation or initialisation has this name, or a number is out of range.
    """
    if not isinstance(depth, Integral) or depth < 2:
        raise InputError(f"Expected a depth of at least 2 layers, got {depth!r}: one layer hands no gradient on.")
    if not isinstance(width, Integral):
        raise InputError(f"Expected a width as a whole number of units, got {width!r}.")
    phi = theory.activation(activation)
    drawn = theory.initialisation(init, width=width)
    gains = theory.gains(phi, drawn, depth)
    fixed = theory.fixed_point(phi, drawn)
    scale = theory.depth_scale(phi, drawn, fixed)
    gradient_scale = theory.gradient_depth_scale(phi, drawn, fixed)
    log_attenuation = sum(math.log(gain) if gain > 0.0 else -math.inf for gain in gains)
    record = PredictionRecord(
        activation=phi.name,
        init=drawn.name,
        depth=depth,
        width=width,
        weight_variance=drawn.weight_variance,
        bias_variance=drawn.bias_variance,
        variances=theory.variances(phi, drawn, depth),
        gains=gains,
        gain=math.exp(log_attenuation / len(gains)),
        attenuation=math.exp(log_attenuation) if log_attenuation < _LARGEST_LOG else math.inf,
        noise=theory.log_gain_deviation([width] * (depth - 1)),
        q=fixed.q,
        stability=fixed.stability,
        phase=_phase(theory.gain(phi, drawn.weight_variance, theory.limit(fixed.q)), gradient_scale),
        depth_scale=scale,
        gradient_depth_scale=gradient_scale,
        trainable_depth=theory.TRAINABLE * scale,
        critical=_critical(phi, drawn),
    )
    return Prediction(record, phi)


_LARGEST_LOG = 709.0


def _phase(gain: float, gradient_scale: float) -> Phase:
    if math.isinf(gradient_scale):
        return "critical"
    return "ordered" if gain < 1.0 else "chaotic"


def _critical(phi: theory.Activation, drawn: theory.Initialisation) -> CriticalPoint | None:
    point = theory.edge_of_chaos(phi, drawn.bias_variance) or theory.edge_of_chaos(phi)
    return None if point is None else CriticalPoint(point.weight_variance, point.bias_variance, point.stable)
