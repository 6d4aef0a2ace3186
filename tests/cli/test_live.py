"""``headwater run --live``: a user's training, followed through the dashboard that it starts."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import urlopen

import psutil
import pytest

from headwater.cli import live
from headwater.cli.app import main
from headwater.errors import MissingDependencyError
from headwater.store import open_run

SCRIPT = """
import os, time
import torch

torch.set_num_threads(1)
model = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1))
optimizer = torch.optim.SGD(model.parameters(), 1e-3)
while not os.path.exists("stop"):
    optimizer.zero_grad()
    model(torch.randn(16, 8)).square().mean().backward()
    optimizer.step()
    time.sleep(0.004)
"""


def test_a_training_is_followed_while_it_runs_and_keeps_its_end(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(SCRIPT)
    command = [sys.executable, "-m", "headwater", "run", "--live", "train.py"]
    training = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    assert training.stderr is not None
    servers: list[psutil.Process] = []
    try:
        said = training.stderr.readline()
        found = re.match(r"The dashboard is at (http://127.0.0.1:(\d+)/)", said)
        assert found, said
        servers = psutil.Process(training.pid).children(recursive=True)
        deadline = time.monotonic() + 60
        while not (runs := json.load(urlopen(f"{found[1]}api/runs", timeout=20))["runs"]):
            assert time.monotonic() < deadline
            time.sleep(0.2)
        assert runs[0]["id"] == "train" and runs[0]["live"]
        with socket.create_connection(("127.0.0.1", int(found[2])), timeout=60) as stream:
            stream.sendall(b"GET /api/runs/train/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
            seen = b""
            while len(set(re.findall(rb'"last_step": (\d+)', seen))) < 4:  # far more often than every ten seconds
                seen += stream.recv(65536)
            assert time.monotonic() < deadline
        (tmp_path / "stop").touch()
        assert training.wait(60) == 0
        assert json.load(urlopen(f"{found[1]}api/runs", timeout=20))["runs"][0]["status"] == "finished"
    finally:
        training.kill()
        training.wait()
        for server in servers:
            server.kill()
        training.stderr.close()
    run = open_run(tmp_path / "runs" / "train")
    steps = run.table(["step", "parameter"], layer="").filter(
        ~__import__("pyarrow").compute.field("parameter").is_valid()
    )
    assert run.notes == [] and steps["step"].to_pylist() == sorted(set(steps["step"].to_pylist()))


def test_live_needs_a_run_on_disk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.py").write_text("")
    for options in (["--no-record"], ["--run-dir", "memory://x"]):
        with pytest.raises(SystemExit) as ended:
            main(["run", "--live", *options, str(tmp_path / "x.py")])
        assert ended.value.code == 2 and "local folder" in capsys.readouterr().err


def test_live_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "NEEDED", ("no_such_package_at_all",))
    with pytest.raises(MissingDependencyError, match=r"headwater\[ui\]"):
        live.start_beside(str(tmp_path / "x"))
