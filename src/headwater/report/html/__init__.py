"""The report as one page that needs nothing else."""

from headwater.report.html.page import render

__all__ = ["render"]
