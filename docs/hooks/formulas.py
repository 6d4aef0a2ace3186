r"""Formulas as MathML: ``\( \)`` and ``\[ \]`` become elements that a browser draws without a script or a font."""

from __future__ import annotations

import html
import re
from typing import Any

from latex2mathml.converter import convert

_INLINE = re.compile(r'<span class="arithmatex">\\\((.*?)\\\)</span>', re.DOTALL)
_BLOCK = re.compile(r'<div class="arithmatex">\s*\\\[(.*?)\\\]\s*</div>', re.DOTALL)


def on_page_content(content: str, **_: Any) -> str:
    """Replaces what the extension `pymdownx.arithmatex` has marked."""
    return with_mathml(content)


def with_mathml(content: str) -> str:
    """Returns HTML in which each marked formula is MathML, with its LaTeX as an annotation."""
    content = _INLINE.sub(lambda found: _element(found[1], "inline"), content)
    return _BLOCK.sub(lambda found: f'<div class="formula">{_element(found[1], "block")}</div>', content)


def _element(latex: str, display: str) -> str:
    return convert(html.unescape(latex).strip(), display=display)
