"""The tables of the detection benchmark: rates by half, rule and family, and everything that went wrong."""

from __future__ import annotations

from collections.abc import Iterable

from benchmarks.detection.cases import CASES
from benchmarks.detection.outcome import Outcome, rate
from benchmarks.detection.problem import Case
from benchmarks.detection.variations import VARIATIONS

HALVES = ("tune", "held_out")
# Held-out cases that the tool got wrong when it first met them, and was then changed to get right. They are no longer
# out of sample, so the page also counts them as wrong.
MENDED = (
    "forum-graph-oversmoothing-24",
    "cnn-normal-8x16",
    "lstm-constant",
    "layers-in-python-list",
    "targets-of-1e5-sgd",
    "softmax-with-squared-error",
    "groupnorm-of-one-value",
    "frozen-backbone",
    "forum-flat-regression",
    "forum-noisy-labels-constant-rate",
    "forum-cnn-noisy-labels",
    "forum-gru-never-settles",
    "forum-sgd-decay-0.5",
    "forum-adamw-decay-30",
    "forum-lstm-adam-half",
    "forum-transformer-adam-0.1",
    "forum-attention-pooling-temperature",
    "forum-cross-attention-times-10",
    "forum-cosine-sharp-200",
    "forum-same-output-for-every-token",
    "sparse-embedding",
)
HEAD = ["detected", "leading", "accepted", "false alarms on healthy"]


def rates(outcomes: Iterable[Outcome], wrong: tuple[str, ...] = ()) -> list[str]:
    """The four rates; cases named in `wrong` count as wrong whatever came out."""
    every = list(outcomes)
    broken = [o for o in every if o.case.expect is not None]
    healthy = [o for o in every if o.case.expect is None]
    return [
        rate(broken, lambda o: o.detected and o.name not in wrong),
        rate(broken, lambda o: o.led and o.name not in wrong),
        rate(broken, lambda o: o.accepted and o.name not in wrong),
        rate(healthy, lambda o: not o.right or o.name in wrong),
    ]


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    return ["| " + " | ".join(cells) + " |" for cells in [head, ["---"] * len(head), *rows]]


def by_half(outcomes: list[Outcome]) -> list[str]:
    rows = [[half.replace("_", " "), *rates(o for o in outcomes if o.case.half == half)] for half in HALVES]
    rows.append(
        ["held out, mended cases counted as wrong", *rates((o for o in outcomes if o.case.half == "held_out"), MENDED)]
    )
    return table(["half", *HEAD], [*rows, ["all", *rates(outcomes)]])


def tempts(case: Case) -> set[str]:
    """The codes that a healthy case might be called by mistake: those of the faults that it lacks."""
    twins = {other.expect for other in CASES if other.twin == case.name and other.expect}
    return twins | {case.tempts} if case.expect is None and case.tempts else twins


def code_of(outcome: Outcome) -> str:
    """The code under test: a twin counts with the fault that it lacks."""
    case = outcome.case
    return case.expect or next((c.expect for c in CASES if c.twin == case.name and c.expect), "trap")


def by_rule(outcomes: list[Outcome]) -> list[str]:
    """Recall and precision of each rule.

    A right report is one on a network that has the fault; a wrong one is any on a healthy network, and one that leads
    where another fault was wanted. Consequences that stand under the right root are neither.
    """
    rows: list[list[str]] = []
    for code in sorted({o.case.expect for o in outcomes if o.case.expect}):
        broken = [o for o in outcomes if o.case.expect == code]
        tempting = {o.name for o in outcomes if code in tempts(o.case)}
        right = sum(o.detected for o in broken)
        wrongly = sum(code in o.alarms for o in outcomes if o.case.expect is None)
        wrongly += sum(o.leading == code and not o.accepted for o in outcomes if o.case.expect not in (None, code))
        rows.append(
            [
                code,
                str(len({o.name for o in broken})),
                ", ".join(sorted({o.case.architecture for o in broken})),
                str(len(tempting)),
                rate(broken, lambda o: o.detected),
                f"{right}/{right + wrongly}" if right + wrongly else "-",
            ]
        )
    return table(["rule", "broken cases", "architectures", "healthy cases that tempt it", "recall", "precision"], rows)


