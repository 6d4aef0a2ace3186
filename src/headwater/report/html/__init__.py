"""The report as one page that needs nothing else."""

from headwater.report.html.frame import framed
from headwater.report.html.page import render, save

__all__ = ["framed", "render", "save"]
