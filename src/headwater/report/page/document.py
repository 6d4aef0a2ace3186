"""The front end and its data in one file, which opens offline.

Its policy lets nothing run but its own two scripts, and nothing style it but its own sheet, each by hash; no request is
allowed at all. Should a name of the user's ever get through as markup, it still could not run or load anything.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from html import escape
from string import Template
from typing import Any

from headwater.report.page.assets import asset
from headwater.report.page.bundle import bundled
from headwater.report.page.plain import dumps, plain
from headwater.report.page.reading import reading, safe

_PAGE = Template("""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="$policy">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Headwater: $title</title>
<style>$style</style>
</head>
<body>
<main id="reading">
$reading
</main>
<script type="application/json" id="headwater-data">$data</script>
<script>$library</script>
<script>$script</script>
</body>
</html>
""")
HEIGHT = 760
"""Of the frame in a notebook, in pixels: the verdict and its picture are seen, the rest scrolls."""


def document(
    overview: Mapping[str, Any],
    history: Sequence[Mapping[str, Any]] | None = None,
    series: Sequence[Mapping[str, Any]] | None = None,
) -> str:
    """Returns the page.

    Args:
        overview: as `headwater.report.page.overview` gives it.
        history: one for each statistic and track, as the dashboard's server gives them.
        series: one for each layer and track, likewise; layers without one are drawn from the histories.
    """
    style = asset("style.css").decode()
    library, script = asset("vendor/echarts.js").decode(), bundled("main.js")
    policy = (
        f"default-src 'none'; script-src {_hash(library)} {_hash(script)}; style-src {_hash(style)}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    return _PAGE.substitute(
        policy=policy,
        title=safe(overview["title"]),
        style=style,
        reading=reading(overview),
        data=dumps(plain({"overview": overview, "history": history or [], "series": series or []})),
        library=library,
        script=script,
    )


def framed(page: str, title: str) -> str:
    """Returns the page in a frame of its own: its styles and scripts do not touch the notebook, nor the other way.

    It may run its scripts and save its figures, and has no access to the notebook's origin.
    """
    return (
        f'<iframe title="{escape(title)}" sandbox="allow-scripts allow-downloads" width="100%" height="{HEIGHT}" '
        f'style="border: 0" srcdoc="{escape(page, quote=True)}"></iframe>'
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
