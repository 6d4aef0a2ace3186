"""The addresses of the server, and what each answers. Starlette is imported here and in no other file."""

from __future__ import annotations

import hashlib
import logging
import mimetypes
from collections.abc import AsyncGenerator, Callable
from typing import Any

import msgspec

from headwater.dashboard.guard import App, Guard
from headwater.dashboard.listing import brief, listing, reports
from headwater.dashboard.shelf import NoSuchRunError, Shelf
from headwater.dashboard.stream import changes, mark
from headwater.errors import HeadwaterError, InputError, MissingDependencyError, StoreError
from headwater.report.page import ASSETS, asset, fix_of_run, overview
from headwater.store import StoredRun
from headwater.store.rows import history, outline, series
from headwater.store.rows.duck import warm

try:
    from starlette.applications import Starlette
    from starlette.exceptions import HTTPException
    from starlette.requests import Request
    from starlette.responses import Response, StreamingResponse
    from starlette.routing import Route
except ImportError as missing:
    raise MissingDependencyError(
        "The dashboard needs packages that are not installed: pip install 'headwater[ui]'"
    ) from missing

log = logging.getLogger("headwater")

STREAMS = 64
"""That may be open at a time."""


def application(shelf: Shelf, *, hosts: frozenset[str] = frozenset(), token: str | None = None) -> App:
    """Returns the guarded application.

    Args:
        shelf: the runs that it shows.
        hosts: names under which this machine may be asked, besides its addresses and ``localhost``.
        token: what must be known; ``None``: nothing.
    """
    warm(str(shelf.root))
    served = _Served(shelf)
    routes = [
        Route("/", served.page),
        Route("/assets/{name:path}", served.asset),
        Route("/api/runs", served.runs),
        Route("/api/runs/{id}", served.run),
        Route("/api/runs/{id}/history", served.history),
        Route("/api/runs/{id}/series", served.series),
        Route("/api/runs/{id}/stream", served.stream),
    ]
    handlers: dict[Any, Callable[[Request, Any], Response]] = {
        HeadwaterError: _told,
        HTTPException: _not_there,
        500: _failed,
    }
    return Guard(Starlette(routes=routes, exception_handlers=handlers), hosts, token)


class _Served:
    """The answers. Those that are no coroutines run in threads."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._streams = 0

    def page(self, request: Request) -> Response:
        return _file("index.html", request)

    def asset(self, request: Request) -> Response:
        return _file(request.path_params["name"], request)

    def runs(self, request: Request) -> Response:
        asked = request.query_params
        limit, offset = _number(request, "limit"), _number(request, "offset")
        return _json(listing(self._shelf, asked.get("search", ""), 200 if limit is None else limit, offset or 0))

    def run(self, request: Request) -> Response:
        name = request.path_params["id"]
        known = mark(self._shelf.folder(name))  # before anything is read: what comes meanwhile is news
        run = self._shelf.open(name)
        found, about = outline(run), brief(name, run)
        drawn = overview(reports(run), run, fix_of_run(run))
        told = {"id": name, "mark": known, "status": about["status"], "live": about["live"], "tracks": found.tracks}
        told |= {"layers": found.layers, "first_step": found.first_step, "last_step": found.last_step}
        return _json(drawn | told | {"notes": run.notes})

    def history(self, request: Request) -> Response:
        _, run = self._opened(request)
        asked = request.query_params
        size = {key: value for key in ("width", "height") if (value := _number(request, key)) is not None}
        span = {key: _number(request, key) for key in ("first", "last")}
        return _json(history(run, asked.get("statistic", "grad_norm"), asked.get("track", ""), **span, **size))

    def series(self, request: Request) -> Response:
        _, run = self._opened(request)
        asked = request.query_params
        names = [name for name in asked.get("statistics", "loss").split(",") if name]
        size = {key: value for key in ("points",) if (value := _number(request, key)) is not None}
        span = {key: _number(request, key) for key in ("first", "last")}
        return _json(series(run, asked.get("layer", ""), names, asked.get("track", ""), **span, **size))

    async def stream(self, request: Request) -> Response:
        name = request.path_params["id"]
        self._shelf.folder(name)
        if self._streams >= STREAMS:
            return _error(503, "Too many windows follow runs at a time; close some.")

        async def followed() -> AsyncGenerator[str]:
            self._streams += 1
            try:
                async for event in changes(self._shelf, name, request.query_params.get("since", "")):
                    yield event
            finally:
                self._streams -= 1

        return StreamingResponse(followed(), media_type="text/event-stream", headers={"cache-control": "no-store"})

    def _opened(self, request: Request) -> tuple[str, StoredRun]:
        name = request.path_params["id"]
        return name, self._shelf.open(name)


def _number(request: Request, name: str) -> int | None:
    text = request.query_params.get(name)
    if not text:
        return None
    try:
        value = int(text[:20])
    except ValueError as error:
        raise InputError(f"Expected {name} as a whole number, got {text[:80]!r}.") from error
    return max(-(1 << 53), min(value, 1 << 53))


def _file(name: str, request: Request) -> Response:
    if name not in ASSETS:
        return _error(404, "There is no such file.")
    data = asset(name)
    tag = f'"{hashlib.sha256(data).hexdigest()[:32]}"'
    headers = {"etag": tag, "cache-control": "no-cache"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    kind = "text/javascript" if name.endswith((".js", ".mjs")) else mimetypes.guess_type(name)[0]
    return Response(data, media_type=kind or "application/octet-stream", headers=headers)


def _json(data: Any) -> Response:
    return Response(msgspec.json.encode(data), media_type="application/json", headers={"cache-control": "no-store"})


def _error(status: int, sentence: str) -> Response:
    return Response(msgspec.json.encode({"error": sentence}), status, media_type="application/json")


def _told(request: Request, error: HeadwaterError) -> Response:
    kinds: list[tuple[type[HeadwaterError], int]] = [
        (NoSuchRunError, 404), (InputError, 400), (MissingDependencyError, 501), (StoreError, 422),
    ]  # fmt: skip
    return _error(next((status for kind, status in kinds if isinstance(error, kind)), 500), str(error)[:1000])


def _not_there(request: Request, error: HTTPException) -> Response:
    return _error(error.status_code, "There is nothing at this address.")


def _failed(request: Request, error: Exception) -> Response:
    log.error("The dashboard failed at %s", request.url.path, exc_info=error)
    return _error(500, "Headwater failed here; the terminal in which it runs says more.")
