"""``headwater predict``."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Annotated

import typer

from headwater.cli.console import note
from headwater.errors import InputError


def predict(
    activation: Annotated[str, typer.Option("--activation", "-a", help="Its name: relu, gelu, tanh, sigmoid, ...")],
    init: Annotated[
        str | None, typer.Option(help="default (PyTorch's), xavier, he, lecun or orthogonal.  [default: default]")
    ] = None,
    depth: Annotated[int, typer.Option(min=2, help="Number of layers.")] = 50,
    width: Annotated[int, typer.Option(min=1, help="Units of a layer.")] = 1000,
    sigma_w: Annotated[
        float | None, typer.Option(help="Instead of --init: deviation of a weight times sqrt(fan_in).")
    ] = None,
    sigma_b: Annotated[float | None, typer.Option(help="With --sigma-w: deviation of a bias.  [default: 0]")] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Also draw it, with the phase diagram (.png, .svg or .pdf).")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Predict what becomes of the gradient, before there is a model.

    For a plain network (weights, activation, weights, ...) at initialisation
    theory tells how much of the gradient each layer leaves, how deep such a
    network can be trained, and which initialisation would keep signal and
    gradient alive: the edge of chaos. Needs no data and takes a second.

    \b
    headwater predict --activation gelu --init xavier --depth 50
    headwater predict --activation relu --init he --depth 30 --width 100
    headwater predict --activation tanh --sigma-w 1.327 --sigma-b 0.2236
    headwater predict --activation tanh --plot phases.png
    """
    chosen = _initialisation(init, sigma_w, sigma_b)
    from headwater.predict import predict as foresee

    prediction = foresee(activation, chosen, depth, width=width)
    if plot is not None:
        prediction.plot(plot)
    if json:
        sys.stdout.write(prediction.to_json() + "\n")
    else:
        prediction.print()
    if plot is not None:
        note(f"written: {plot}")


def _initialisation(init: str | None, sigma_w: float | None, sigma_b: float | None) -> str | tuple[float, float]:
    for option, sigma in (("--sigma-w", sigma_w), ("--sigma-b", sigma_b)):
        if sigma is not None and not 0.0 <= sigma < math.inf:  # typer would let an infinity pass
            raise InputError(f"Expected {option} as a finite number of at least 0, got {sigma:g}.")
    if sigma_w is None:
        if sigma_b is not None:
            raise InputError("--sigma-b needs --sigma-w beside it: together they are the initialisation.")
        return "default" if init is None else init
    if init is not None:
        raise InputError(f"Expected --init or --sigma-w, got both: --init {init} has a sigma-w of its own.")
    return (sigma_w, 0.0 if sigma_b is None else sigma_b)
