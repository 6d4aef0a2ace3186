"""Everything that one diagnosis measured: the plain object that rules and reports read."""

from __future__ import annotations

from dataclasses import dataclass, field

from headwater.records.attention import AttentionRecord
from headwater.records.layer import Layer, Profile
from headwater.records.learning_rate import RateRecord
from headwater.records.magnitudes import MagnitudesRecord
from headwater.records.precision import PrecisionRecord
from headwater.records.source import SourceLine
from headwater.records.through_time import TimeProfile

LOSS_RISES = 10.0
"""A loss this many times the first one within the probation has left its course; noise between batches does not."""


@dataclass(frozen=True)
class StepRecord:
    """One probation step. `non_finite` names the first place (in backward order) with a NaN or an infinity."""

    step: int
    loss: float
    non_finite: str | None = None
    file: str | None = None
    line: int | None = None


@dataclass(frozen=True)
class ParameterRecord:
    """One parameter over the probation.

    Attributes:
        name, shape: as in the model.
        module: path of the module that owns it.
        trainable: ``requires_grad``.
        gradient: ``"none"`` when no gradient ever reached it, ``"zero"`` when it was exactly zero in every step,
            else ``"nonzero"``.
        called: whether its module ran in the forward pass; ``None`` where that is not known.
        in_optimizer: whether a parameter group of the optimizer holds it.
        norm: Frobenius norm at the last step.
        update_ratio: as in `Layer`.
        identical_units: whether all units (rows of a matrix with more than one row) had the same weights and the
            same gradient at the last step, and never differed before, so that they never will.
        equal_at_start: whether all units had the same weights, other than zero, before the first step: then only their
            biases can tell them apart.
        epsilon_share: share of elements with ``sqrt(v_hat) < 10 eps`` under Adam; ``None`` for other optimizers.
    """

    name: str
    shape: tuple[int, ...]
    module: str
    trainable: bool
    gradient: str
    called: bool | None
    in_optimizer: bool
    norm: float
    update_ratio: float | None = None
    identical_units: bool = False
    equal_at_start: bool = False
    epsilon_share: float | None = None


@dataclass(frozen=True)
class UnitsRecord:
    """The units of one activation over all samples seen; one that is used in several roles has a record for each.

    Attributes:
        name: module path of the activation, or of the layer that feeds it.
        kind: ``"relu"``, ``"sigmoid"``, ``"tanh"``...
        role: ``"hidden"``, ``"gate"`` (it multiplies another signal) or ``"output"`` (no layer above it).
        units: number of units (channels).
        samples: number of samples seen, each position of a feature map or sequence counting as one.
        dead: units whose derivative was exactly zero on every sample.
        saturated: units with ``E[phi'^2] / max phi'^2 < 0.01``; where the activation is flat on one side only (GELU,
            SiLU, ELU...), units whose slope was below a hundredth of the largest on every sample.
        mean_square_slope: mean over units of ``E[phi'^2] / max phi'^2``.
        layer: name of the layer that feeds it, the last one where an activation is used after several.
        layers: names of all layers that feed it, input to output.
        dead_units, saturated_units: which units they are, counted from 0.
        built: the user's source line that built it, when it is a module and the line is known.
    """

    name: str
    kind: str
    role: str
    units: int
    samples: int
    dead: int
    saturated: int
    mean_square_slope: float
    layer: str | None = None
    file: str | None = None
    line: int | None = None
    dead_units: tuple[int, ...] = ()
    saturated_units: tuple[int, ...] = ()
    layers: tuple[str, ...] = ()
    built: SourceLine | None = None


@dataclass(frozen=True)
class SpreadRecord:
    """How much of a layer's input still depends on the sample: ``R = |h - mean over the batch| / |h|``."""

    layer: str
    depth: int
    spread: float


@dataclass(frozen=True)
class InputRecord:
    """What the first layers receive from the data (floating point inputs only).

    Attributes:
        layer: the layer that reads it.
        rms, mean, minimum, maximum: over the batch and all features.
        normalised: whether the first operation after it, or the layer's output, is normalised.
    """

    layer: str
    rms: float
    mean: float
    minimum: float
    maximum: float
    normalised: bool


