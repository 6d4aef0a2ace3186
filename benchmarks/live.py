"""How far behind a training the dashboard is, what following costs the training, and whether memory stays.

    python -m benchmarks.live [--minutes 10] [--rate 200]

A script trains at a fixed pace of steps, under `headwater run --live`. A follower does what the page does: it listens
to the stream of events, and on each that tells of rows it asks for the loss and for the gradient of all layers. The
delay is the age of the newest step that it was shown, looked at every tenth of a second, also between two events: of
the newest whose loss was shown, and of the newest with norms of the gradients, which cost more and come less often. The
same script runs first alone, and then watched with nobody looking, for a minute each. What a step takes is without its
pause: by the clock, which all else on the machine moves, and in time of a processor that the training thread used.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import math
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from benchmarks.asking import ADDRESS, Asker
from benchmarks.tables import markdown, write

DELAY_LIMIT = 2.0
SAID = "said.txt"
START, LOOK = 15.0, 0.1
"""Seconds at the beginning that are not counted, in which PyTorch loads and the first steps are itemised; and seconds
between two looks."""
NEAR = 2000
"""Steps before the newest among which the newest with a norm is looked for."""
SCRIPT = """
import json, sys, time
import torch
from torch import nn

torch.set_num_threads(1)
torch.manual_seed(0)
rate, paces = float(sys.argv[1]), open("paces.jsonl", "w", buffering=1)
hidden = [part for _ in range(12) for part in (nn.Linear(64, 64), nn.Tanh())]
model = nn.Sequential(*hidden, nn.Linear(64, 4))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
inputs = torch.randn(4096, 64)
targets = inputs[:, :4].argmax(1)
begin, step, busy, used = time.perf_counter(), 0, [], time.thread_time()
while True:
    since = time.perf_counter()
    some = torch.randint(4096, (64,))
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(inputs[some]), targets[some]).backward()
    optimizer.step()
    step += 1
    now = time.perf_counter()
    busy.append(now - since)
    if step % 100 == 0:
        paces.write(json.dumps([step, time.time(), sum(busy) / 100, (time.thread_time() - used) / 100]) + "\\n")
        busy, used = [], time.thread_time()
    time.sleep(max(0.0, begin + step / rate - time.perf_counter()))
    if now - begin > step / rate + 1.0:  # a pause of the machine is not made up for
        begin = now - step / rate
