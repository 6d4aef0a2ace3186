"""The live page: a server that reads runs and never writes one, for browsers on this machine. No torch."""

from headwater.dashboard.serve import Dashboard, dashboard

__all__ = ["Dashboard", "dashboard"]
