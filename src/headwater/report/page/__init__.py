"""The one front end: the page of a report, and that of the dashboard. The page draws and never analyses."""

from headwater.report.page.assets import ASSETS, asset
from headwater.report.page.document import document, framed
from headwater.report.page.overview import overview
from headwater.report.page.pages import FIX, fix_of_run, render, save
from headwater.report.page.plain import dumps, plain

__all__ = [
    "ASSETS",
    "FIX",
    "asset",
    "document",
    "dumps",
    "fix_of_run",
    "framed",
    "overview",
    "plain",
    "render",
    "save",
]
