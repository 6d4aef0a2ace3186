"""Measures what watching costs on the same clock as the training, and spaces measurements to stay inside the budget.

Half of the budget is for figures (per-step norms, and the hooks themselves), half for probes. What a probe costs is
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

from headwater.monitor.settings import Settings

T = TypeVar("T")

HALF = 0.5
SPENDABLE = 0.8
"""Share of the budget that is spent by our own account: the rest is for what it cannot see, as that PyTorch calls hooks
at all, and that what we read takes the place of the network's numbers in the caches."""
REMEMBERED = 31
"""Plain steps whose median is what a step takes."""
DEBT = 4.0
"""So many times fewer figures are taken while more was spent than the budget allows."""
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
    """

    paid: float = 0.0
    open: bool = False


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
        self._start: float | None = None
        self._closed: float | None = None
        self._last_end = self._last_probe = clock()
        self._bill = 0.0
        self._figures = self._probes = 0.0
        self.probe_cost = 0.0
        self.figure_cost = 0.0

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

    def step_ended(self, *, probed: bool, measured: bool) -> None:
        """Closes the account of a step.

        Args:
            probed: whether it was itemised.
            measured: whether its figures were taken.
        """
        now, bill = self._clock(), self._bill
        others = self._purse.paid - self._paid
        took, self._last_end, self._bill = now - self._last_end - (others - self._others), now, 0.0
        self._others = others
        is_first, self._start = self._start is None, now if self._start is None else self._start
        if probed:
            self._last_probe = now
            self._probes += bill
            self._unsettled.append((took, bill))
            self._settle()
            if not self.probe_cost:
                self.probe_cost = bill
            return
        self._figures += bill
        if measured:
            self.figure_cost = bill if not self.figure_cost else HALF * (self.figure_cost + bill)
        if not is_first:  # what came before the first step's end was no step
            self._plain.append(took - bill)
        self._settle()

    def wants_probe(self, step: int) -> bool:
        """Whether step number `step`, counted from 0, shall be itemised."""
        if self._settings.everything or step in self._settings.first:
            return True
        if self._clock() - self._last_probe > self._settings.at_least_every:
            return True
        return bool(self.probe_cost) and self._probes + self.probe_cost <= HALF * self._allowed()

    def stride(self) -> int:
        """Every how many steps figures are taken, so that they keep to their half of the budget."""
        if self._settings.everything or not self._plain:
            return 1
        allowed = HALF * self._budget * max(median(self._plain), 1e-9)
        if self.spent > self._allowed():  # a probe was made at any cost: let it be made up for
            allowed /= DEBT
        return max(1, math.ceil(self.figure_cost / allowed))

    @property
    def spent(self) -> float:
        """Seconds that watching took so far."""
        return self._figures + self._probes + self._bill

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

    def _allowed(self) -> float:
        """Seconds that may be spent so far."""
        return self._granted + self._budget * (self.elapsed - self._since)

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


def common_stride(stride: int) -> int:
    """Returns the next power of two: ranks find strides of their own, and meet at the steps of the largest.

    Where parameters are sharded, the norm of one rank's part alone says nothing.
    """
    return 1 << (stride - 1).bit_length()
