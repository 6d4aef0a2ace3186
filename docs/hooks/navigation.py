"""The order of pages: an entry of `nav` that ends in a slash stands for all pages of that folder."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

STUDIES = "studies/"
_NONE_YET = """\
# Studies

No study has been written up here yet. A study is an experiment that anyone can run again: its page stands in
`docs/studies/`, with its figures, date, versions and seeds, and this site shows each page that lies there.
"""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds an index where the studies have none, and puts the pages of folders into the navigation."""
    texts = {file.src_uri: file.content_string for file in files.documentation_pages()}
    if not indices(STUDIES, texts):
        page = File.generated(config, f"{STUDIES}index.md", content=studies_index(texts))
        files.append(page)
        texts[page.src_uri] = page.content_string
    config.nav = expanded(config.nav, texts)
    return files


def expanded(nav: Any, texts: Mapping[str, str]) -> Any:
    """Returns `nav` with the pages of a folder, index first, in the place of the folder."""
    if isinstance(nav, list):
        return [expanded(each, texts) for each in nav]
    if isinstance(nav, dict):
        return {title: expanded(each, texts) for title, each in nav.items()}
    return ordered(nav, texts) if isinstance(nav, str) and nav.endswith("/") else nav


def ordered(folder: str, texts: Mapping[str, str]) -> list[str]:
    """Returns the pages right in a folder: its index, those that the index links to in its order, the others."""
    first = indices(folder, texts)
    links = re.findall(r"\]\(([^)#\s]+\.md)", texts[first[0]]) if first else []
    told = [posixpath.normpath(posixpath.join(folder, link)) for link in links]
    inside = sorted(path for path in texts if posixpath.dirname(path) + "/" == folder)
    return list(dict.fromkeys([*first, *(path for path in told if path in inside), *inside]))


def indices(folder: str, texts: Mapping[str, str]) -> list[str]:
    """Returns the index of a folder, in a list that is empty where there is none."""
    return [path for path in (f"{folder}index.md", f"{folder}README.md") if path in texts]


def studies_index(texts: Mapping[str, str]) -> str:
    """Returns a page that leads to the studies that are there, or says that there are none."""
    there = ordered(STUDIES, texts)
    if not there:
        return _NONE_YET
    lines = [f"- [{title(path, texts[path])}]({posixpath.basename(path)})" for path in there]
    return "\n".join(["# Studies", "", "Experiments that anyone can run again.", "", *lines, ""])


def title(path: str, text: str) -> str:
    """Returns the first heading of a page, or its file's name."""
    found = re.search(r"^# (.+)$", text, re.MULTILINE)
    return found[1].strip() if found else posixpath.basename(path).removesuffix(".md")
