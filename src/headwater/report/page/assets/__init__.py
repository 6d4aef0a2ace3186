"""The front end itself: ES modules, a style sheet and the chart library, as they are served and embedded."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

VIEWS = ("verdict", "flow", "source", "history", "layer", "time", "rate", "remedies", "compare")
_MODULES = (
    *("main", "app", "sources", "dom", "format", "theme", "figure", "saving", "scales", "heat", "findings"),
    *("curves", "runs", "views/hero", "views/magnitudes", *(f"views/{view}" for view in VIEWS)),
)
ASSETS: tuple[str, ...] = ("index.html", "style.css", "vendor/echarts.js", *(f"{name}.js" for name in _MODULES))
"""Names of all that a server hands out."""


@cache
def asset(name: str) -> bytes:
    """Returns one of `ASSETS`.

    Raises:
        KeyError: there is no such one; a name never leads to another file.
    """
    if name not in ASSETS:
        raise KeyError(name)
    return files(__name__).joinpath(*name.split("/")).read_bytes()
