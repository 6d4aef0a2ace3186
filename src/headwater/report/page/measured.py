"""The gradient through time, the learning rate, and what was trained: the rest of a measurement."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headwater.records import Measurement, RangeTest, RateRecord
from headwater.records.numbers import number
from headwater.report import words
from headwater.report.range_picture import summary
from headwater.report.steps import pointed_at, says, shares, title

if TYPE_CHECKING:
    from headwater.report.report import Report


def facts_of(measurement: Measurement) -> list[tuple[str, str]]:
    """What was diagnosed, and how."""
    losses = [step.loss for step in measurement.steps]
    facts = {
        "layers": f"{len(measurement.layers):,}",
        "parameters": f"{measurement.parameters_total:,}",
        "batch": f"{measurement.batch_size:,}",
        "optimizer": words.optimizer(measurement.optimizer),
        "loss": f"{number(losses[0], 4)} to {number(losses[-1], 4)} in {words.count(len(losses), 'step')}"
        if losses
        else "",
        "device": measurement.device,
        "measured at": words.measured_at(measurement),
    }
    return [(name, value) for name, value in facts.items() if value]


def time_of(report: Report) -> list[dict[str, Any]]:
    """Each recurrent layer, those first that a finding points at."""
    pointed = pointed_at(report.findings)
    return [
        {
            "title": title(profile),
            "says": says(profile),
            "pointed": profile.name in pointed,
            "length": profile.length,
            "points": shares(profile),
            "gain": profile.gain,
            "horizon": profile.horizon,
            "needed": profile.needed,
            "gated": profile.gated,
            "probe": profile.probe,
        }
        for profile in sorted(report.through_time, key=lambda each: each.name not in pointed)
    ]


def rate_of(record: RateRecord | None) -> dict[str, Any] | None:
    """The rate against what the loss bears; ``None`` where nothing is known of it."""
    if record is None:
        return None
    return {
        "rate": record.rate,
        "scheduled": record.scheduled,
        "rho": record.rho,
        "fell": record.fell,
        "update": record.update,
        "sharpness": record.sharpness,
        "threshold": record.threshold,
        "place": record.place,
        "says": words.learning_rate(record),
        "arms": [
            {
                "factor": arm.factor,
                "decaying": arm.decaying,
                "steps": arm.steps,
                "early": arm.early,
                "losses": arm.losses,
                "level": arm.level if arm.losses else None,
                "learned": arm.learned,
            }
            for arm in record.arms
        ],
    }


def range_of(found: RangeTest | None) -> dict[str, Any] | None:
    """The range test."""
    if found is None:
        return None
    return {
        "rates": found.rates,
        "losses": found.losses,
        "smoothed": found.smoothed,
        "trials": [(trial.rate, trial.loss) for trial in found.trials],
        "suggested": found.suggested,
        "rate": found.rate,
        "limit": found.limit,
        "optimizer": found.optimizer,
        "says": summary(found),
    }
