"""Thresholds that several rules share, each in one place."""

from __future__ import annotations

CHANCE = 2.0
"""Standard deviations of ``ln A`` at random initialisation that an attenuation must exceed (Hanin and Nica 2018)."""
LEAST_POINTS = 3
"""Places along a chain that a slope needs; two would be a single ratio."""
GROWTH = 1e3
"""Growth of the norm from the end of a chain to its start; healthy networks as shipped reach 449 (benchmarks.zoo)."""
WHOLE_WEIGHT = 1.0
"""A relative update of one replaces the weight."""
ROUNDED = 6e-8
"""Half of float32's spacing: a relative update below it changes nothing."""
MOST_NUMBERS = 0.5
"""Share of the trainable numbers above which most of the network cannot learn."""
FEW, FIRM = 64, 2048
"""Samples below which a mean over them says little, and below which "never" does: by the rule of three, what was not
seen in 2048 samples happens in less than 3/2048 = 0.15 % at 95 %, and in 64 samples in less than 5 %."""
LEARNT, NOTHING_LEARNT = 0.5, 0.9
"""Loss over the loss with exchanged targets: well below one the outputs follow the targets."""
