"""A page of its own: no script, no request, all of it in one file that opens offline.

Its policy forbids everything but its own style sheet, by hash: should a name of the user's ever get through as markup,
it still could not run or load anything.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from string import Template

from headwater.report.html.svg import safe


def document(*, title: str, body: str, footer: str, versions: Mapping[str, str], style: str) -> str:
    """Returns the page.

    Args:
        title: words for the window, escaped here.
        body: markup.
        footer: markup of the last line, which the versions of what ran follow.
        versions: by name, escaped here.
        style: the style sheet.
    """
    page = {
        "style": style,
        "style_hash": _hash(style),
        "title": safe(title),
        "body": body,
        "footer": footer,
        "versions": safe(", ".join(f"{name} {version}" for name, version in versions.items())),
    }
    return Template(resource("template.html")).substitute(page)


@cache
def resource(name: str, package: str = "headwater.report.html") -> str:
    """Returns a text file that lies beside the code."""
    return files(package).joinpath(name).read_text(encoding="utf-8")


def _hash(style: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
