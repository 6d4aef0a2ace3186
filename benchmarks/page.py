"""Size of a report's page, and the time until a browser shows it.

    python -m benchmarks.page [--repeats 5]

A run is recorded for each network: every statistic of every layer, at every step. Its page is written as
``headwater report RUN --html`` does, and opened by headless Chromium of the system. "First picture" is the time from
the start of the navigation until the verdict's chart is painted; a view is timed from the click on its name. Medians.
"""

from __future__ import annotations

import argparse
import math
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.tables import markdown, write
from headwater.records import (
    Finding,
    GainParts,
    HeadRecord,
    Layer,
    Measurement,
    OptimizerRecord,
    Profile,
    ProfilePoint,
    RunInfo,
    SourceLine,
    StepRecord,
    Where,
)
from headwater.report import Report
from headwater.report.page import save
from headwater.store import RunWriter, StoredRun, open_run

CASES = ((1, 1_000), (50, 1_000), (200, 1_000), (2_000, 100))
"""Layers and steps."""
LIMITS = {(200, 1_000): (2.5, 1.0)}
"""Megabytes and seconds that are promised."""
VIEWS = ("flow", "source", "history", "layer")
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args(arguments).repeats
    path = next((found for name in CHROMIUM if (found := shutil.which(name))), None)
    if path is None:
        print("There is no Chromium here: apt-get install chromium", file=sys.stderr)
        return 2
    rows: list[list[str]] = []
    with tempfile.TemporaryDirectory() as folder:
        for layers, steps in CASES:
            run, report = recorded(Path(folder) / f"{layers}-{steps}", layers, steps)
            started = time.perf_counter()
            page = save([report], Path(folder) / f"{layers}-{steps}.html", run=run)
            spent = time.perf_counter() - started
            size, shown = page.stat().st_size / 1e6, opened(path, page, repeats)
            rows.append(row(layers, steps, size, spent, shown))
            print(*rows[-1], flush=True)
    titles = ["layers", "steps", "size", "limit", "written in", "first picture", "limit", *VIEWS]
    said = "What the page of a report weighs, and how soon a browser shows it. Medians of so many openings: "
    write("page", "Pages", "python -m benchmarks.page", f"{said}{repeats}.", markdown(titles, rows))
    return 0


def row(layers: int, steps: int, size: float, spent: float, shown: dict[str, float]) -> list[str]:
    most, longest = LIMITS.get((layers, steps), (math.inf, math.inf))
    limits = [f"{most} MB" if math.isfinite(most) else "", f"{longest:g} s" if math.isfinite(longest) else ""]
    times = [f"{1000 * shown[view]:.0f} ms" for view in ("first", *VIEWS)]
    return [f"{layers:,}", f"{steps:,}", f"{size:.2f} MB", limits[0], f"{spent:.2f} s", times[0], limits[1], *times[1:]]


def opened(chromium: str, page: Path, repeats: int) -> dict[str, float]:
    """Seconds until the first picture, and until each view is drawn."""
    from playwright.sync_api import sync_playwright

    found: dict[str, list[float]] = {name: [] for name in ("first", *VIEWS)}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for _ in range(repeats):
            tab = browser.new_page(viewport={"width": 1280, "height": 900})
            tab.goto(page.as_uri())
            tab.wait_for_selector("main[data-drawn='verdict']")
            found["first"].append(tab.evaluate(_PAINTED) / 1000)
            for view in VIEWS:
                found[view].append(tab.evaluate(_VIEW, view) / 1000)
            tab.close()
        browser.close()
    return {name: statistics.median(times) for name, times in found.items()}


_PAINTED = "() => new Promise(done => requestAnimationFrame(() => setTimeout(() => done(performance.now()))))"
_VIEW = """view => new Promise(done => {
    const start = performance.now();
    location.hash = `v=${view}`;
    const look = () => document.querySelector(`main[data-drawn='${view}']`)
        ? setTimeout(() => done(performance.now() - start)) : requestAnimationFrame(look);
    requestAnimationFrame(look);
})"""


def recorded(folder: Path, layers: int, steps: int) -> tuple[StoredRun, Report]:
    """A run whose gradient fades toward the input, with noise of its own at every step."""
    noise = random.Random(0)
    names = [f"encoder.blocks.{i}.linear" for i in range(layers)]
    writer = RunWriter(folder, RunInfo("", 1, optimizers={"": "AdamW"}, steps=steps), flush_rows=200_000)
    for step in range(steps):
        writer.append({"step": [step], "track": [""], "layer": [""]} | network(step, noise))
        same = {"step": [step] * layers, "track": [""] * layers, "layer": names}
        writer.append(same | probe(layers, noise) | {"probe": [True] * layers})
        norms = {"grad_norm": fading(layers, noise), "weight_norm": [noise.gauss(5, 0.1) for _ in names]}
        writer.append(same | norms | {"parameter": ["weight"] * layers})
    writer.close()
    return open_run(folder), Report(measurement(names), (FINDING,))


def network(step: int, noise: random.Random) -> dict[str, list[float]]:
    loss = 0.3 + 2 * math.exp(-step / 300) + noise.gauss(0, 0.05)
    return {"loss": [loss], "learning_rate": [1e-3], "clip": [1.0], "grad_norm": [noise.uniform(0.5, 1.5)]}


def probe(layers: int, noise: random.Random) -> dict[str, list[float]]:
    names = ("update_ratio", "loss_share", "gain", "gain_activation", "gain_weights", "predicted_gain")
    return {"signal": fading(layers, noise)} | {
        name: [noise.uniform(0.2, 0.9) for _ in range(layers)] for name in names
    }


def fading(layers: int, noise: random.Random) -> list[float]:
    return [0.93 ** (layers - i) * noise.uniform(0.8, 1.2) for i in range(layers)]


def measurement(names: Sequence[str]) -> Measurement:
    signals = [0.93 ** (len(names) - i) for i in range(len(names))]
    layers = tuple(
        Layer(
            *(name, "Linear", i + 1, signals[i], 0.93 if i else None, GainParts(0.5, 1.86, 1.0, 1.0) if i else None),
            *(0.93 if i else None, None, names[i - 1] if i else None, 1e-3, 1 / len(names)),
            shape=(512, 512), weight=f"{name}.weight", weight_norm=13.0,
            built=SourceLine("model.py", 40), file="model.py", line=52,
        )
        for i, name in enumerate(names)
    )  # fmt: skip
    points = tuple(ProfilePoint(layer.name, layer.depth, layer.signal or 0.0) for layer in layers)
    profile = Profile(points, signals[0] / signals[-1], -math.log(0.93), 0.93, 0.5)
    return Measurement(
        *("Transformer", len(names) * 512 * 512, 64, 9, (3, 4, 5), tuple(StepRecord(i, 2.3) for i in range(8)), layers),
        *(profile, (), (), (), (), HeadRecord(), OptimizerRecord("AdamW", (1e-3,), True)), track="",
    )  # fmt: skip


FINDING = Finding("HW101", "vanishing-gradient", "error", Where("encoder.blocks.0.linear"), "It vanishes.", "Depth.")

if __name__ == "__main__":
    sys.exit(main())
