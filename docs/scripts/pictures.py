"""Draws the README's pictures from real runs of the command line: ``python docs/scripts/pictures.py``.

Those of the page need Chromium (``apt-get install chromium``) and the package ``playwright``.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

from headwater.report import Report
from headwater.report.lines import texts_now
from headwater.report.page import fix_of_run
from headwater.report.page import save as save_page
from headwater.store import open_run

PICTURES = Path(__file__).resolve().parents[1] / "pictures"
COLUMNS = 88

DEEP_SIGMOID = """\
import torch
from torch import nn

from headwater.study.data import load_dataset
from headwater.study.training import batches


class Deep(nn.Module):
    def __init__(self, inputs, classes, depth=50, width=128):
        super().__init__()
        widths = [inputs] + [width] * depth
        self.hidden = nn.ModuleList(nn.Linear(a, b) for a, b in zip(widths, widths[1:]))
        self.output = nn.Linear(width, classes)

    def forward(self, x):
        for layer in self.hidden:
            x = torch.sigmoid(layer(x))
        return self.output(x)


def network():
    torch.set_num_threads(1)
    torch.manual_seed(0)
    digits = load_dataset("digits")
    return Deep(digits.features, digits.classes), batches(digits, 9), nn.CrossEntropyLoss()
"""


TRAIN = """\
import torch
from torch import nn

from headwater.study.data import load_dataset
from headwater.study.training import batches

torch.set_num_threads(1)
torch.manual_seed(0)


class Deep(nn.Module):
    def __init__(self, inputs, classes, depth=30, width=64):
        super().__init__()
        widths = [inputs] + [width] * depth
        self.hidden = nn.ModuleList(nn.Linear(a, b) for a, b in zip(widths, widths[1:]))
        self.output = nn.Linear(width, classes)

    def forward(self, x):
        for layer in self.hidden:
            x = torch.sigmoid(layer(x))
        return self.output(x)


digits = load_dataset("digits")
model = Deep(digits.features, digits.classes)
optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
for inputs, labels in batches(digits, 400, seed=0):
    loss = nn.functional.cross_entropy(model(inputs), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""
SHOTS = (
    ("verdict", 1200, 900, "light"),
    ("verdict-dark", 1200, 900, "dark"),
    ("flow", 1200, 900, "light"),
    ("source", 1200, 620, "light"),
    ("history", 1200, 900, "light"),
    ("verdict-phone", 400, 860, "light"),
)
"""Name of each picture of the page, which begins with that of its view; width, height and scheme."""


def main() -> None:
    """Runs the commands in an empty folder and keeps what they print."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "deep.py").write_text(DEEP_SIGMOID)
        save("headwater check deep.py:network", folder, PICTURES / "check.svg")
        photograph(page(Path(folder)))
    plot("headwater predict --activation tanh --sigma-w 1.2 --sigma-b 0.2236 --plot", PICTURES / "predict.png")


def plot(command: str, path: Path) -> None:
    """Runs a command that draws a picture itself."""
    subprocess.run([sys.executable, "-m", *command.split(), str(path)], stdout=subprocess.DEVNULL, check=True)


def page(folder: Path) -> Path:
    """Records a training, finds what mends it, and writes the page that shows both."""
    (folder / "train.py").write_text(TRAIN)
    for command in ("run --budget 20 train.py", "fix --steps 150 train.py"):
        subprocess.run([sys.executable, "-m", "headwater", *command.split()], cwd=folder, stdout=subprocess.DEVNULL)
    run = open_run(folder / "runs" / "train")
    reports = [Report.from_json(text) for text in run.report_texts()]
    os.chdir(folder)  # files are then called as the user calls them
    texts = texts_now([report.measurement for report in reports])
    return save_page(reports, folder / "page.html", run=run, fix=fix_of_run(run), texts=texts)


def photograph(page: Path) -> None:
    """Keeps what a browser shows of the page."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for name, width, height, scheme in SHOTS:
            view, path = name.partition("-")[0], PICTURES / f"{name}.png"
            tab = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
            tab.goto(f"{page.as_uri()}#v={view}")
            tab.wait_for_selector(f"main[data-drawn='{view}']")
            path.parent.mkdir(exist_ok=True)
            tab.screenshot(path=path)
            tab.close()
            print(f"written: {path}")
        browser.close()


def save(command: str, folder: str, path: Path) -> None:
    """Runs a command as a terminal would and saves the screen as a picture."""
    environment = os.environ | {"FORCE_COLOR": "1", "COLUMNS": str(COLUMNS), "TERM": "xterm-256color"}
    run = subprocess.run(
        [sys.executable, "-m", *command.split()], cwd=folder, env=environment, stdout=subprocess.PIPE, text=True
    )
    with open(os.devnull, "w") as nowhere:
        console = Console(record=True, width=COLUMNS, file=nowhere, force_terminal=True, color_system="truecolor")
        console.print(Text(f"$ {command}", style="bold"))
        console.print(Text.from_ansi(run.stdout))
        # Rich's format names fonts on a server; a picture that opens offline uses the reader's own.
        own_fonts = re.sub(r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
        path.write_text(console.export_svg(title="headwater", code_format=own_fonts), encoding="utf-8")
    print(f"written: {path}")


if __name__ == "__main__":
    main()
