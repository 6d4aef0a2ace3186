"""Old runs, read as if they were new: one function for each step between two versions of ``run.json``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from headwater.errors import StoreError

VERSION = 1

STEPS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}
"""Version -> function that makes the next version of it. Segments need none: a column that is missing is empty."""


def migrated(info: dict[str, Any]) -> dict[str, Any]:
    """Brings what ``run.json`` holds to the present version.

    Raises:
        StoreError: it was written by a newer Headwater, or has no version.
    """
    version = info.get("schema_version")
    if not isinstance(version, int):
        raise StoreError("run.json has no schema_version: Headwater did not write it.")
    if version > VERSION:
        raise StoreError(
            f"The run was written by a newer Headwater (version {version} of the format, this one reads up to "
            f"{VERSION}). Update Headwater to read it."
        )
    while version < VERSION:
        if version not in STEPS:
            raise StoreError(f"Version {version} of the format of runs is not known.")
        info = STEPS[version](info) | {"schema_version": version + 1}
        version += 1
    return info