def by_group(outcomes: list[Outcome], name: str) -> list[str]:
    """One row for each code or family, both halves side by side."""
    key = code_of if name == "code" else (lambda o: o.case.family)
    rows = []
    for group in sorted({key(o) for o in outcomes}):
        row = [group]
        for half in HALVES:
            detected, led, accepted, false = rates(o for o in outcomes if key(o) == group and o.case.half == half)
            row += [f"{detected}, {led}, {accepted}", false]
        rows.append(row)
    head = [
        f"{half.replace('_', ' ')}: {what}"
        for half in HALVES
        for what in ("detected, leading, accepted", "false alarms")
    ]
    return table([name, *head], rows)


def wrong(outcomes: list[Outcome]) -> list[str]:
    """Every miss, every fault seen but not put first, and every false alarm."""
    rows = []
    for o in outcomes:
        if o.right and (o.case.expect is None or o.led):
            continue
        kind = (
            "false alarm"
            if o.case.expect is None
            else "other code"
            if o.accepted
            else "not first"
            if o.detected
            else "miss"
        )
        said = o.error or "; ".join(f"{code} {severity}: {text}" for code, severity, text in o.findings[:3])
        name = o.name + (f" ({o.variation})" if o.variation else "")
        rows.append(
            [
                f"`{name}`",
                str(o.seed),
                o.case.half.replace("_", " "),
                kind,
                o.case.expect or "silence",
                (said or "silent").replace("|", "\\|"),
                o.case.note,
            ]
        )
    return table(["case", "seed", "half", "kind", "wanted", "said", "why"], rows) if rows else ["None."]


def invariance(outcomes: list[Outcome], base: list[Outcome]) -> list[str]:
    """For each variation: in how many cases the leading code is the one without the variation."""
    plain = {o.name: o for o in base if o.seed == 0}
    rows = []
    for variation in VARIATIONS:
        mine = [o for o in outcomes if o.variation == variation]
        same = [o for o in mine if o.leading == plain[o.name].leading and not o.error]
        other = [
            f"`{o.name}` {plain[o.name].leading or 'silent'} becomes {o.leading or o.error or 'silent'}"
            for o in mine
            if o not in same
        ]
        rows.append([variation, f"{len(same)}/{len(mine)}", "; ".join(other) or "none"])
    return table(["variation", "same verdict", "changed"], rows)


def page(base: list[Outcome], varied: list[Outcome], seeds: int) -> str:
    broken = sum(case.expect is not None for case in CASES)
    parts = [
        "# Detection: what Headwater finds, and where it is silent",
        "",
        "Generated by `python -m benchmarks.detection.run`. Do not edit.",
        "",
        f"{broken} broken networks and {len(CASES) - broken} healthy ones, {seeds} seeds each. That the broken ones "
        "really fail and the healthy ones really learn is shown in [the truth table](detection-truth.md).",
        "",
        "Thresholds are tuned on the half `tune` only; `held out` judges them. "
        f"{len(MENDED)} held-out cases were wrong when the tool first met them and led to changes of its code: "
        f"{', '.join(f'`{name}`' for name in MENDED)}. They are out of sample no longer, so a row below counts them as "
        "wrong still. A second judge are [networks drawn at random](detection-sweep.md): their labels come from "
        "training alone, and other seeds give fresh ones.",
        "",
        "*Detected*: a warning or an error has the expected code. *Leading*: the first finding has it. *Accepted*: "
        "the first finding has it, or another code that names the same fault truthfully. *False alarm*: a healthy "
        "network gets a warning or an error. A twin counts with the code of the fault that it lacks; `trap` are "
        "healthy networks that invite a false alarm.",
        "",
        *by_half(base),
        "",
        "## By rule",
        "",
        "*Precision*: of all reports of this code, the share on networks that have the fault; a report on any healthy "
        "network is wrong, and so is one that leads where another fault was wanted. Times seeds.",
        "",
        *by_rule(base),
        "",
        "## By code and half",
        "",
        *by_group(base, "code"),
        "",
        "## By family",
        "",
        *by_group(base, "family"),
        "",
        "## Everything that is not as wanted",
        "",
        *wrong(base),
        "",
        "## Invariance",
        "",
        f"The same {len({o.name for o in varied})} cases in other units, batches and widths. With the loss, the "
        "optimizer's units are scaled too (rate, or eps), so that the training is the same.",
        "",
        *invariance(varied, base),
        "",
    ]
    return "\n".join(parts)
