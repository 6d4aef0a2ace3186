"""Scripts that know nothing of Headwater, under ``headwater run`` and without: the same training, and a true verdict?

    python -m benchmarks.scripts [--only WORD]

Runs each script of examples/ with its own arguments both ways, and compares exit code and output, but for durations
and for what Headwater prints behind them. Writes docs/benchmarks/scripts.md when all ran; leaves with status 1 when
one differs or its verdict is not what a person would expect. About five minutes; needs the extra ``examples``.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.tables import markdown, write

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PYTHONWARNINGS": "ignore"}
PATHS = (str(ROOT / "src"), str(ROOT / "tests" / "without_cuda"))
LAUNCHER = "-m torch.distributed.run"


@dataclass(frozen=True)
class Run:
    """A command line after `python`, what must be seen, and what a person who knows the field would find.

    Attributes:
        value: a pattern whose group is a number in the output, from `low` to `high`; the last match counts.
        code, stderr: exit code, and words of the error output.
        needs: packages.
        wants: codes that the diagnosis must hold; none: nothing but information.
        may: codes that are true of it too, or arguable.
        seen: whether it steps an optimizer at all, without which there is nothing to judge.
    """

    command: str
    value: str
    low: float = 0.0
    high: float = float("inf")
    code: int = 0
    stderr: str = ""
    stdin: str = ""
    needs: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict[str, str])
    wants: tuple[str, ...] = ()
    may: tuple[str, ...] = ()
    seen: bool = True


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
    Run("char_rnn_tbptt.py 30", r"loss (\S+)", high=3.9, may=("HW505",)),
    Run("amp_train.py --steps 25", r"bfloat16: accuracy (\S+),", low=0.9),
    Run("amp_train.py --steps 25 --dtype float16", r"skipped steps (\S+)", low=1),
    Run("ddp_train.py --epochs=2", r"loss (\S+) over 1", high=0.8),
    Run("-m torch.distributed.run --nproc-per-node 2 {port} ddp_train.py --epochs=2", r"loss (\S+) over 2", high=1.05),
    Run("config_file/train.py --set schedule.max_steps=60", r'"validation": ([\d.]+)', high=0.1, needs=("yaml",)),
    Run("lbfgs_pinn.py 5", r"on \[0, 2\]: (\S+)", high=0.2),
    Run("compiled_resmlp.py --steps 60", r"accuracy (\S+)", low=0.9),
    Run("-m package_style --epochs 3", r"test error ([\d.]+)", high=0.08, needs=("sklearn",)),
    Run(
        "deep_sigmoid.py --epochs 1",
        r"first layer (\S+),",
        high=1e-12,
        needs=("sklearn",),
        wants=("HW101",),
        may=("HW103",),
    ),
    Run("rnn_first_symbol.py --steps 50", r"accuracy: (\S+)", low=0.05, high=0.2, wants=("HW201",)),
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
    Run("scratch_sgd.py 300", r"loss over all: (\S+)", high=1.5, seen=False),
    Run(
        "homework_wine.py 30",
        r"accuracy (\S+)",
        low=0.2,
        high=0.5,
        needs=("sklearn",),
        wants=("HW603", "HW605"),
        may=("HW301", "HW302", "HW602"),
    ),
    Run("threads_sweep.py --steps 60", r"rate 0.1: loss (\S+)", high=0.1),
]


@dataclass(frozen=True)
class Outcome:
    """What came of a script both ways.

    Attributes:
        codes: of findings that are more than information.
        slower: wall time under watch over that without, start and report included.
        faults: what differs, or is not as a person would expect.
    """

    run: Run
    steps: int
    codes: tuple[str, ...]
    slower: float
    faults: tuple[str, ...]


def main() -> int:
    """Runs all scripts and writes the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="only commands that hold this word; no page")
    args = parser.parse_args()
    outcomes: list[Outcome] = []
    for run in RUNS:
        if args.only in run.command:
            outcomes.append(tried(run))
            print(f"{run.command}: {', '.join(outcomes[-1].faults) or 'ok'}", file=sys.stderr, flush=True)
    rows = [
        (
            f"`{outcome.run.command.replace('{port} ', '')}`",
            outcome.run.code,
            outcome.steps,
            ", ".join(outcome.codes) or ("healthy" if outcome.steps else "none: it steps no optimizer"),
            f"{outcome.slower:.1f}",
            "; ".join(outcome.faults) or "yes",
        )
        for outcome in outcomes
    ]
    table = markdown(("script", "exit code", "steps seen", "verdict", "wall time, times plain", "as expected"), rows)
    right = sum(not outcome.faults for outcome in outcomes)
    told = (
        f"{right} of {len(outcomes)} as expected: the same exit code, the same output, and a verdict that a person who "
        "knows the field would give (examples/README.md). The scripts are short, so that their wall time is mostly "
        "start-up, the first probes and the report."
    )
    if args.only:
        print(table)
    else:
        write("scripts", "`headwater run` on scripts that do not know it", "python -m benchmarks.scripts", told, table)
    return int(right < len(outcomes))


