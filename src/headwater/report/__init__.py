"""From records to terminal text, JSON, a page and pictures. It renders and never measures. No torch."""

from headwater.report.report import Report

__all__ = ["Report"]
