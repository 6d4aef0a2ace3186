"""``headwater run`` on the scripts of examples/, which know nothing of it, and ``headwater report`` on its runs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from headwater.store import list_runs, open_run
from tests.ranks import aborted_at_exit

ROOT = Path(__file__).parent.parent
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
PATHS = [str(ROOT / "src"), str(ROOT / "tests" / "without_cuda")]

SIGMOID = """
import sys, torch
from torch import nn
torch.set_num_threads(1)
torch.manual_seed(0)
layers = [part for _ in range(12) for part in (nn.Linear(16, 16), nn.Sigmoid())]
net = nn.Sequential(*layers, nn.Linear(16, 3))
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
for step in range(int(sys.argv[1]) if len(sys.argv) > 1 else 30):
    x = torch.randn(64, 16)
    loss = nn.functional.cross_entropy(net(x), x[:, :3].argmax(1))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print("last loss", round(loss.item(), 4))
"""


def headwater(*arguments: str, cwd: Path, **options: object) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **ENVIRONMENT, "PYTHONPATH": os.pathsep.join(PATHS)}
    command = [sys.executable, "-m", "headwater", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment, timeout=200, **options)  # type: ignore[call-overload]


@pytest.fixture
def sigmoid(tmp_path: Path) -> Path:
    script = tmp_path / "train.py"
    script.write_text(SIGMOID)
    return script


def test_a_broken_script_is_diagnosed_recorded_and_reported(sigmoid: Path) -> None:
    folder = sigmoid.parent
    plain = subprocess.run([sys.executable, "train.py"], capture_output=True, text=True, cwd=folder, check=True)
    done = headwater("run", "--sarif", "found.sarif", "--github", "train.py", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(plain.stdout)  # trained to the same loss
    assert "HW101" in done.stdout and "train.py:6" in done.stdout
    assert "::error file=train.py,line=11,title=HW101" in done.stdout
    result = json.loads((folder / "found.sarif").read_text())["runs"][0]["results"][0]
    assert result["ruleId"] == "HW101" and result["level"] == "error"
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "train.py"
    run = open_run(folder / "runs" / "train")
    assert run.info.status == "finished" and run.info.steps == 30 and run.info.command[0].endswith("train.py")
    assert run.table(layer="")["loss"].to_pylist()[-1] == pytest.approx(float(plain.stdout.split()[-1]), abs=1e-4)
    assert (folder / "runs" / "train" / "report.html").stat().st_size > 10_000
    again = headwater("report", "runs/train", "--json", "--fail-on", "error", cwd=folder)
    assert again.returncode == 1 and json.loads(again.stdout)["findings"][0]["code"] == "HW101"


def test_steps_and_fail_on_and_a_name_that_is_taken(sigmoid: Path) -> None:
    folder = sigmoid.parent
    for name in ("train", "train-2"):
        done = headwater("run", "--steps", "10", "--fail-on", "error", "train.py", "100000", cwd=folder)
        assert done.returncode == 1 and "last loss" not in done.stdout
        assert open_run(folder / "runs" / name).info.steps == 10
    assert list_runs(folder / "runs") == ["train", "train-2"]


def test_older_runs_are_deleted_where_that_is_asked(sigmoid: Path) -> None:
    for keep in ((), (), ("--keep", "2")):
        done = headwater("run", *keep, "train.py", "3", cwd=sigmoid.parent)
        assert done.returncode == 0, done.stderr
    assert "deleted: train\n" in done.stderr
    assert sorted(list_runs(sigmoid.parent / "runs")) == ["train-2", "train-3"]
    assert open_run(sigmoid.parent / "runs" / "train-3").info.steps == 3


def test_steps_that_threads_take_end_all_of_them_and_the_script(sigmoid: Path) -> None:
    train = "\n".join("    " + line for line in SIGMOID.splitlines())
    start = "import threading\nthreads = [threading.Thread(target=train) for _ in range(2)]\n"
    start += "for each in threads: each.start()\nfor each in threads: each.join()\nprint('goes on')"
    sigmoid.write_text(f"def train():\n{train}\n{start}")
    done = headwater("run", "--steps", "40", "--no-record", "train.py", "10000000", cwd=sigmoid.parent)
    assert done.returncode == 0 and "HW101" in done.stdout
    assert "goes on" not in done.stdout and "last loss" not in done.stdout
    assert "Traceback" not in done.stderr and "Exception" not in done.stderr, done.stderr


@pytest.mark.parametrize(
    ("sent", "code", "status"),
    [(signal.SIGINT, -2, "interrupted"), (signal.SIGTERM, -15, "interrupted"), (signal.SIGKILL, -9, "running")],
)
def test_signals(sigmoid: Path, sent: signal.Signals, code: int, status: str) -> None:
    environment = {**os.environ, **ENVIRONMENT, "PYTHONPATH": PATHS[0]}
    command = [sys.executable, "-m", "headwater", "run", "train.py", "1000000"]
    child = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=sigmoid.parent,
        env=environment,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # a background job ignores it
    )
    findings = sigmoid.parent / "runs" / "train" / "findings.jsonl"
    for _ in range(600):
        if findings.exists():
            break
        time.sleep(0.1)
    child.send_signal(sent)
    out, err = child.communicate(timeout=60)
    assert child.returncode == code
    run = open_run(sigmoid.parent / "runs" / "train")
    assert run.info.status == status
    assert run.events()[0].finding.code == "HW101"
    assert ("HW101" in out) == (status == "interrupted")
    assert (f"The script was interrupted by {sent.name} at " in err) == (status == "interrupted")
    assert ("KeyboardInterrupt" in err) == (sent is signal.SIGINT)


def test_a_folder_that_takes_no_run_costs_the_record_and_not_the_report(sigmoid: Path) -> None:
    (sigmoid.parent / "runs").write_text("in the way")
    done = headwater("run", "train.py", cwd=sigmoid.parent)
    assert done.returncode == 0 and "HW101" in done.stdout
    assert done.stderr.count("This training is watched and not recorded.") == 1
    assert "Traceback" not in done.stderr and "written" not in done.stderr


def test_what_is_written_lies_where_the_command_was_given_wherever_the_script_goes(sigmoid: Path) -> None:
    folder = sigmoid.parent
    (folder / "elsewhere").mkdir()
    sigmoid.write_text("import os; os.chdir('elsewhere')" + SIGMOID)
    asked = ["--html", "a.html", "--json", "a.json", "--sarif", "a.sarif", "--github"]
    done = headwater("run", *asked, "train.py", cwd=folder)
    assert done.returncode == 0 and "::error file=train.py,line=11," in done.stdout, done.stderr
    assert not list((folder / "elsewhere").iterdir())
    run = folder / "runs" / "train"
    assert open_run(run).info.status == "finished" and (run / "report.html").exists()
    assert (folder / "a.html").exists() and json.loads((folder / "a.json").read_text())["findings"]
    found = json.loads((folder / "a.sarif").read_text())["runs"][0]["results"][0]
    assert found["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "train.py"


def test_a_run_goes_to_a_url_as_it_is_given(sigmoid: Path) -> None:
    check = "import fsspec; print(fsspec.filesystem('memory').exists('/there/run.json'))"
    sigmoid.write_text("\n".join((SIGMOID, check)))
    done = headwater("run", "--run-dir", "memory://there", "train.py", cwd=sigmoid.parent)
    assert "True" in done.stdout and "could not write" not in done.stderr, done.stderr


@pytest.mark.parametrize(("ending", "code"), [("", 2), ("sys.exit(3)", 3)])
def test_a_page_that_cannot_be_written_any_more_is_told_and_the_scripts_code_is_kept(
    sigmoid: Path, ending: str, code: int
) -> None:
    inside = "for page in ('asked.html', 'runs/train/report.html'): __import__('pathlib').Path(page).mkdir()"
    sigmoid.write_text("\n".join((SIGMOID, inside, ending)))
    done = headwater("run", "--html", "asked.html", "--json", "asked.json", "train.py", cwd=sigmoid.parent)
    assert done.returncode == code and "Traceback" not in done.stderr
    told = "".join(done.stderr.split())  # lines are wrapped
    for page in ("asked.html", "runs/train/report.html"):
        assert f"couldnotwrite{sigmoid.parent / page}:" in told
    assert json.loads((sigmoid.parent / "asked.json").read_text())["findings"]


def test_a_script_that_never_trains_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "x.py").write_text("import torch\nprint(torch.ones(2).sum())")
    done = headwater("run", "x.py", cwd=tmp_path)
    assert done.returncode == 0 and done.stdout == "tensor(2.)\n"
    assert "no step of an optimizer" in done.stderr
    assert not (tmp_path / "runs").exists()


NOT_HEARD = {
    "several tensors": "a, b = net(x).sum(), net(-x).sum(); optimizer.zero_grad(); torch.autograd.backward([a, b])",
    "set by hand": "for p, g in zip(net.parameters(), torch.autograd.grad(net(x).sum(), net.parameters())): p.grad = g",
}


@pytest.mark.parametrize("name", NOT_HEARD)
def test_gradients_that_are_not_heard_are_named(tmp_path: Path, name: str) -> None:
    head = "import torch\nnet, x = torch.nn.Linear(4, 1), torch.randn(8, 4)\n"
    loop = f"optimizer = torch.optim.SGD(net.parameters(), 0.1)\nfor step in range(5):\n    {NOT_HEARD[name]}\n"
    (tmp_path / "x.py").write_text(f"{head}{loop}    optimizer.step()")
    done = headwater("run", "--no-record", "x.py", cwd=tmp_path)
    assert done.returncode == 0 and "Traceback" not in done.stderr
    assert "5 optimizer steps were seen" in done.stderr and name in done.stderr and "recorded" not in done.stderr


def test_a_crash_is_told_at_the_end_with_its_line(sigmoid: Path) -> None:
    sigmoid.write_text(SIGMOID + "raise RuntimeError('mine')")
    done = headwater("run", "--no-record", "train.py", cwd=sigmoid.parent)
    assert done.returncode == 1 and "HW101" in done.stdout
    assert done.stderr.splitlines()[-1].startswith("The script crashed at train.py:16, after 30 optimizer steps; ")


EXAMPLES = {
    "deep_sigmoid.py --epochs 2": "HW101",
    "gan_ring.py --steps 60": "",
    "char_rnn_tbptt.py 30": "",
    "raises_at_step_20.py": "",
    "threads_sweep.py --steps 40": "",
}


@pytest.mark.parametrize("command", EXAMPLES)
def test_examples(tmp_path: Path, command: str) -> None:
    script, *arguments = command.split()
    done = headwater(
        "run", "--fail-on", "warning", "--no-record", str(ROOT / "examples" / script), *arguments, cwd=tmp_path
    )
    assert "Headwater no longer watches" not in done.stderr, done.stderr
    assert done.returncode == (1 if EXAMPLES[command] or "raises" in command else 0), done.stdout + done.stderr
    assert EXAMPLES[command] in done.stdout and "optimizer steps seen" in done.stderr


@aborted_at_exit
def test_two_processes_of_torchrun_write_one_run(tmp_path: Path) -> None:
    environment = {**os.environ, **ENVIRONMENT, "PYTHONPATH": os.pathsep.join(PATHS)}
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "29617"]
    command += ["-m", "headwater", "run", "--run-dir", "run", str(ROOT / "examples" / "ddp_train.py"), "--epochs=1"]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr
    run = open_run(tmp_path / "run")
    assert run.info.world_size == 2 and set(run.table(["rank"])["rank"].to_pylist()) == {0, 1}
    assert done.stdout.count("Healthy") == 1
