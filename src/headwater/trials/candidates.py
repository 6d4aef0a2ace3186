"""What is worth trying: single remedies for what was found, and combinations that make sense.

A finding names its remedies, best first. Some faults have two halves, and no single remedy mends both: a hidden ReLU in
place of a sigmoid wants weights for a ReLU, and a gradient that flows again may still want another optimizer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from headwater.records import REMEDIES, Finding, Safety
from headwater.remedies import Remedy, answering, remedy

GENERAL = ("adaptive-optimizer", "init-matched", "normalisation", "lower-rate")
"""What often helps, whatever keeps a network from learning."""

COMPANIONS: dict[str, tuple[tuple[str, ...], ...]] = {
    "activation-swap": (
        ("init-matched",),
        ("init-matched", "adaptive-optimizer"),
        ("normalisation", "adaptive-optimizer"),
    ),
    "leaky-activation": (("init-matched",), ("init-matched", "adaptive-optimizer"), ("lower-rate",)),
    "init-matched": (("adaptive-optimizer",), ("lower-rate",), ("normalisation",)),
    "random-init": (("adaptive-optimizer",),),
    "normalisation": (("adaptive-optimizer",), ("residual",)),
    "residual": (("init-matched",), ("normalisation",), ("adaptive-optimizer",)),
    "adaptive-optimizer": (("lower-rate",), ("decaying-rate",)),
    "lower-rate": (("clip-gradient",), ("init-matched",)),
    "clip-gradient": (("adaptive-optimizer",),),
    "standardise-inputs": (("init-matched",), ("adaptive-optimizer",)),
    "standardise-targets": (("standardise-inputs",), ("adaptive-optimizer",)),
    "remove-softmax": (("adaptive-optimizer",),),
    "remove-output-activation": (("adaptive-optimizer",),),
    "match-loss": (("adaptive-optimizer",),),
    "match-shapes": (("adaptive-optimizer",),),
    "scale-logits": (("adaptive-optimizer",),),
    "normalise-queries": (("init-matched",),),
    "gated-recurrence": (("chrono-init",), ("adaptive-optimizer", "clip-gradient")),
    "orthogonal-recurrence": (("clip-gradient",), ("adaptive-optimizer", "clip-gradient")),
    "chrono-init": (("clip-gradient",), ("adaptive-optimizer", "clip-gradient")),
    "forget-bias": (("adaptive-optimizer", "clip-gradient"),),
}
"""Code -> codes that go with it, from the reviews of remedies that each one's page cites."""

ORDER = tuple(
    """reconnect register-parameters match-shapes match-loss remove-softmax remove-output-activation standardise-inputs
    standardise-targets gated-recurrence activation-swap leaky-activation normalise-elsewhere normalisation pre-norm
    position-encoding residual scale-residual scale-logits normalise-queries random-init init-matched
    orthogonal-recurrence forget-bias chrono-init bfloat16 autocast adaptive-optimizer decoupled-decay lower-decay
    lower-epsilon momentum kahan-summation stochastic-rounding master-weights loss-scaling raise-rate lower-rate
    decaying-rate clip-gradient relax-clip find-non-finite""".split()
)
"""In which remedies are applied: the parts of the network, their weights, the optimizer, its rate, its gradient."""


@dataclass(frozen=True)
class Proposal:
    """A candidate before anything is known of it."""

    remedies: tuple[str, ...]

    @property
    def says(self) -> str:
        """What it does, in one line."""
        return "; ".join(REMEDIES[each.code] + (f" ({each.variant})" if each.variant else "") for each in self.parts)

    @property
    def size(self) -> int:
        """How much it changes: the sum over its remedies."""
        return sum(each.size for each in self.parts)

    @property
    def safety(self) -> Safety:
        """That of its least safe remedy."""
        safeties = {each.safety for each in self.parts}
        return "display-only" if "display-only" in safeties else "unsafe" if "unsafe" in safeties else "safe"

    @property
    def parts(self) -> tuple[Remedy, ...]:
        """Its remedies."""
        return tuple(remedy(key) for key in self.remedies)


def singles(findings: Sequence[Finding]) -> tuple[Proposal, ...]:
    """Returns each remedy that can be tried by itself: those of root causes first, those that often help last."""
    return tuple(Proposal((each.key,)) for each in _named(findings) if each.safety != "display-only")


def told(findings: Sequence[Finding]) -> tuple[Proposal, ...]:
    """Returns the remedies that a finding names and only a person can carry out."""
    return tuple(Proposal((each.key,)) for each in _named(findings) if each.safety == "display-only")


def combinations(findings: Sequence[Finding], applicable: Sequence[Proposal]) -> tuple[Proposal, ...]:
    """Returns combinations of remedies, the likeliest to help first.

    Args:
        findings: root cause first.
        applicable: singles that can be applied to this training, whether or not they are enough.
    """
    first = _first_of_each_code(applicable)
    roots = [each for each in findings if each.under is None and each.severity != "info"]
    answers = [next((first[code] for code in root.remedies if code in first), None) for root in roots]
    together = tuple(dict.fromkeys(each for each in answers if each is not None))
    found = [(*together, *more) for more in _more(first, "adaptive-optimizer") if len((*together, *more)) > 1]
    for root in roots or findings[:1]:
        for code in root.remedies:
            for variant in (each for each in applicable if remedy(each.remedies[0]).code == code):
                found += _with_companions(variant.remedies[0], first)
    return tuple(Proposal(each) for each in dict.fromkeys(map(in_order, found)))


def in_order(keys: Iterable[str]) -> tuple[str, ...]:
    """Returns each key once, in the order in which remedies are applied."""
    return tuple(sorted(dict.fromkeys(keys), key=lambda key: ORDER.index(remedy(key).code)))


def _named(findings: Sequence[Finding]) -> list[Remedy]:
    codes = [code for finding in findings if finding.severity != "info" for code in finding.remedies]
    if any(finding.severity == "error" for finding in findings):
        codes += GENERAL
    return [each for code in dict.fromkeys(codes) for each in answering(code)]


def _first_of_each_code(applicable: Sequence[Proposal]) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in applicable:
        found.setdefault(remedy(each.remedies[0]).code, each.remedies[0])
    return found


def _more(first: dict[str, str], code: str) -> tuple[tuple[str, ...], ...]:
    return ((), (first[code],)) if code in first else ((),)


def _with_companions(key: str, first: dict[str, str]) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for codes in COMPANIONS.get(remedy(key).code, ()):
        known = [first.get(code) or next((each.key for each in answering(code)), None) for code in codes]
        if all(known):
            found.append((key, *(each for each in known if each)))
    return found
