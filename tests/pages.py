"""What must hold for every page that is written, and the parts of one."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from typing import Any

EVIL = "</style></title></script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&$style${data}<!--\u2028"
VOID = {"meta", "br", "img", "link", "input", "hr"}


class Page(HTMLParser):
    """Collects elements, and checks that each is closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def tags(self) -> set[str]:
        return {tag for tag, _ in self.elements}


def carried(text: str) -> dict[str, Any]:
    """The data that a page carries."""
    found = re.search(r'<script type="application/json" id="headwater-data">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def read_aloud(text: str) -> str:
    """What a reader without scripts sees."""
    return text[text.index('<main id="reading">') : text.index("</main>")]


def self_contained(text: str) -> None:
    """Checks that a page is well formed, runs nothing but its own two scripts, and asks for nothing."""
    page = Page(text)
    assert not page.tags() & {"img", "link", "iframe", "object", "a", "form", "input"}
    for _, attributes in page.elements:
        assert not {key for key in attributes if key.startswith("on") or key in ("src", "href", "style")}
    style = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    assert len(style) == 1 and "url(" not in style[0] and "@import" not in style[0]
    scripts = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    assert len(scripts) == 2 and [tag for tag, _ in page.elements].count("script") == 3
    policies = [a["content"] for _, a in page.elements if a.get("http-equiv") == "Content-Security-Policy"]
    assert policies == [
        f"default-src 'none'; script-src {_hash(scripts[0])} {_hash(scripts[1])}; style-src {_hash(style[0])}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    ]


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
