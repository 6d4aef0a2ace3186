"""The command line: parsing and printing only."""

from headwater.cli.app import main

__all__ = ["main"]
