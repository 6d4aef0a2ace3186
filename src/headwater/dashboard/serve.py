"""The server in this process: uvicorn, which is imported here and in no other file."""

from __future__ import annotations

import ipaddress
import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headwater.dashboard.beside import Beside
from headwater.dashboard.shelf import Shelf
from headwater.errors import InputError, MissingDependencyError

PORT = 8321
"""The first that is tried; the next nine follow, then any that is free."""
_TRIED = 10


@dataclass(frozen=True)
class Dashboard:
    """A server that listens already.

    Attributes:
        address: what to open in a browser, with the token where one is needed.
        run: serves until it is interrupted; calls what it is given as soon as it answers.
    """

    address: str
    run: Callable[[Callable[[], None]], None]


def dashboard(
    runs: str | Path, *, host: str = "127.0.0.1", port: int | None = None, beside: int | None = None
) -> Dashboard:
    """Prepares to serve a folder of runs, or one run.

    Args:
        runs: the folder.
        host: address to listen at. For any but this machine's own a token is asked for, which stands in the address.
        port: to listen at; ``None``: 8321, or one that is free.
        beside: process of a training, after which the server ends when nobody looks on; ``None``: it serves on.

    Raises:
        MissingDependencyError: the extra ``ui`` is not installed.
        StoreError: there is no such folder.
        InputError: nothing can listen there.
    """
    uvicorn = _uvicorn()
    from headwater.dashboard.app import application

    shelf = Shelf(runs)
    listening = _listening(host, port)
    token = None if _is_loopback(host) else secrets.token_urlsafe(32)
    hosts = frozenset({host.lower(), socket.gethostname().lower()} if token else ())
    app = application(shelf, hosts=hosts, token=token)
    guest = None if beside is None else Beside(app, beside)
    number = listening.getsockname()[1]
    shown = {"0.0.0.0": socket.gethostname(), "::": socket.gethostname()}.get(
        host, f"[{host}]" if ":" in host else host
    )
    address = f"http://{shown}:{number}/" + (f"?token={token}" if token else "")

    def run(ready: Callable[[], None]) -> None:
        # no access log: the first address of a browser holds the token
        config = uvicorn.Config(
            guest or app,
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=1,
            ws="none",
        )
        server = _server(uvicorn, config, ready)
        if guest is not None:
            guest.watch(lambda: setattr(server, "should_exit", True))
        server.run(sockets=[listening])

    return Dashboard(address, run)


def _server(uvicorn: Any, config: Any, ready: Callable[[], None]) -> Any:
    """Uvicorn's server, which tells when it answers."""
    server = uvicorn.Server(config)
    startup = server.startup

    async def started(sockets: Any = None) -> None:
        await startup(sockets=sockets)
        ready()

    server.startup = started
    return server


def _listening(host: str, port: int | None) -> socket.socket:
    wanted = [port] if port is not None else [*range(PORT, PORT + _TRIED), 0]
    problem: OSError | None = None
    for each in wanted:
        try:
            return _bound(host, each)
        except OSError as error:
            problem = error
    raise InputError(f"Nothing can listen at {host} port {wanted[0]}: {problem}. Give another --host or --port.")


def _bound(host: str, port: int) -> socket.socket:
    family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
    # said to be TCP: else asyncio leaves Nagle's algorithm on, and each answer waits 40 ms for a delayed ACK
    made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, port))
        made.listen()  # at once: until somebody listens, another server may bind the same port, and would fail later
    except OSError:
        made.close()
        raise
    return made


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _uvicorn() -> Any:
    try:
        import uvicorn
    except ImportError as error:
        raise MissingDependencyError(
            "The dashboard needs uvicorn, which is not installed: pip install 'headwater[ui]'"
        ) from error
    return uvicorn
