"""The user's own files as they were while the training ran, so that a report can show them later."""

from __future__ import annotations

import linecache
import os
from collections.abc import Iterable

from headwater.records import Measurement

MOST_FILES, MOST_LETTERS, MOST_OF_ALL = 64, 1 << 20, 4 << 20
"""Files that are kept, and letters of one and of all: a larger one is made by a program, and nobody reads it."""


class Texts:
    """Reads each file once, when a layer that stands in it is known."""

    def __init__(self) -> None:
        self.known: dict[str, str] = {}
        self._seen: set[str] = set()
        self._letters = 0

    def learn(self, measurement: Measurement) -> bool:
        """Reads the files of layers and units that were not known; whether there was one."""
        new = [file for file in files(measurement) if file not in self._seen]
        before = len(self.known)
        for file in new:
            self._seen.add(file)
            text = _read(file) if len(self.known) < MOST_FILES else ""
            if text and len(text) <= MOST_LETTERS and self._letters + len(text) <= MOST_OF_ALL:
                self.known[file] = text
                self._letters += len(text)
        return len(self.known) > before


def files(measurement: Measurement) -> Iterable[str]:
    """Names of the user's files in which layers and units are built and run."""
    found: dict[str, None] = {}
    for layer in measurement.layers:
        found |= dict.fromkeys(file for file in (layer.file, layer.built and layer.built.file) if file)
    for units in measurement.units:
        found |= dict.fromkeys(file for file in (units.file, units.built and units.built.file) if file)
    return found


def _read(file: str) -> str:
    """A file, or a cell of a notebook, as a traceback would show it; empty when there is none."""
    if os.path.exists(file) and not os.path.isfile(file):  # a terminal or a pipe: reading it would wait
        return ""
    if os.path.exists(file) and os.path.getsize(file) > 4 * MOST_LETTERS:  # a letter takes four bytes at most
        return ""
    return "".join(linecache.getlines(file))