"""


@dataclass
class Seen:
    """What the follower saw: delays in seconds, memory in MB, and the share of a processor that the server took."""

    delays: list[float] = field(default_factory=list)
    norms: list[float] = field(default_factory=list)
    server: list[float] = field(default_factory=list)
    training: list[float] = field(default_factory=list)
    answers: list[float] = field(default_factory=list)
    shown: int = -1
    normed: int = -1
    share: float = 0.0


@contextmanager
def running(folder: Path, rate: float, *command: str) -> Generator[subprocess.Popen[bytes]]:
    """The script, until it is interrupted."""
    (folder / "train.py").write_text(SCRIPT)
    (folder / "paces.jsonl").unlink(missing_ok=True)
    whole = [sys.executable, *command, "train.py", str(rate)]
    with open(folder / SAID, "w") as said:  # no pipe: the server would keep it open
        process = subprocess.Popen(whole, cwd=folder, stderr=said, stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def paces(folder: Path) -> list[tuple[int, float, float, float]]:
    """Step, time of day, and seconds of a step by the clock and of a processor: for each hundred steps."""
    lines = (folder / "paces.jsonl").read_text().splitlines() if (folder / "paces.jsonl").exists() else []
    return [tuple(json.loads(line)) for line in lines if line.endswith("]")]


def alone(folder: Path, rate: float, seconds: float, *command: str) -> tuple[float, float]:
    """Seconds of a step with nobody looking, as `step_seconds` has them."""
    with running(folder, rate, *command):
        time.sleep(START + seconds)
    return step_seconds(folder)


def step_seconds(folder: Path) -> tuple[float, float]:
    """Seconds of a step, by the clock (median of the hundreds after the beginning) and of a processor (mean)."""
    found = [pace for pace in paces(folder) if pace[1] > paces(folder)[0][1] + START / 2]
    return statistics.median(pace[2] for pace in found), statistics.fmean(pace[3] for pace in found)


def follow(folder: Path, rate: float, seconds: float) -> tuple[Seen, tuple[float, float]]:
    """Follows a training for so long; what was seen, and the seconds of a step meanwhile."""
    seen = Seen()
    with running(folder, rate, "-m", "headwater", "run", "--live") as process:
        while not (found := ADDRESS.search((folder / SAID).read_text())):
            time.sleep(LOOK)
        training = psutil.Process(process.pid)
        server = next(each for each in training.children() if "ui" in each.cmdline())
        threading.Thread(target=_listen_on, args=(int(found[1]), seen), daemon=True).start()
        time.sleep(START)
        used, since = sum(server.cpu_times()[:2]), time.time()
        for _ in range(int(seconds / LOOK)):
            time.sleep(LOOK)
            for step, delays in ((seen.shown, seen.delays), (seen.normed, seen.norms)):
                if (made := _made_at(folder, step, rate)) is not None:
                    delays.append(time.time() - made)
            seen.server.append(server.memory_info().rss / 1e6)
            seen.training.append(training.memory_info().rss / 1e6)
        seen.share = (sum(server.cpu_times()[:2]) - used) / (time.time() - since)
        spent = step_seconds(folder)
    server.kill()
    return seen, spent


def _listen_on(port: int, seen: Seen) -> None:
    """Listens until the server is gone."""
    with contextlib.suppress(ConnectionError, http.client.HTTPException):
        _listen(port, seen)


def _listen(port: int, seen: Seen) -> None:
    """Does what the page does."""
    asker, stream = Asker(port), Asker(port)
    while not any(run["live"] for run in asker.ask("/api/runs")[0]["runs"]):
        time.sleep(LOOK)
    for line in stream.lines("/api/runs/train/stream"):
        if not line.startswith(b"data:") or not json.loads(line[5:])["rows"]:
            continue
        found, first = asker.ask("/api/runs/train/series?statistics=loss,learning_rate,grad_norm&points=800")
        _, second = asker.ask("/api/runs/train/history?width=600&height=200")
        seen.answers.append(first + second)
        # the last bucket may hold many steps: its newest is the run's last, which the answer was made from
        seen.shown = found["last"]
        seen.normed = max(seen.normed, _newest(asker, found["last"]))


def _newest(asker: Asker, last: int) -> int:
    """The newest step with a norm: one by one, which the page does not ask for."""
    path = f"/api/runs/train/series?statistics=grad_norm&first={max(0, last - NEAR)}&points={NEAR + 1}"
    found, _ = asker.ask(path)
    known = zip(found["steps"], found["series"]["grad_norm"]["mean"], strict=True)
    return max((step for step, norm in known if norm is not None), default=-1)


def _made_at(folder: Path, step: int, rate: float) -> float | None:
    """When a step was made, between those whose time was written down."""
    before = [pace for pace in paces(folder) if pace[0] <= step + 1]
    return before[-1][1] + (step + 1 - before[-1][0]) / rate if before else None


def main() -> None:
    """Runs the three and writes the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--rate", type=float, default=200.0)
    given = parser.parse_args()
    seconds = 60 * given.minutes
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        short = min(seconds, 60.0)
        plain = alone(folder, given.rate, short)
        watched = alone(folder, given.rate, short, "-m", "headwater", "run")
        (folder / "runs").rename(folder / "earlier")
        seen, followed = follow(folder, given.rate, seconds)
    write(
        "live", "Following a training live", "python -m benchmarks.live", *_told(given, seen, plain, watched, followed)
    )


def _told(given: argparse.Namespace, seen: Seen, *steps: tuple[float, float]) -> tuple[str, str]:
    delays, norms = sorted(seen.delays), sorted(seen.norms or [math.inf])
    tenth = max(1, len(seen.server) // 10)

    def ends(sizes: list[float]) -> str:
        return f"{statistics.median(sizes[:tenth]):.0f} MB, then {statistics.median(sizes[-tenth:]):.0f} MB"

    rows = [
        ["delay, median", f"{statistics.median(delays):.2f} s", ""],
        ["delay, 99th percentile", f"{delays[int(0.99 * len(delays))]:.2f} s", f"{DELAY_LIMIT:g} s"],
        ["delay at most", f"{delays[-1]:.2f} s", ""],
        ["delay of the norms, median", f"{statistics.median(norms):.2f} s", ""],
        ["delay of the norms, 99th percentile", f"{norms[int(0.99 * len(norms))]:.2f} s", f"{DELAY_LIMIT:g} s"],
        ["delay of the norms at most", f"{norms[-1]:.2f} s", ""],
        ["answers to one event (loss and history), median", f"{1e3 * statistics.median(seen.answers):.0f} ms", ""],
        ["events that were followed", f"{len(seen.answers)}", ""],
        ["memory of the server, first and last tenth", ends(seen.server), "300 MB"],
        ["memory of the training, first and last tenth", ends(seen.training), ""],
        ["the server takes of a processor, asked for the norms step by step besides", f"{100 * seen.share:.1f} %", ""],
    ]
    for name, (clock, used) in zip(("alone", "under watch", "under watch and followed"), steps, strict=True):
        rows.append([f"a step {name}: by the clock, of a processor", f"{1e3 * clock:.2f} ms, {1e3 * used:.2f} ms", ""])
    about = f"A training at {given.rate:g} steps a second, followed for {given.minutes:g} minutes after {START:g} s."
    return about, markdown(["", "measured", "limit"], rows)


if __name__ == "__main__":
    main()
