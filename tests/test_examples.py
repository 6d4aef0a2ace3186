"""Each script of examples/ runs as its author runs it, shortened by its own arguments, and ends as its author means."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from benchmarks.scripts import EXAMPLES, LAUNCHER, RUNS, Run, free_port
from tests.ranks import aborted_at_exit

ENVIRONMENT = {
    "PYTHONPATH": str(Path(__file__).parent / "without_cuda"),
    "OMP_NUM_THREADS": "1",
    "HF_HUB_OFFLINE": "1",
}


@pytest.fixture(scope="module")
def server() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, str(EXAMPLES.parent / "tests" / "script_server.py")]
    environment = os.environ | ENVIRONMENT
    with subprocess.Popen(
        command, cwd=EXAMPLES, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        process.kill()


@pytest.mark.parametrize(
    "run",
    [
        pytest.param(
            run, id=run.command.replace("{port} ", ""), marks=[aborted_at_exit] * run.command.startswith(LAUNCHER)
        )
        for run in RUNS
    ],
)
def test_runs_as_its_author_means(run: Run, server: subprocess.Popen[str], tmp_path: Path) -> None:
    for package in run.needs:
        if find_spec(package) is None:
            pytest.skip(f"needs {package} (extra: examples)")
    environment = ENVIRONMENT | run.environment | {"TMPDIR": str(tmp_path)}
    arguments = run.command.format(port=f"--master-addr 127.0.0.1 --master-port {free_port()}").split()
    (tmp_path / "stdin").write_text(run.stdin, encoding="utf-8")
    start = in_a_fork if arguments[0].endswith(".py") else plainly
    code = start(arguments, environment, tmp_path, server)
    stdout, stderr = ((tmp_path / name).read_text(encoding="utf-8") for name in ("stdout", "stderr"))
    assert code == run.code, stderr
    assert run.stderr in stderr
    assert run.low <= float(re.findall(run.value, stdout)[-1]) <= run.high, stdout


def in_a_fork(arguments: list[str], environment: dict[str, str], folder: Path, server: subprocess.Popen[str]) -> int:
    assert server.stdin is not None and server.stdout is not None
    job = {"arguments": arguments, "environment": environment, "folder": str(folder)}
    print(json.dumps(job), file=server.stdin, flush=True)
    return int(server.stdout.readline())


def plainly(arguments: list[str], environment: dict[str, str], folder: Path, _: subprocess.Popen[str]) -> int:
    """A command line of its own, for what starts further processes."""
    with (
        open(folder / "stdin", encoding="utf-8") as stdin,
        open(folder / "stdout", "w", encoding="utf-8") as stdout,
        open(folder / "stderr", "w", encoding="utf-8") as stderr,
    ):
        command = [sys.executable, *arguments]
        streams = {"stdin": stdin, "stdout": stdout, "stderr": stderr}
        return subprocess.run(command, cwd=EXAMPLES, env=os.environ | environment, timeout=120, **streams).returncode


def scripts() -> set[str]:
    """What a person runs: the files of the folder, and one entry for each sub-folder."""
    return {path.name for path in EXAMPLES.glob("*.py")} | {"config_file/train.py", "package_style"}


def test_no_script_knows_of_headwater() -> None:
    for path in EXAMPLES.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, (ast.Import, ast.ImportFrom)) else []
            module = getattr(node, "module", None) or ""
            assert not any(name.startswith("headwater") for name in [module, *names]), path


def test_every_script_is_run_here_and_described() -> None:
    readme = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    described = {row.split("`")[1] for row in readme.splitlines() if row.startswith("| `")}
    assert described == scripts()
    run = {word for entry in RUNS for word in entry.command.split() if word.endswith(".py") or word == "package_style"}
    assert run == scripts()
