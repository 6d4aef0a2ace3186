"""A dashboard in a process of its own, and one who asks it: what the benchmarks of the server share."""

from __future__ import annotations

import http.client
import json
import re
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

ADDRESS = re.compile(r"The dashboard is at http://[^:/]+:(\d+)/")


class Asker:
    """Asks one server over one connection, as a browser does."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)

    def ask(self, path: str) -> tuple[Any, float]:
        """The answer, and the seconds until it was there whole."""
        begin = time.perf_counter()
        try:
            self._connection.request("GET", path)
            answer = self._connection.getresponse()
        except ConnectionError:  # it was idle for so long that the server has closed it
            self._connection.close()
            self._connection.request("GET", path)
            answer = self._connection.getresponse()
        data = answer.read()
        took = time.perf_counter() - begin
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status} {data[:300]!r}")
        is_json = answer.headers["content-type"] == "application/json"
        return json.loads(data) if is_json else data, took

    def lines(self, path: str) -> Iterator[bytes]:
        """The lines of an answer that does not end."""
        self._connection.request("GET", path)
        answer = self._connection.getresponse()
        while line := answer.readline():
            yield line


@contextmanager
def served(root: Path) -> Generator[tuple[Asker, psutil.Process]]:
    """A server over a folder of runs, just started."""
    command = [sys.executable, "-m", "headwater", "ui", str(root), "--no-browser", "--port", "0"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        found = ADDRESS.match(process.stderr.readline())
        assert found is not None
        yield Asker(int(found[1])), psutil.Process(process.pid)
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def peak(process: psutil.Process) -> float:
    """Largest resident memory of a process so far, MB: the kernel's own account, where it keeps one."""
    try:
        status = Path(f"/proc/{process.pid}/status").read_text()
    except OSError:
        return process.memory_info().rss / 1e6
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) * 1024 / 1e6
