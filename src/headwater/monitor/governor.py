"""Measures what watching costs on the same clock as the training, and spaces measurements to stay inside the budget.

First comes what being called costs at each step, which cannot be saved: it makes steps of less than a millisecond
longer by more than the budget. Of the rest half is for figures (per-step norms), half for probes. What a probe costs is
seen from outside as well: the step in which it ran took so much longer than the steps around it, whatever part of that
our own code can see.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any, TypeVar

from headwater.monitor.figures import AGE
from headwater.monitor.settings import Settings

T = TypeVar("T")

HALF = 0.5
SPENDABLE = 0.2
"""Share of the budget that is spent by our own account: the rest is for what it cannot see, as that what we read takes
the place of the network's numbers in the caches. Three tenths were too much for 50 layers of 256 units: with an account
of 0.35 and 0.40 % went 1.3 % of the time (95 %: 0.6 to 1.7), with 0.22 % 0.3 (-0.2 to 0.9), in three seeds of each
(`python -m benchmarks.overhead`: the account beside the time)."""
CALLED, COUNTED = 8e-5, 1e-5
"""Seconds that a step costs of which nothing is kept, and one that is only counted, beside what our clock sees: our
hooks and PyTorch's, whose code the network's numbers have driven out of the caches since the step before. Measured by
`python -m benchmarks.overhead.idle`, without sleep and with it."""
REMEMBERED = 31
"""Plain steps whose median is what a step takes."""
NEWEST = 9
"""Bills of figures whose median is what they cost while somebody looks on: one that was held up must blind nobody."""
DEBT = 4.0
"""So many times fewer figures are taken while more was spent than the budget allows."""
PATIENCE = 2.0
"""Seconds between two looks at whether the account allows another probe, and whether somebody looks on. A look takes 5
microseconds, or two hundred times as long where the network's numbers have driven its code out of the caches."""
LOOKING = 1 / 3
"""Share of the budget that is left for figures and probes where steps are so short that being called takes it all."""
SELDOM = 1000
"""Steps at most between two figures."""
EAGER = 0.4
"""Seconds, while somebody looks on, between two steps of which loss and rate are noted. So it is with figures too, if
they cost little, whatever is owed: probes wait until that is paid."""
FIGURES_FIRST = 1.8
"""So many times what may be spent goes into figures while somebody looks on, whatever being called costs: 0.36 % of the
time with `SPENDABLE` as it is. More is then spent, and probes wait, mostly until `Settings.at_least_every`."""
PAUSE = 20.0
"""A probed step that took so many times the median was held up by something else (an evaluation, a checkpoint)."""


SETTLED = 3
"""Plain steps from which on the median says what a step takes; until then the cost of probes is provisional."""


@dataclass
class Purse:
    """What the governors of several optimizers share: the steps of each contain what was spent on the others.

    Attributes:
        paid: seconds that all of them have spent.
        open: whether something is being billed; what is billed inside of it counts once.
        eager: whether somebody waits for figures.
    """

    paid: float = 0.0
    open: bool = False
    eager: bool = False


