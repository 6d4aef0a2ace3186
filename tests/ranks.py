"""What tests of several ranks over gloo share."""

from __future__ import annotations

import pytest

# The threads of gloo outlive the process group that a DistributedDataParallel held. Where one of them lets go of a
# tensor only after the interpreter began to end, it aborts a rank whose training is over; it happens without Headwater,
# too, on a busy machine and seldom (https://github.com/pytorch/pytorch/pull/179291).
aborted_at_exit = pytest.mark.flaky(reruns=2, only_rerun="terminate called without an active exception|signal SIGABRT")
