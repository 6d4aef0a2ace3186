"""Four ways to repair a training, each of which returns what to change and what the search took.

`headwater`: `headwater.fix`, with trials of the honest budget, in this process.
`random`: draws one or two of the same remedies and trains them for a trial, again and again, until as many optimizer
steps are spent as Headwater spent on this case; takes the best by the held-out score, the original among them.
`adam`: Adam at 1e-3, always.
`autotrainer`: the order that AutoTrainer publishes for vanishing gradients: SELU; ReLU with He initialisation; batch
normalisation (`benchmarks.repair.autotrainer`). Each is a full retraining; the first of which the training score
reaches its threshold of 0.6 is taken, and the original when that reaches it, or when none does. What changes nothing in
a network is not trained.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from functools import partial

from benchmarks.repair.autotrainer import CHANGES, altered, alters
from benchmarks.repair.chosen import BY_NAME
from benchmarks.repair.training import Stopwatch, factory, make_model, material, score_of
from headwater import fix
from headwater.records import REMEDIES
from headwater.remedies import answering
from headwater.trials import ObjectsWorkload, Trial
from headwater.trials.candidates import in_order
from headwater.trials.engines import Inline

THRESHOLD = 0.6
_MOST_DRAWS = 1000


@dataclass(frozen=True)
class Attempt:
    """What a method came to.

    Attributes:
        remedies: keys, or the name of AutoTrainer's change; none to leave the training as it is.
        claimed: whether it says that this helps.
        steps, seconds: what it took.
        training: those of the seconds that went into steps and evaluations of trainings.
        why: in a sentence.
        exhaustive: steps that training every candidate to the end with every seed would have taken.
    """

    remedies: tuple[str, ...]
    claimed: bool
    steps: int
    seconds: float
    why: str = ""
    exhaustive: int = 0
    training: float = 0.0


def headwater(name: str) -> Attempt:
    """Lets `headwater.fix` find a change."""
    problem = BY_NAME[name].build(0)
    given = material(problem)
    watch = Stopwatch()
    result = fix(
        partial(make_model, name),
        given.train,
        problem.loss_fn,
        step=problem.step,
        optimizer=factory(problem),
        validation=given.validation or None,
        score=problem.score if given.validation else None,
        steps=problem.train_steps,
        engine=Inline(),
    )
    record, best = result.record, result.best
    trained = [*record.original, *record.control, *(trial for each in record.candidates for trial in each.trials)]
    return Attempt(
        best.remedies if best else (),
        best is not None,
        record.steps_spent,
        watch.seconds,
        f"{record.verdict}: {best.why if best else record.reason}",
        record.steps_exhaustive,
        sum(each.seconds for each in trained),
    )


def random_search(search: ObjectsWorkload, trial: int, budget: int, seed: int = 0) -> Attempt:
    """Trains what chance proposes for `trial` steps each, until `budget` steps are spent."""
    draw, watch = random.Random(seed), Stopwatch()
    original = search.run(Trial((), 0, trial))
    best, reached, spent = (), score_of(original), original.spent
    for _ in range(_MOST_DRAWS):
        if spent >= budget:
            break
        remedies = in_order(draw.sample(_KEYS, draw.choice((1, 2))))
        result = search.run(Trial(remedies, 0, trial))
        spent += result.spent
        if score_of(result) > reached:
            best, reached = remedies, score_of(result)
    return Attempt(best, bool(best), spent, watch.seconds)


def autotrainer(name: str, training: ObjectsWorkload, steps: int) -> Attempt:
    """Retrains for `steps` in the published order, judged by the score on the training data."""
    own = replace(training, validation=material(BY_NAME[name].build(0)).train)
    watch, spent, training_seconds = Stopwatch(), 0, 0.0
    for changes in ((), *((each,) for each in CHANGES if alters(own, each))):
        result = (altered(own, *changes) if changes else own).run(Trial((), 0, steps))
        spent += result.spent
        training_seconds += result.seconds
        if score_of(result) >= THRESHOLD:
            return Attempt(changes, bool(changes), spent, watch.seconds, training=training_seconds)
    why = "none of the three reaches the threshold"
    return Attempt((), False, spent, watch.seconds, why, training=training_seconds)


_KEYS = [each.key for code in REMEDIES for each in answering(code) if each.safety != "display-only"]
