"""Which steps of an optimizer something is kept of."""

from __future__ import annotations

from dataclasses import dataclass

OPENING, EACH, SEVERAL = 32, 8, 4
"""Steps at the beginning, a short script's all, of which figures are taken whatever they cost: at each of the first
ones, and later at one of several at least. A whole block of them would be felt where they take a fifth of the time."""


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


def opening(step: int, stride: int) -> Rhythm:
    """Returns the rhythm at one of the first steps, where the account would allow one step of `stride`."""
    return Rhythm() if step < EACH else Rhythm(min(stride, SEVERAL), beat=1)


def common_stride(stride: int) -> int:
    """Returns the next power of two: ranks find strides of their own, and meet at the steps of the largest.

    Where parameters are sharded, the norm of one rank's part alone says nothing.
    """
    return 1 << (stride - 1).bit_length()