def tried(run: Run) -> Outcome:
    """Runs a script both ways."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        record = folder / "run"
        begin = time.perf_counter()
        plain = called(run, command(run), folder)
        middle = time.perf_counter()
        watched = called(run, command(run, record), folder)
        end = time.perf_counter()
        info = json.loads((record / "run.json").read_text()) if (record / "run.json").exists() else {}
        told = Path(f"{record}.json")
        report = json.loads(told.read_text()) if told.exists() else {}
    found = [finding for finding in report.get("findings", []) if finding["severity"] != "info"]
    codes = tuple(dict.fromkeys(finding["code"] for finding in found))
    steps = int(info.get("steps", 0))
    found = faults(run, plain, watched, codes)
    if run.seen != (steps > 0 and bool(report)):
        found = (*found, "it steps no optimizer, and was judged" if steps else "nothing was seen of it")
    return Outcome(run, steps, codes, (end - middle) / (middle - begin), found)


def faults(
    run: Run, plain: subprocess.CompletedProcess[str], watched: subprocess.CompletedProcess[str], codes: Sequence[str]
) -> tuple[str, ...]:
    """Says what differs and what is not as expected."""
    found: list[str] = []
    if plain.returncode != run.code:
        found.append(f"by itself it left with {plain.returncode}, not {run.code}")
    if watched.returncode != run.code:
        found.append(f"watched it left with {watched.returncode}, not {run.code}")
    before, after = timeless(plain.stdout), timeless(watched.stdout)
    if not after.startswith(before) and LAUNCHER not in run.command:  # two processes print in any order
        found.append("the output differs")
    if missing := set(run.wants) - set(codes):
        found.append(f"not found: {', '.join(sorted(missing))}")
    if surplus := set(codes) - set(run.wants) - set(run.may):
        found.append(f"not expected: {', '.join(sorted(surplus))}")
    return tuple(found)


def timeless(text: str) -> str:
    """The output without durations and throughputs."""
    text = re.sub(r"'\w*(runtime|per_second)': '?[\d.]+'?", "", text)
    return re.sub(r"\d+(\.\d+)?\s*(s|ms|sec|seconds|it/s|samples/s)\b", "", text)


def command(run: Run, record: Path | None = None) -> list[str]:
    """The command line, plain or under `headwater run` with its run recorded in a folder."""
    words = run.command.format(port=f"--master-addr 127.0.0.1 --master-port {free_port()}").split()
    if record is None:
        return [sys.executable, *words]
    ours = ["-m", "headwater", "run", "--run-dir", str(record), "--json", str(record) + ".json"]
    at = next(i for i, word in enumerate(words) if word.endswith(".py") or word == "package_style")
    launcher, script = (words[:at], words[at:]) if LAUNCHER in run.command else ([], words)
    return [sys.executable, *launcher, *ours, *script]


def called(run: Run, words: Sequence[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs a command line in the folder of the examples."""
    environment = os.environ | ENVIRONMENT | run.environment
    environment |= {"PYTHONPATH": os.pathsep.join(PATHS), "TMPDIR": str(folder)}
    return subprocess.run(
        words, input=run.stdin, capture_output=True, text=True, cwd=EXAMPLES, env=environment, timeout=400
    )


def free_port() -> int:
    """A port of the loopback address that nobody listens on."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


if __name__ == "__main__":
    sys.exit(main())
