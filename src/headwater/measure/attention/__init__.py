"""Attention: where its rows look, and how far the positions that it mixes differ."""

from headwater.measure.attention.collect import Attention, with_lines

__all__ = ["Attention", "with_lines"]
