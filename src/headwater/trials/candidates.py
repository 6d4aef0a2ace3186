"""What is worth trying: single remedies for what was found, and combinations that make sense.

A finding names its remedies, best first. Some faults have two halves, and no single remedy mends both: a hidden ReLU in
place of a sigmoid wants weights for a ReLU, and a gradient that flows again may still want another optimizer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise, zip_longest

from headwater.records import REMEDIES, Finding, Safety
from headwater.remedies import Remedy, answering, remedy

GENERAL = (
    "adaptive-optimizer",
    "init-matched",
    "normalisation",
    "lower-rate",
    "momentum",
    "gated-recurrence",
    "chrono-init",
    "forget-bias",
    "orthogonal-recurrence",
)
"""What often helps, whatever keeps a network from learning; those for recurrent layers refuse where there is none."""

BESIDE = {"raise-rate": ("momentum",)}
"""Code -> codes that no rule names and that answer the same: steps that add up are longer ones."""

COMPANIONS: dict[str, tuple[tuple[str, ...], ...]] = {
    "activation-swap": (("adaptive-optimizer",), ("normalisation",), ("normalisation", "adaptive-optimizer")),
    "leaky-activation": (("init-matched",), ("init-matched", "adaptive-optimizer"), ("lower-rate",)),
    "init-matched": (("adaptive-optimizer",), ("lower-rate",), ("normalisation",)),
    "random-init": (("adaptive-optimizer",),),
    "normalisation": (("adaptive-optimizer",), ("residual",)),
    "residual": (("init-matched",), ("normalisation",), ("adaptive-optimizer",)),
    "adaptive-optimizer": (("lower-rate",), ("decaying-rate",)),
    "raise-rate": (("decaying-rate",),),
    "lower-rate": (("clip-gradient",), ("decaying-rate",), ("init-matched",)),
    "momentum": (("lower-rate",),),
    "clip-gradient": (("adaptive-optimizer",),),
    "standardise-inputs": (("init-matched",), ("adaptive-optimizer",)),
    "standardise-targets": (("standardise-inputs",), ("adaptive-optimizer",)),
    "remove-softmax": (("adaptive-optimizer",),),
    "remove-output-activation": (("standardise-targets",), ("adaptive-optimizer",)),
    "match-loss": (("adaptive-optimizer",),),
    "match-shapes": (("adaptive-optimizer",),),
    "scale-logits": (("adaptive-optimizer",), ("init-matched",)),
    "normalise-queries": (("init-matched",),),
    "autocast": (("lower-epsilon",),),
    "gated-recurrence": (("chrono-init",), ("adaptive-optimizer", "clip-gradient")),
    "orthogonal-recurrence": (("clip-gradient",), ("lower-rate",), ("adaptive-optimizer", "clip-gradient")),
    "chrono-init": (("clip-gradient",), ("adaptive-optimizer", "clip-gradient")),
    "forget-bias": (("clip-gradient",), ("adaptive-optimizer", "clip-gradient")),
}
"""Code -> codes that go with it, from the reviews of remedies that each one's page cites."""

MADE_POSSIBLE = {"gated-recurrence": ("chrono-init", "forget-bias")}
"""Code -> codes that apply to the network it leaves, whatever they say of the one that was there."""

CALMER = ("lower-rate:third", "lower-rate:tenth", "lower-rate:hundredth")
"""Lower rates, each lower than the one before."""

SLOWER = {**dict(pairwise(CALMER)), "raise-rate:range-test": "raise-rate:between"}
"""What learns more slowly at first than a remedy, and may get further."""

ORDER = tuple(
    """reconnect register-parameters match-shapes match-loss remove-softmax remove-output-activation standardise-inputs
    standardise-targets gated-recurrence activation-swap leaky-activation normalise-elsewhere normalisation pre-norm
    position-encoding residual scale-residual scale-logits normalise-queries random-init init-matched zero-bias
    orthogonal-recurrence forget-bias chrono-init bfloat16 autocast adaptive-optimizer decoupled-decay lower-decay
    lower-epsilon momentum kahan-summation stochastic-rounding master-weights loss-scaling raise-rate lower-rate
    decaying-rate clip-gradient relax-clip find-non-finite""".split()
)
"""In which remedies are applied: the parts of the network, their weights, the optimizer, its rate, its gradient."""


_RATES = {"raise-rate", "lower-rate"}
"""Codes of remedies that set the rate, and what their variants in other remedies are called."""
_MOST = 12
"""Combinations that are proposed at most: a look at one takes as long as some ten steps of training."""
_COMBINED = 2
"""Variants of a code that are combined with others: the likeliest ones."""


@dataclass(frozen=True)
class Proposal:
    """A candidate before anything is known of it."""

    remedies: tuple[str, ...]

    @property
    def name(self) -> str:
        """Its remedies, as they are told."""
        return " + ".join(self.remedies)

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

    def is_slower_than(self, other: Proposal) -> bool:
        """Whether it is the other one, or a part of it, with a lower rate."""
        lower = {SLOWER[key] for key in other.remedies if key in SLOWER}
        return not lower.isdisjoint(self.remedies) and set(self.remedies) - lower <= set(other.remedies)

    def calms(self, other: Proposal) -> bool:
        """Whether it is the other one with a lower rate besides."""
        more = set(self.remedies) - set(other.remedies)
        return set(other.remedies) < set(self.remedies) and more <= set(CALMER)

    def calmer(self) -> Proposal | None:
        """The same with the first of `CALMER`, or the next if it has one; ``None`` where another remedy sets a rate."""
        own = [key for key in self.remedies if key in CALMER]
        if any(each.key not in own and not _RATES.isdisjoint((each.code, each.variant)) for each in self.parts):
            return None
        lower = CALMER[0] if not own else SLOWER.get(own[0])
        return Proposal(in_order([*(key for key in self.remedies if key not in own), lower])) if lower else None


