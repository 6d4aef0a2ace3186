"""The real server on a loopback port: started by the command line, asked through a socket, ended by Ctrl-C."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest

from headwater.dashboard.beside import LINGERS, Beside
from headwater.dashboard.guard import cookie_name
from headwater.dashboard.serve import _listening
from tests.dashboard import test_stream
from tests.dashboard.served import made
from tests.store.test_writer import rows

ADDRESS = re.compile(r"The dashboard is at http://([^:/]+):(\d+)/(?:\?token=(\S+))?")


@contextmanager
def served(root: Path, *options: str) -> Generator[tuple[str, int, str | None]]:
    """Host, port and token of a server over a folder."""
    command = [sys.executable, "-m", "headwater", "ui", str(root), "--no-browser", "--port", "0", *options]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    assert process.stderr is not None
    try:
        said = process.stderr.readline()
        found = ADDRESS.match(said)
        assert found, said + process.stderr.read()
        yield found[1], int(found[2]), found[3]
        process.send_signal(signal.SIGINT)
        assert process.wait(20) in (0, 130, -signal.SIGINT)
        assert "Traceback" not in process.stderr.read()
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def raw(port: int, request: str) -> bytes:
    """What the server answers to exactly these bytes."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(request.encode("latin-1"))
        answer = b""
        while part := connection.recv(65536):
            answer += part
        return answer


def get(port: int, path: str, host: str = "localhost") -> bytes:
    return raw(port, f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")


def test_a_browser_of_this_machine_is_answered_and_no_other(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("the-secret")
    made(tmp_path / "runs" / "x")
    with served(tmp_path / "runs") as (host, port, token):
        assert (host, token) == ("127.0.0.1", None)
        with urlopen(f"http://127.0.0.1:{port}/api/runs/x/history?width=5", timeout=20) as answer:
            assert json.load(answer)["layers"]
        assert b" 421 " in get(port, "/api/runs", host="evil.example").splitlines()[0]
        for path in ("/../secret.txt", "/assets/../../secret.txt", "/api/runs/../../secret.txt", "//secret.txt",
                     "/assets/%2e%2e/%2e%2e/secret.txt", "/api/runs/%2e%2e", "/assets/..%5c..%5csecret.txt",
                     "http://evil.example/api/runs"):  # fmt: skip
            answered = get(port, path)
            assert b" 404 " in answered.splitlines()[0] and b"the-secret" not in answered, path
        assert b" 400 " in raw(port, "GET / HTTP/1.1\r\n\r\n").splitlines()[0]
        assert b" 400 " in raw(port, "nonsense\r\n\r\n").splitlines()[0]


def test_servers_that_start_at_once_get_ports_of_their_own(tmp_path: Path) -> None:
    sockets = [_listening("127.0.0.1", None) for _ in range(2)]
    try:
        assert len({each.getsockname()[1] for each in sockets}) == 2
    finally:
        for each in sockets:
            each.close()


def test_a_run_that_goes_on_is_followed(tmp_path: Path) -> None:
    one = test_stream.alive(tmp_path / "x")
    with served(tmp_path) as (_, port, _), socket.create_connection(("127.0.0.1", port), timeout=20) as stream:
        stream.sendall(b"GET /api/runs/x/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        seen = b""
        while b'"last_step": 19' not in seen:
            seen += stream.recv(65536)
        assert b"text/event-stream" in seen
        one.append(rows(20, 5))
        one.flush()
        while b'"last_step": 24' not in seen:
            seen += stream.recv(65536)


def test_at_any_other_address_a_token_is_asked_for(tmp_path: Path) -> None:
    made(tmp_path / "x")
    with served(tmp_path, "--host", "0.0.0.0") as (_, port, token):
        assert token is not None and len(token) > 30
        assert b" 401 " in get(port, "/api/runs").splitlines()[0]
        entered = get(port, f"/?token={token}")
        assert b" 303 " in entered.splitlines()[0] and b"HttpOnly" in entered
        head = "GET /api/runs HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        cookie = f"{head}Cookie: {cookie_name(token)}={token}\r\n\r\n"
        assert b" 200 " in raw(port, cookie).splitlines()[0]


def test_what_cannot_be_served_is_said(tmp_path: Path) -> None:
    def ui(*arguments: str) -> str:
        command = [sys.executable, "-m", "headwater", "ui", "--no-browser", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path)
        assert done.returncode == 2 and "Traceback" not in done.stderr
        return done.stderr

    assert "headwater run train.py" in ui()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert "--port" in ui(str(tmp_path), "--port", str(taken.getsockname()[1]))
    assert "--host" in ui(str(tmp_path), "--host", "no.such.host.invalid")


def test_beside_a_training_the_server_stays_while_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio
    import os

    now, parent = [0.0], [7]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(os, "getppid", lambda: parent[0])
    during: list[bool] = []

    async def app(scope: object, receive: object, send: object) -> None:
        now[0] += 1000.0
        during.append(beside.needed)

    beside = Beside(app, 7)  # type: ignore[arg-type]
    now[0] = 1000.0
    assert beside.needed  # the training goes on
    parent[0] = 1
    assert not beside.needed
    asyncio.run(beside({"type": "http"}, None, None))  # type: ignore[arg-type]
    assert during == [True] and beside.needed  # somebody looked a moment ago
    now[0] += 0.9 * LINGERS
    assert beside.needed  # a page that nobody sees asks at least once a minute
    now[0] += 0.2 * LINGERS
    assert not beside.needed
