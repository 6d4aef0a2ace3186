"""The few numbers of a probe that belong on a chart beside the loss."""

from __future__ import annotations

from collections.abc import Sequence

from headwater.records import Finding, Measurement


def scalars(track: str, measurement: Measurement, findings: Sequence[Finding]) -> dict[str, float]:
    """Returns numbers by name: attenuation, gain per layer, the layers' gains and relative updates, and findings.

    Args:
        track: name of the optimizer; empty for the only one without a name.
        measurement: of the newest probes.
        findings: of the same.
    """
    prefix = f"headwater/{track}/" if track else "headwater/"
    profile = measurement.profile
    found: dict[str, float | None] = {
        "attenuation": profile.attenuation,
        "gain per layer": profile.gain,
        "findings/errors": float(sum(finding.severity == "error" for finding in findings)),
        "findings/warnings": float(sum(finding.severity == "warning" for finding in findings)),
    }
    for layer in measurement.layers:
        found[f"gain/{layer.name}"] = layer.gain
        found[f"update ratio/{layer.name}"] = layer.update_ratio
    return {prefix + name: value for name, value in found.items() if value is not None}
