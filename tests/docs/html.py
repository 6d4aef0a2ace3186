"""What a test needs to know of a page of the site."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

LOADING = {("script", "src"), ("img", "src"), ("iframe", "src"), ("source", "srcset"), ("object", "data")}
"""Attributes that make a browser fetch something; of a `link`, `href` does, but for the relations below."""
FOLLOWED = {"prev", "next", "canonical", "alternate"}


class Html(HTMLParser):
    """The links, the loaded files and the anchors of a page, and its words."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.anchors: set[str] = set()
        self.words: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {key: value or "" for key, value in attrs}
        if "id" in given:
            self.anchors.add(given["id"])
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag == "link" and given.get("rel") not in FOLLOWED:
            self.loaded.append(given["href"])
        self.loaded += [value for key, value in given.items() if (tag, key) in LOADING]

    def handle_data(self, data: str) -> None:
        self.words.append(data)
