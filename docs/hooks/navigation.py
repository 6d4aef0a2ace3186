"""The order of pages: an entry of `nav` that ends in a slash stands for all pages of that folder."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import Files


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Puts the pages of folders into the navigation."""
    texts = {file.src_uri: file.content_string for file in files.documentation_pages()}
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