@dataclass(frozen=True)
class HeadOp:
    """An operation between the last layer and the loss, from the loss downward, with its output's shape.

    Attributes:
        kind, role, shape, module, file, line: as in `Op`.
        input_shapes: shapes of the signals that it reads.
        constant_operand: whether it reads something besides that carries no gradient, such as the targets.
        built: the user's source line that built the module, when it holds no other one, the line is known and it builds
            none of the same class besides.
        shared_module, shared_line: whether the module, or the line, makes another operation of the kind that is none of
            the output's: below a layer, or with features of another shape.
    """

    kind: str
    role: str
    shape: tuple[int, ...]
    input_shapes: tuple[tuple[int, ...], ...] = ()
    constant_operand: bool = False
    file: str | None = None
    line: int | None = None
    module: str = ""
    built: SourceLine | None = None
    shared_module: bool = False
    shared_line: bool = False


@dataclass(frozen=True)
class HeadRecord:
    """Outputs, targets and what stands between the last layer and the loss.

    Attributes:
        ops: the operations from the loss to the last layer along the signal.
        output_shape, output_min, output_max, output_spread: of the model's output at the last step with a finite loss,
            when it is one tensor; `output_spread` is the standard deviation over the batch, averaged over features.
        position_spread: where outputs and targets have positions (time steps, pixels), and the targets of a sample
            differ, ``|o - mean over positions|_F / |o - mean over samples and positions|_F`` of the outputs: 0 when
            each position gives the same answer. ``None`` elsewhere.
        target_shape, target_dtype, target_min, target_max, target_rms, target_std, target_mean: of the targets, when
            given as a tensor; over all elements. The shape also where the operations of the loss tell it.
        fit: loss over the loss with each sample's targets exchanged for its neighbour's, at the last step: 1 when the
            outputs do not follow the targets, 0 when they fit them; ``None`` where the loss was not computed from one
            tensor of outputs and one of targets.
    """

    ops: tuple[HeadOp, ...] = ()
    output_shape: tuple[int, ...] | None = None
    output_min: float | None = None
    output_max: float | None = None
    output_spread: float | None = None
    position_spread: float | None = None
    target_shape: tuple[int, ...] | None = None
    target_dtype: str | None = None
    target_min: float | None = None
    target_max: float | None = None
    target_rms: float | None = None
    target_std: float | None = None
    target_mean: float | None = None
    fit: float | None = None


@dataclass(frozen=True)
class OptimizerRecord:
    """The optimizer of the probation.

    Attributes:
        kind: class name, e.g. ``"AdamW"``.
        rates: learning rate of each group.
        given: whether the user gave it; when not, plain gradient descent whose step is bounded.
        foreign: number of parameters in its groups that the model does not have.
    """

    kind: str
    rates: tuple[float, ...]
    given: bool
    foreign: int = 0


@dataclass(frozen=True)
class Measurement:
    """One diagnosis as data. See each part.

    Attributes:
        model, parameters_total: class name and size of the model; of several under watch, of what the optimizer trains.
        track: name of the optimizer under watch, empty for the only one without a name; ``None``: nothing was watched,
            the steps are those of a probation.
    """

    model: str
    parameters_total: int
    batch_size: int
    batches: int
    judged_steps: tuple[int, ...]
    steps: tuple[StepRecord, ...]
    layers: tuple[Layer, ...]
    profile: Profile
    parameters: tuple[ParameterRecord, ...]
    units: tuple[UnitsRecord, ...]
    spreads: tuple[SpreadRecord, ...]
    inputs: tuple[InputRecord, ...]
    head: HeadRecord
    optimizer: OptimizerRecord
    attention: tuple[AttentionRecord, ...] = ()
    device: str = "cpu"
    versions: dict[str, str] | None = None
    precision: PrecisionRecord = field(default_factory=PrecisionRecord)
    rate: RateRecord | None = None
    through_time: tuple[TimeProfile, ...] = ()
    track: str | None = None
    magnitudes: tuple[MagnitudesRecord, ...] = ()
