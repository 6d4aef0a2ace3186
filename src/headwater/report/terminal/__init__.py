"""The report as text on a terminal."""

from headwater.report.terminal.lines import render_lines
from headwater.report.terminal.screen import render, render_each

__all__ = ["render", "render_each", "render_lines"]
