"""Runs to serve, and a client that asks as the dashboard's own page would."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from starlette.testclient import TestClient

from headwater.dashboard.app import application
from headwater.dashboard.shelf import Shelf
from headwater.records import Finding, Where
from headwater.report import Report
from headwater.store import RunWriter
from tests.builders import chain, measurement
from tests.store.rows.made import INFO, figures, probes

NASTY = "</script><script>alert(1)</script>"
"""A name that would run, were it ever put into a page as it is."""
FINDING = Finding("HW101", "vanishing-gradient", "error", Where("0"), "It vanishes.", "Because.", {"share": 1e-9})


def report(finding: Finding = FINDING) -> Report:
    """A diagnosis of four layers, of which the gradient loses nine tenths each."""
    return Report(replace(measurement(), layers=chain([1e-3, 1e-2, 1e-1, 1.0])), (finding,))


def made(folder: Path, *, name: str = "", close: bool = True, steps: int = 20, finding: Finding = FINDING) -> RunWriter:
    """A run with rows, a finding, a diagnosis and a source text."""
    one = RunWriter(
        folder, replace(INFO, host="a-host", command=("train.py", name), started="2026-01-01T00:00:00+00:00")
    )
    rows = figures(range(steps)) + probes(range(0, steps, 5))
    one.append({key: [row.get(key) for row in rows] for key in dict.fromkeys(k for row in rows for k in row)})
    one.flush()
    one.finding("raised", 5, "2026-01-01T00:00:00+00:00", finding)
    one.report(report(finding).to_json())
    one.sources({"train.py": "import torch\n"})
    if close:
        one.close(steps=steps)
    return one


def client(
    root: Path, *, token: str | None = None, hosts: Sequence[str] = (), base: str = "http://127.0.0.1:8321"
) -> TestClient:
    """Asks the application in this process."""
    app = application(Shelf(root), token=token, hosts=frozenset(hosts))
    return TestClient(app, base_url=base, raise_server_exceptions=False, follow_redirects=False)  # type: ignore[arg-type]
