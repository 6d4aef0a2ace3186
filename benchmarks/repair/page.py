"""The page of the repair benchmark: how much each method repairs, spoils and takes, and what it does not mend."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median

from scipy import stats

from benchmarks.repair.chosen import BY_NAME, KINDS, broken, healthy, kind
from benchmarks.repair.outcome import POINTS, Line, Lines, is_broken, is_close, is_repaired, is_worse
from benchmarks.repair.training import ALL_JUDGES, FRESH, JUDGES, WHOLE
from benchmarks.tables import markdown, write
from headwater.trials.statistics import ALPHA

METHODS = {
    "headwater": "Headwater",
    "random": "random search",
    "adam": "Adam at 1e-3, always",
    "autotrainer": "AutoTrainer's order",
}
_COMMAND = "python -m benchmarks.repair"
_SETTING = """\
{amount} broken trainings, each with a healthy twin, chosen by the rule that `benchmarks/repair/chosen.py` states before
anything was repaired.

A search is given one epoch of the training data, of which it may hold a part out, and its trials are short. What it
recommends is then judged by {judges} whole trainings, {whole} times as long, with other seeds and on test data that it
never saw; by {all_judges}, and what it is compared with too, where it lies up to {twice} points behind. Scores are 0
for the best constant answer and 1 for a perfect one. *Repaired*: within {points} points of the twin's score, seed by
seed. *Made worse*: more than {points} points below the original's. Headwater and the random search choose among the
same remedies. What each method does is told in `benchmarks/repair/methods.py`.{left}"""
_MILD = """

{amount} more are not counted, as the original comes within two points of its twin when it is trained for so long:
{names}."""
_TAKES = """\
Median time to a proved fix: {seconds} s on one core, over the {proved} cases in which one was found. Racing and proving
took {spent:,} optimizer steps in all; to train every candidate that raced with every seed to the end would have taken
{exhaustive:,}, {times:.1f} times as many."""
_HEALTHY = """\
{amount} healthy trainings; for {silent} nothing is recommended. Each recommendation is tested again by {fresh} whole
trainings with fresh seeds, paired with the original's."""
_UNTIL_TRAINED = """\
*Steps until trained*: with one whole training of what was chosen, unless the search ends with one, as AutoTrainer's
does. *Steps for each repaired*: those of the whole search on all cases, by the trainings that it repaired. A whole
training takes {whole} times the steps of a trial. Seconds are those of one core, without those in which
the benchmark draws a case's data and trains its network beforehand. Those *in trainings* are spent on their steps and
evaluations; the rest of a search is diagnosis, looks at candidates, statistics and diffs. The random search ends with
its budget, the steps that Headwater took when it was last run.

On {idle} of the cases none of AutoTrainer's three changes is about anything in the network, or the original reaches its
threshold: it trains the original once and stops. On the other {tried} it spends {theirs:,} steps
({their_seconds:,.0f} s, {their_training:,.0f} s of them in trainings) and repairs {their_repairs}, Headwater {ours:,}
({our_seconds:,.0f} s, {our_training:,.0f} s of them in trainings) and {our_repairs}."""


def write_page(lines: Lines) -> None:
    """Writes docs/benchmarks/repair.md."""
    cases = [case.name for case in broken()]
    judged = [name for name in cases if is_broken(lines, name)]
    mild = [name for name in cases if name not in judged]
    parts = [
        _setting(len(judged), mild, _open(lines, cases)),
        _methods(lines, judged),
        "## What the search takes",
        _search(lines, judged),
        "## By code",
        _groups(lines, judged, "code", lambda name: BY_NAME[name].expect or ""),
        "## By kind of network",
        _groups(lines, judged, "network", lambda name: kind(BY_NAME[name])),
        "## What Headwater did not repair, or made worse",
        _missed(lines, judged),
        "## Healthy trainings",
        _healthy(lines),
        "## All broken trainings",
        _all(lines, cases),
    ]
    write("repair", "Repair: what a proved fix does to broken trainings, and to healthy ones", _COMMAND, *parts)


def _setting(amount: int, mild: Sequence[str], left: str) -> str:
    said = _SETTING.format(
        amount=amount,
        judges=len(JUDGES),
        all_judges=len(ALL_JUDGES),
        whole=WHOLE,
        points=f"{100 * POINTS:.0f}",
        twice=f"{200 * POINTS:.0f}",
        left=left,
    )
    return said + (_MILD.format(amount=len(mild), names=", ".join(f"`{name}`" for name in mild)) if mild else "")


def _open(lines: Lines, cases: Sequence[str]) -> str:
    """How many verdicts rest on three seeds that leave them open."""
    standards = {name: [lines[name, each] for each in ("twin", "original")] for name in cases}
    those = [lines[name, method] for name in cases for method in METHODS]
    close = [each for each in those if any(is_close(each, standard) for standard in standards[each.case])]
    left = sum(len(each.scores) < len(ALL_JUDGES) for each in close)
    return f"\nOf the {len(close)} lines that lie so near {left} are judged by {len(JUDGES)} so far." if left else ""


