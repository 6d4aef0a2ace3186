"""The pytest fixture ``assert_gradient_flow``; pytest finds it by itself once Headwater is installed.

def test_my_network(assert_gradient_flow):
assert_gradient_flow(Network(), batches, loss_fn)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture
def assert_gradient_flow() -> Callable[..., Any]:
    """`headwater.testing.assert_gradient_flow`, imported only when a test asks for it."""
    from headwater.testing import assert_gradient_flow as check

    return check
