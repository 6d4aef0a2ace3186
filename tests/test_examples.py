"""Each script of examples/ runs as its author runs it, shortened by its own arguments, and ends as its author means."""

from __future__ import annotations

import ast
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"
ENVIRONMENT = {
    "PYTHONPATH": str(Path(__file__).parent / "without_cuda"),
    "OMP_NUM_THREADS": "1",
    "HF_HUB_OFFLINE": "1",
}


@dataclass(frozen=True)
class Run:
    """A command line after `python`, and what must be seen."""

    command: str
    value: str  # a pattern whose group is a number in the output; the last match counts
    low: float = 0.0
    high: float = float("inf")
    code: int = 0
    stderr: str = ""
    stdin: str = ""
    needs: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict[str, str])


RUNS = [
    Run("train_digits.py --epochs 2", r"best accuracy (\S+)", low=0.9, needs=("sklearn",)),
    Run("course_notebook.py", r"accuracy (\S+)", low=0.85, needs=("sklearn",), environment={"EPOCHS": "2"}),
    Run(
        "lightning_digits.py",
        r"'val_acc': ([\d.]+)",
        low=0.85,
        needs=("lightning", "sklearn"),
        environment={"EPOCHS": "2"},
    ),
    Run("hf_trainer_gpt2.py --max_steps 12", r"final eval loss (\S+)", high=5.2, needs=("transformers", "accelerate")),
    Run("accelerate_accumulation.py --epochs 1", r"accuracy (\S+)", low=0.9, needs=("accelerate", "sklearn")),
    Run("gan_ring.py --steps 60", r"loss G (\S+)", low=0.2, high=3.0),
    Run("reinforce_cartpole.py --episodes 12", r"Average reward: (\S+)", low=12.0),
    Run("char_rnn_tbptt.py 30", r"loss (\S+)", high=3.9),
    Run("amp_train.py --steps 25", r"bfloat16: accuracy (\S+),", low=0.9),
    Run("amp_train.py --steps 25 --dtype float16", r"skipped steps (\S+)", low=1),
    Run("ddp_train.py --epochs=2", r"loss (\S+) over 1", high=0.8),
    Run("-m torch.distributed.run --nproc-per-node 2 {port} ddp_train.py --epochs=2", r"loss (\S+) over 2", high=1.05),
    Run("config_file/train.py --set schedule.max_steps=60", r'"validation": ([\d.]+)', high=0.1, needs=("yaml",)),
    Run("lbfgs_pinn.py 5", r"on \[0, 2\]: (\S+)", high=0.2),
    Run("compiled_resmlp.py --steps 60", r"accuracy (\S+)", low=0.9),
    Run("-m package_style --epochs 3", r"test error ([\d.]+)", high=0.08, needs=("sklearn",)),
    Run("deep_sigmoid.py --epochs 1", r"first layer (\S+),", high=1e-12, needs=("sklearn",)),
    Run("rnn_first_symbol.py --steps 50", r"accuracy: (\S+)", low=0.05, high=0.2),
    Run("checkpointed_transformer.py --steps 40", r"digits right: (\S+)", low=0.5),
    Run("raises_at_step_20.py", r"step (19) loss", code=1, stderr="CorruptFileError: recording 319 is truncated"),
    Run("exits_3.py --steps 20", r"error (\S+),", low=1.0, high=10.0, code=3, stderr="clean-up done"),
    Run("reads_stdin.py 60", r"59 (\S+)", high=0.5, stdin="to be or not to be, " * 20),
    Run(
        "kaggle_kernel.py",
        r"CV: accuracy (\S+)",
        low=0.8,
        needs=("sklearn",),
        environment={"EPOCHS": "6", "N_FOLD": "2"},
    ),
    Run("unfreeze_gradually.py", r"all .*accuracy (\S+)", low=0.85, needs=("sklearn",), environment={"EPOCHS": "2"}),
    Run("scratch_sgd.py 300", r"loss over all: (\S+)", high=1.5),
    Run("homework_wine.py 30", r"accuracy (\S+)", low=0.2, high=0.5, needs=("sklearn",)),
    Run("threads_sweep.py --steps 60", r"rate 0.1: loss (\S+)", high=0.1),
]


@pytest.fixture(scope="module")
def server() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, str(EXAMPLES.parent / "tests" / "script_server.py")]
    environment = os.environ | ENVIRONMENT
    with subprocess.Popen(
        command, cwd=EXAMPLES, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        process.kill()


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.command.replace("{port} ", ""))
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


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


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