def _methods(lines: Lines, cases: Sequence[str]) -> str:
    rows: list[list[str]] = []
    for method, title in METHODS.items():
        mine = [lines[name, method] for name in cases]
        repaired = [name for name in cases if is_repaired(lines, name, method)]
        steps = sum(line.steps for line in mine)
        trained = steps + sum(_still_to_train(line) for line in mine)
        rows.append(
            [
                title,
                _share(len(repaired), len(cases)),
                _share(sum(is_worse(lines, name, method) for name in cases), len(cases)),
                f"{steps:,}",
                f"{trained:,}",
                f"{steps / len(repaired):,.0f}" if steps and repaired else "",
                "" if method == "random" else f"{sum(line.seconds for line in mine):,.0f}",
                "" if method == "random" else f"{sum(line.training for line in mine):,.0f}",
            ]
        )
    return markdown(_METHODS_HEAD, rows) + "\n\n" + _against_the_published_order(lines, cases)


_METHODS_HEAD = [
    "method",
    "repaired",
    "made worse",
    "steps of the search",
    "steps until trained",
    "steps for each repaired",
    "seconds of the search",
    "of them in trainings",
]


def _against_the_published_order(lines: Lines, cases: Sequence[str]) -> str:
    """What both take where AutoTrainer has something to try."""
    tried = [name for name in cases if lines[name, "autotrainer"].steps > lines[name, "autotrainer"].whole]

    def spent(method: str) -> int:
        return sum(lines[name, method].steps for name in tried)

    def seconds(method: str) -> float:
        return sum(lines[name, method].seconds for name in tried)

    def training(method: str) -> float:
        return sum(lines[name, method].training for name in tried)

    def repairs(method: str) -> int:
        return sum(is_repaired(lines, name, method) for name in tried)

    return _UNTIL_TRAINED.format(
        whole=WHOLE,
        idle=len(cases) - len(tried),
        tried=len(tried),
        theirs=spent("autotrainer"),
        their_seconds=seconds("autotrainer"),
        their_training=training("autotrainer"),
        their_repairs=repairs("autotrainer"),
        ours=spent("headwater"),
        our_seconds=seconds("headwater"),
        our_training=training("headwater"),
        our_repairs=repairs("headwater"),
    )


def _still_to_train(line: Line) -> int:
    return 0 if line.method == "autotrainer" else line.whole


def _search(lines: Lines, cases: Sequence[str]) -> str:
    ours = [lines[name, "headwater"] for name in cases]
    proved = [line for line in ours if line.claimed]
    spent, exhaustive = sum(line.steps for line in ours), sum(line.exhaustive for line in ours)
    seconds = f"{median(line.seconds for line in proved):.0f}" if proved else "-"
    times = exhaustive / max(spent, 1)
    return _TAKES.format(seconds=seconds, proved=len(proved), spent=spent, exhaustive=exhaustive, times=times)


def _groups(lines: Lines, cases: Sequence[str], title: str, of: Callable[[str], str]) -> str:
    known = {of(name) for name in cases}
    order = [each for each in KINDS if each in known] if title == "network" else sorted(known)
    rows: list[list[str]] = []
    for group in order:
        mine = [name for name in cases if of(name) == group]
        repaired = [sum(is_repaired(lines, name, method) for name in mine) for method in METHODS]
        rows.append([group, f"{len(mine)}", *(f"{amount}" for amount in repaired)])
    return markdown([title, "cases", *(f"repaired by {name}" for name in METHODS.values())], rows)


def _missed(lines: Lines, cases: Sequence[str]) -> str:
    wrong = [n for n in cases if not is_repaired(lines, n, "headwater") or is_worse(lines, n, "headwater")]
    if not wrong:
        return "None."
    rows = [[*_cells(lines, name), _escaped(lines[name, "headwater"].why)] for name in wrong]
    return markdown([*_HEAD, "why"], rows)


def _healthy(lines: Lines) -> str:
    cases = [case.name for case in healthy()]
    claimed = [name for name in cases if lines[name, "headwater"].claimed]
    said = _HEALTHY.format(amount=len(cases), silent=len(cases) - len(claimed), fresh=len(FRESH))
    rows = [_again(lines[name, "headwater"], lines[name, "again"]) for name in claimed]
    head = ["case", "recommended", "original", "with it", "p (paired t-test, one-sided)", "truly better"]
    return f"{said}\n\n{markdown(head, rows)}" if rows else said


def _again(ours: Line, original: Line) -> list[str]:
    test = stats.ttest_rel(ours.scores, original.scores, alternative="greater")
    return [
        f"`{ours.case}`",
        " + ".join(f"`{each}`" for each in ours.remedies),
        f"{original.score:.3f}",
        f"{ours.score:.3f}",
        f"{test.pvalue:.2g}",
        "yes" if test.pvalue <= ALPHA else "**no**",
    ]


_HEAD = ["case", "code", "twin", "original", *METHODS.values(), "Headwater's change"]


def _all(lines: Lines, cases: Sequence[str]) -> str:
    return markdown(_HEAD, [_cells(lines, name) for name in cases])


def _cells(lines: Lines, name: str) -> list[str]:
    scores = [f"{lines[name, method].score:.2f}" for method in ("twin", "original", *METHODS)]
    change = " + ".join(f"`{each}`" for each in lines[name, "headwater"].remedies) or "none"
    return [f"`{name}`", BY_NAME[name].expect or "", *scores, change]


def _share(amount: int, of: int) -> str:
    return f"{amount} of {of} ({100 * amount / of:.0f} %)"


def _escaped(said: str) -> str:
    return said.replace("|", "\\|").replace("\n", " ")
