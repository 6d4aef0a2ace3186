"""The report as text on a terminal."""

from headwater.report.terminal.screen import render

__all__ = ["render"]
