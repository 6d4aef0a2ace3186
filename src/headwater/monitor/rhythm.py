"""Which steps of an optimizer something is kept of."""

from __future__ import annotations

from dataclasses import dataclass

EACH, OPENING = 8, 32
"""Figures are taken at each of the first 8 steps, and up to the 32nd at one of `SEVERAL` at least, whatever they cost:
a short script is over by then. At each of the 32 they would be felt: at each step they make those of a network of 50
layers 1.15 times as long (`python -m benchmarks.overhead`)."""
SEVERAL = 4


@dataclass(frozen=True)
class Rhythm:
    """The steps that are kept.

    Attributes:
        stride: figures are taken at every so many steps.
        beat: loss and rate alone are noted at every so many steps; 0: never.
    """

    stride: int = 1
    beat: int = 0

    def measures(self, step: int) -> bool:
        """Whether figures of this step are taken."""
        return step % self.stride == 0

    def keeps(self, step: int) -> bool:
        """Whether anything of this step is kept."""
        return self.measures(step) or (self.beat > 0 and step % self.beat == 0)

    def rests(self, step: int) -> int:
        """Steps from this one on, up to the one before the next that is kept."""
        spaces = (self.stride, self.beat) if self.beat else (self.stride,)
        return min(-step % space for space in spaces) - 1


def spaced(step: int, stride: int, beat: int) -> Rhythm:
    """Returns the rhythm from a step on, where the account allows this stride and this beat."""
    if step < EACH:
        return Rhythm()
    if step < OPENING:
        return Rhythm(common_stride(min(stride, SEVERAL)), beat=1)
    return Rhythm(stride, beat)


def common_stride(stride: int) -> int:
    """Returns the next power of two: ranks find strides of their own, and meet at the steps of the largest.

    Where parameters are sharded, the norm of one rank's part alone says nothing.
    """
    return 1 << (stride - 1).bit_length()
