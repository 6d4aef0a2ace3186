"""Draws the README's pictures from real runs of the command line: ``python docs/make_pictures.py``."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

DOCS = Path(__file__).parent
COLUMNS = 88

DEEP_SIGMOID = """\
import torch
from torch import nn

from headwater.study import load_dataset
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


def main() -> None:
    """Runs the commands in an empty folder and keeps what they print."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "deep.py").write_text(DEEP_SIGMOID)
        save("headwater check deep.py:network", folder, DOCS / "check.svg")
    plot("headwater predict --activation tanh --sigma-w 1.2 --sigma-b 0.2236 --plot", DOCS / "predict.png")


def plot(command: str, path: Path) -> None:
    """Runs a command that draws a picture itself."""
    subprocess.run([sys.executable, "-m", *command.split(), str(path)], stdout=subprocess.DEVNULL, check=True)


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