class Governor:
    """Keeps the account of one training. All times are seconds on `clock`."""

    def __init__(
        self, settings: Settings, clock: Callable[[], float] = time.perf_counter, purse: Purse | None = None
    ) -> None:
        self._settings, self._clock = settings, clock
        self._purse = purse if purse is not None else Purse()
        self._paid, self._others = 0.0, self._purse.paid
        self._budget, self._granted, self._since = SPENDABLE * settings.budget, 0.0, 0.0
        # bounded: where everything is measured no step is plain, and none of them is ever settled
        self._unsettled: deque[tuple[float, float]] = deque(maxlen=REMEMBERED)
        self._plain: deque[float] = deque(maxlen=REMEMBERED)
        self._newest: deque[float] = deque(maxlen=NEWEST)
        self._start: float | None = None
        self._closed: float | None = None
        self._last_end = self._last_probe = self._asked = clock()
        self._bill = 0.0
        self._figures = self._probes = self._idle = 0.0
        self.probe_cost = 0.0
        self.figure_cost = self.idle_cost = 0.0

    def bill(self, function: Callable[..., T], *args: Any) -> T:
        """Calls a function and adds the time that it takes to the bill of this step.

        No context manager: several of those in each step would cost more than all that is done in most of them.
        """
        if self._purse.open:
            return function(*args)
        self._purse.open, begin = True, self._clock()
        try:
            return function(*args)
        finally:
            seconds = self._clock() - begin
            self._bill += seconds
            self._pay(seconds)
            self._purse.open = False

    def charge(self, seconds: float) -> None:
        """Adds what was spent once, beside the steps."""
        self._probes += seconds
        self._pay(seconds)

    def share(self, budget: float) -> None:
        """From now on grants another share of the time."""
        self._granted, self._since = self._allowed(), self.elapsed
        self._budget = SPENDABLE * budget

    def step_ended(self, *, probed: bool, measured: bool, noted: bool = False, slept: int = 0) -> None:
        """Closes the account of a step.

        Args:
            probed: whether it was itemised.
            measured: whether its figures were taken.
            noted: whether anything of it was kept, its loss and rate at the least.
            slept: steps before it that were only counted.
        """
        now, bill = self._clock(), self._bill
        others = self._purse.paid - self._paid
        took, self._last_end, self._bill = now - self._last_end - (others - self._others), now, 0.0
        self._others = others
        if slept:
            self._idled(COUNTED * slept, slept)
            took -= slept * median(self._plain or [took / (1 + slept)])
        is_first, self._start = self._start is None, now if self._start is None else self._start
        if probed:
            self._last_probe = now
            self._probes += bill
            self._unsettled.append((took, bill))
            self._settle()
            if not self.probe_cost:
                self.probe_cost = bill
            return
        if measured:
            self._figures += bill
            self._newest.append(bill)
            self.figure_cost = bill if not self.figure_cost else HALF * (self.figure_cost + bill)
        elif noted:
            self._figures += bill
        else:
            self._idled(bill)
        if not is_first:  # what came before the first step's end was no step
            self._plain.append(max(0.0, took - bill))
        self._settle()

    def rested(self, step: int, since: float, slept: int = 0) -> bool:
        """Closes the account of a step of which nothing was kept, and for which this alone was done `since`.

        Args:
            step: number of the next step.
            since: when that began.
            slept: steps before this one that were only counted.

        Returns whether the next step may be itemised; that is looked at now and then.
        """
        now = self._clock()
        bill, took, self._last_end = now - since + CALLED + COUNTED * slept, now - self._last_end, now
        self._idled(bill, 1 + slept)
        self._pay(bill)
        self._plain.append(max(0.0, took - bill) / (1 + slept))
        if self._unsettled:
            self._settle()
        if now - self._asked < PATIENCE and step not in self._settings.first:
            return False
        self._asked = now
        return self.wants_probe(step)

    def patience(self, step: int) -> int:
        """Steps from `step` on in which nothing has to be looked at."""
        until = [first - step for first in self._settings.first if first >= step]
        return min([int(PATIENCE / max(median(self._plain), 1e-6)), *until]) - 1

    def now(self) -> float:
        """Seconds on the clock of the account."""
        return self._clock()

    def wants_probe(self, step: int) -> bool:
        """Whether step number `step`, counted from 0, shall be itemised."""
        if self._settings.everything or step in self._settings.first:
            return True
        if self._clock() - self._last_probe > self._settings.at_least_every:
            return True
        if not self.probe_cost:
            return False
        left = self._left(self._allowed(), self._idle)
        return self._probes + self.probe_cost <= min(HALF * left, left - self._figures)

    def stride(self) -> int:
        """Every how many steps figures are taken, so that they keep to their half of the budget."""
        if self._settings.everything or not self._plain:
            return 1
        step = max(median(self._plain), 1e-9)
        allowed = HALF * self._left(self._budget * step, self.idle_cost)
        if self.spent - self._idle > self._left(self._allowed(), self._idle):
            allowed /= DEBT  # a probe was made at any cost: let it be made up for
        stride = max(1, math.ceil(self.figure_cost / allowed)) if allowed * SELDOM > self.figure_cost else SELDOM
        if self._purse.eager:  # and so often that they keep to their part by themselves
            usual = median(self._newest) if self._newest else self.figure_cost
            stride = min(stride, max(1, int(max(EAGER, usual / (FIGURES_FIRST * self._budget)) / step)))
        return stride

    def beat(self) -> int:
        """Every how many steps loss and rate alone are noted; 0: never."""
        if not self._purse.eager or not self._plain:
            return 0
        return max(1, int(EAGER / max(median(self._plain), 1e-9)))

    def age(self) -> float:
        """Seconds after which figures that were noted are fetched in any case: at once, if somebody waits for them."""
        return 0.0 if self._purse.eager else AGE

    @property
    def spent(self) -> float:
        """Seconds that watching took so far, what it cannot see of them estimated."""
        return self._figures + self._probes + self._idle + self._bill

    @property
    def elapsed(self) -> float:
        """Seconds since the first step ended, until the account was closed."""
        now = self._clock() if self._closed is None else self._closed
        return now - self._start if self._start is not None else 0.0

    def close(self) -> None:
        """Closes the account: time goes on, and the training was watched no longer."""
        self._closed = self._clock() if self._closed is None else self._closed

    @property
    def step_seconds(self) -> float | None:
        """What a step takes without us."""
        return median(self._plain) if self._plain else None

    @staticmethod
    def _left(allowed: float, called: float) -> float:
        """What is left for figures and probes of a part of the budget, when being called has had its share of it."""
        return max(allowed - called, LOOKING * allowed)

    def _allowed(self) -> float:
        """Seconds that may be spent so far."""
        return self._granted + self._budget * (self.elapsed - self._since)

    def _idled(self, bill: float, steps: int = 1) -> None:
        self._idle += bill
        self.idle_cost += (bill / steps - self.idle_cost) / REMEMBERED

    def _pay(self, seconds: float) -> None:
        self._paid += seconds
        self._purse.paid += seconds

    def _settle(self) -> None:
        """Adds what probes cost besides their bills, once it is known what a step takes without them."""
        if len(self._plain) < SETTLED:
            return
        for took, bill in self._unsettled:
            cost = self._seen_from_outside(took, bill)
            self._probes += cost - bill
            self._pay(cost - bill)
            self.probe_cost = HALF * (self.probe_cost + cost) if self.probe_cost else cost
        self._unsettled.clear()

    def _seen_from_outside(self, took: float, bill: float) -> float:
        usual = median(self._plain)
        extra = took - usual
        return max(bill, extra) if took < PAUSE * usual + bill else bill
