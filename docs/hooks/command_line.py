"""The page of the command line, written by typer from the application itself."""

from __future__ import annotations

import re
import subprocess
import sys

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

PATH = "reference/command-line.md"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the page to those that lie in the folder."""
    files.append(File.generated(config, PATH, content=tidied(written())))
    return files


def written() -> str:
    """Returns what typer makes of the application.

    Raises:
        RuntimeError: typer failed; the message is what it said.
    """
    command = [sys.executable, "-m", "typer", "headwater.cli.app", "utils", "docs", "--name", "headwater"]
    done = subprocess.run([*command, "--title", "Command line"], capture_output=True, text=True, encoding="utf-8")
    if done.returncode:
        raise RuntimeError(f"The page of the command line could not be written:\n{done.stderr}")
    return done.stdout


def tidied(text: str) -> str:
    r"""Returns the page with its examples as code: the paragraphs behind ``\b``, of which two empty lines are left."""
    text = re.sub(r'<span style="font-weight: bold">(.*?)</span>', r"`\1`", text)
    text = re.sub(r"\n\n\n((?:.+\n)+)", _example, text)
    return re.sub(r"^\* `--help`: Show this message and exit\.\n", "", text, flags=re.M)


def _example(match: re.Match[str]) -> str:
    lines = "".join(f"$ {line.rstrip()}\n" for line in match[1].splitlines())
    return f"\n\n```console\n{lines}```\n"
