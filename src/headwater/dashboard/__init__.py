"""The live page: a server that reads runs and writes nothing but the mark that somebody looks on. No torch."""

from headwater.dashboard.serve import Dashboard, dashboard

__all__ = ["Dashboard", "dashboard"]