def singles(findings: Sequence[Finding]) -> tuple[Proposal, ...]:
    """Returns each way of each remedy that a root cause names, the likeliest to help first."""
    return tuple(each for code in _of_roots(findings) for each in _ways(code))


def others(findings: Sequence[Finding]) -> tuple[tuple[Proposal, ...], ...]:
    """Returns what else may help, the ways of each remedy together: the first that applies will do.

    These are what answers the same as a remedy of a root cause, each way of it by itself; the remedies of what follows
    from the root causes; and where a network does not learn what often helps.
    """
    codes = [code for finding in findings if finding.severity != "info" for code in finding.remedies]
    if any(finding.severity == "error" for finding in findings):
        codes += GENERAL
    roots = _of_roots(findings)
    beside = [code for root in roots for code in BESIDE.get(root, ()) if code not in roots]
    ways = [(way,) for code in beside for way in _ways(code)]
    ways += [_ways(code) for code in dict.fromkeys(codes) if code not in (*roots, *beside)]
    return tuple(each for each in ways if each)


def told(findings: Sequence[Finding]) -> tuple[Proposal, ...]:
    """Returns the remedies that a finding names and only a person can carry out."""
    codes = dict.fromkeys(code for finding in findings if finding.severity != "info" for code in finding.remedies)
    return tuple(Proposal((each.key,)) for code in codes for each in answering(code) if each.safety == "display-only")


def combinations(
    findings: Sequence[Finding], looked_at: Sequence[Proposal], applicable: Sequence[Proposal]
) -> tuple[Proposal, ...]:
    """Returns combinations of remedies, the likeliest to help first.

    Args:
        findings: root cause first.
        looked_at: the single remedies that were looked at.
        applicable: those that can be applied to this training, whether or not they are enough.
    """
    first = _first_of_each_code(applicable)
    refused = {each.parts[0].code for each in looked_at} - set(first)
    roots = [each for each in findings if _is_root(each)]
    answers = [next((first[code] for code in root.remedies if code in first), None) for root in roots]
    together = tuple(dict.fromkeys(each for each in answers if each is not None))
    found = [(*together, *more) for more in _more(first, "adaptive-optimizer") if len((*together, *more)) > 1]
    for code in (*_of_roots(findings), *(code for code in first if code not in _of_roots(findings))):
        variants = [each.remedies[0] for each in applicable if each.parts[0].code == code]
        for variant in variants[:_COMBINED]:
            found += _with_companions(variant, first, refused)
    return tuple(Proposal(each) for each in dict.fromkeys(map(in_order, found)))[:_MOST]


def likeliest_first(
    findings: Sequence[Finding], alone: Sequence[Proposal], together: Sequence[Proposal]
) -> tuple[Proposal, ...]:
    """Returns all proposals, each kind in turn, so that a small field has some of each.

    Every other one is a remedy that a root cause names, at first one way of each; between them stand combinations and
    what else may help.

    Args:
        findings: root cause first.
        alone: single remedies.
        together: combinations.
    """
    roots = _of_roots(findings)
    by_code = [[each for each in alone if each.parts[0].code == code] for code in roots]
    named = [way for ways in zip_longest(*by_code) for way in ways if way is not None]
    kinds = [named, list(together), [each for each in alone if each not in named]]
    found: list[Proposal] = []
    while any(kinds):
        for kind in (0, 1, 0, 2):
            found += kinds[kind][:1]
            del kinds[kind][:1]
    return tuple(found)


def in_order(keys: Iterable[str]) -> tuple[str, ...]:
    """Returns each key once, in the order in which remedies are applied."""
    return tuple(sorted(dict.fromkeys(keys), key=lambda key: ORDER.index(remedy(key).code)))


def causes(findings: Sequence[Finding], proposals: Sequence[Proposal]) -> tuple[Proposal, ...]:
    """Returns the proposals that are a single remedy which a root cause names."""
    roots = _of_roots(findings)
    return tuple(each for each in proposals if len(each.remedies) == 1 and each.parts[0].code in roots)


def _of_roots(findings: Sequence[Finding]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(code for finding in findings if _is_root(finding) for code in finding.remedies))


def _ways(code: str) -> tuple[Proposal, ...]:
    return tuple(Proposal((each.key,)) for each in answering(code) if each.safety != "display-only")


def _is_root(finding: Finding) -> bool:
    return finding.under is None and finding.severity != "info"


def _first_of_each_code(applicable: Sequence[Proposal]) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in applicable:
        found.setdefault(remedy(each.remedies[0]).code, each.remedies[0])
    return found


def _more(first: dict[str, str], code: str) -> tuple[tuple[str, ...], ...]:
    return ((), (first[code],)) if code in first else ((),)


def _with_companions(key: str, first: dict[str, str], refused: set[str]) -> list[tuple[str, ...]]:
    """The remedy with each set of others; one that nobody asked for may apply once this one has changed the network."""
    found: list[tuple[str, ...]] = []
    own = remedy(key).code
    closed = refused - set(MADE_POSSIBLE.get(own, ()))
    for codes in COMPANIONS.get(own, ()):
        known = [first.get(code) or (None if code in closed else _likeliest(code)) for code in codes]
        if all(known):
            found.append((key, *(each for each in known if each)))
    return found


def _likeliest(code: str) -> str | None:
    return next((each.remedies[0] for each in _ways(code)), None)
