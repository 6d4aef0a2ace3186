"""A page inside a notebook."""

from __future__ import annotations

from html import escape

HEIGHT = 720
"""In pixels: verdict and profile are seen, the rest scrolls."""


def framed(page: str, title: str) -> str:
    """Returns the page in a frame of its own, which keeps its styles from the notebook, and the notebook's from it."""
    return (
        f'<iframe title="{escape(title)}" sandbox="" width="100%" height="{HEIGHT}" style="border: 0" '
        f'srcdoc="{escape(page, quote=True)}"></iframe>'
    )
