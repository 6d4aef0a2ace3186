"""Draws the README's picture of a training that is followed live: ``python docs/scripts/live_picture.py``.

It trains under ``headwater run --live`` and photographs the page meanwhile. It needs Chromium (``apt-get install
chromium``) and the package ``playwright``.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

PICTURE = Path(__file__).resolve().parents[1] / "pictures" / "live.png"
SECONDS = 45.0
"""After which the picture is taken."""
SCRIPT = """\
import time

import torch
from torch import nn

torch.manual_seed(0)
layers = [part for _ in range(16) for part in (nn.Linear(32, 32), nn.Tanh())]
model = nn.Sequential(*layers, nn.Linear(32, 4))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
inputs = torch.randn(2048, 32)
targets = inputs[:, :4].argmax(1)
while True:
    batch = torch.randint(2048, (64,))
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(inputs[batch]), targets[batch]).backward()
    optimizer.step()
    time.sleep(0.004)
"""


def main() -> None:
    """Trains, looks on, and ends the training."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "train.py").write_text(SCRIPT)
        command = [sys.executable, "-m", "headwater", "run", "--live", "train.py"]
        with open(folder / "said.txt", "w") as said:
            quiet = os.environ | {"BROWSER": "true"}
            training = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=said, env=quiet)
        try:
            while not (found := re.search(r"http://\S+", (folder / "said.txt").read_text())):
                time.sleep(0.2)
            photograph(found[0])
        finally:
            training.send_signal(signal.SIGTERM)
            training.wait(60)


def photograph(address: str) -> None:
    """Looks at the history of the run until something is to be seen, and takes the picture."""
    PICTURE.parent.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1200, "height": 800}, color_scheme="light")
        page.wait_for_timeout(5000)
        page.goto(f"{address}#r=train&v=history")
        page.wait_for_timeout(1000 * SECONDS)
        page.screenshot(path=PICTURE)
        browser.close()
    print(f"written: {PICTURE}")


if __name__ == "__main__":
    main()
