"""The zoo's table in the documentation."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from benchmarks.tables import markdown, write
from benchmarks.zoo.outcome import Result

HEADER = ("family", "model", "layers", "gain", "attenuation", "plain, s", "diagnosis, s", "a step / plain", "findings")


def write_page(results: list[Result], steps: int, path: Path) -> None:
    """Writes the summary, what was found with its message, and a row a model."""
    said = [(r.name, f"{c} {s}", message) for r in results for c, s, message in r.findings if s != "info"]
    raised = [(r.name, r.error.strip().splitlines()[-1], "") for r in results if r.error]
    packages = ", ".join(f"{name} {version(name)}" for name in ("timm", "transformers", "peft"))
    write(
        str(path.resolve().with_suffix("")),  # an absolute name stands for itself
        "Real models as shipped, with random weights",
        f"python -m benchmarks.zoo --steps {steps}",
        f"{summary(results)}\n\nPackages: {packages}. Batches of 4; times on a machine that others used too.",
        markdown(("model", "finding", "message"), [*said, *raised]),
        markdown(HEADER, [_row(r, steps) for r in results]),
    )


def summary(results: list[Result]) -> str:
    """How many models, of which families, and what was said of them."""
    families = [r.family for r in results]
    return "; ".join(
        [
            f"{len(results)} models ({', '.join(f'{families.count(f)} {f}' for f in dict.fromkeys(families))})",
            f"raised: {sum(bool(r.error) for r in results)}",
            f"models changed by the diagnosis: {sum(bool(r.changed) for r in results)}",
            f"called vanishing or exploding with severity error: {sum(r.fatal for r in results)}",
            f"with any warning or error: {sum(not r.healthy for r in results)}",
            f"called healthy: {sum(r.healthy for r in results)}.",
        ]
    )


def said_of(result: Result) -> str:
    """The findings of one model in a few words."""
    if result.error:
        return result.error.strip().splitlines()[-1]
    said = ", ".join(f"{code} {severity}" for code, severity, _ in result.findings) or "silent"
    return f"{said}; CHANGED {', '.join(result.changed[:3])}" if result.changed else said


def _row(r: Result, steps: int) -> tuple[object, ...]:
    ratio = f"{r.seconds / steps / r.plain:.1f}x" if r.plain else ""
    times = (f"{r.plain:.2g}", f"{r.seconds:.2g}", ratio)
    return (r.family, r.name, r.layers, _number(r.gain), _number(r.attenuation), *times, said_of(r))


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"
