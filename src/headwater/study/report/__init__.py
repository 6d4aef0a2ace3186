"""Results to a page, to documents and to pictures; rendering only."""

from headwater.study.report.charts import ready
from headwater.study.report.page import page
from headwater.study.report.words import tally

__all__ = ["page", "ready", "tally"]
