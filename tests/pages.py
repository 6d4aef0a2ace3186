"""What must hold for every page that is written, and the parts of one."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

EVIL = "</style></title></script><img src=x onerror=alert(1)>\"'&$style"
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


def pictures(text: str) -> list[ElementTree.Element]:
    return [ElementTree.fromstring(svg) for svg in re.findall(r"<svg.*?</svg>", text, re.DOTALL)]


def self_contained(text: str) -> None:
    """Checks that a page is well formed, runs nothing and asks for nothing but its own style sheet."""
    page = Page(text)
    assert not page.tags() & {"script", "img", "link", "iframe", "object", "a", "form", "input"}
    for _, attributes in page.elements:
        assert not {key for key in attributes if key.startswith("on") or key in ("src", "href", "style")}
    assert "url(" not in text and "@import" not in text
    places = re.findall(r' (?:x|y|cx|cy|x1|x2|y1|y2|r|width|height|d|points)="([^"]*)"', text)
    assert not [place for place in places if "nan" in place or "inf" in place]
    for picture in pictures(text):
        assert picture.find("title") is not None and picture.find("desc") is not None
    style = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    assert len(style) == 1
    digest = base64.b64encode(hashlib.sha256(style[0].encode()).digest()).decode()
    policies = [a["content"] for _, a in page.elements if a.get("http-equiv") == "Content-Security-Policy"]
    assert policies == [f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"]


def drawn_within(text: str) -> None:
    """Checks that nothing of a page's pictures lies outside of them."""
    for picture in pictures(text):
        _, _, width, height = map(float, picture.attrib["viewBox"].split())
        most = {"x": width, "x1": width, "cx": width, "y": height, "y1": height, "cy": height}
        for element in picture.iter():
            for key in most:
                assert 0 <= float(element.attrib.get(key, 0)) <= most[key]
            for pair in element.attrib.get("points", "").split():
                x, y = map(float, pair.split(","))
                assert 0 <= x <= width and 0 <= y <= height
