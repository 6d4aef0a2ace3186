"""A search for a fix as terminal text, JSON and a page. It renders and never measures."""

from headwater.report.fix import json, terminal

__all__ = ["json", "terminal"]
