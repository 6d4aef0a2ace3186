"""Who may ask: nobody from another site, nobody who was not told the token, and only for reading.

A page on the internet can make the reader's browser ask this server. Three things keep it out, each of which would do:

- It cannot read an answer: no CORS header is ever sent, and the answers say that they are for this origin only.
- A request that another site caused says so (``Sec-Fetch-Site``, ``Origin``), and is refused.
- A name of the attacker's that suddenly leads to this machine (DNS rebinding) stands in ``Host``, and is refused: only
  names of this machine and addresses are answered.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlencode

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

COOKIE, PARAMETER = "headwater-token", "token"
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}


@dataclass(frozen=True)
class Guard:
    """Stands before the application.

    Attributes:
        app: what it guards.
        hosts: names under which this machine may be asked, besides its addresses and ``localhost``.
        token: what must be known; ``None``: nothing, for a server that only this machine can reach.
    """

    app: App
    hosts: frozenset[str] = frozenset()
    token: str | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request, as ASGI has it."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send) if scope["type"] == "lifespan" else None
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        guarded = _with_headers(send)
        if refusal := self._refusal(scope, headers):
            return await _answer(guarded, *refusal)
        given = parse_qs(scope["query_string"].decode("latin-1")).get(PARAMETER, [""])[0]
        if self.token is not None and given and scope["path"] == "/" and _same(given, self.token):
            cookie = f"{cookie_name(self.token)}={self.token}; HttpOnly; SameSite=Strict; Path=/"
            return await _answer(guarded, 303, "", {"location": _without_token(scope), "set-cookie": cookie})
        if self.token is not None and not _knows(headers, self.token):
            return await _answer(guarded, 401, "The token is missing or wrong: open the address that was printed.")
        await self.app(scope, receive, guarded)

    def _refusal(self, scope: Scope, headers: Mapping[str, str]) -> tuple[int, str] | None:
        if scope["method"] not in ("GET", "HEAD"):
            return 405, "This server is read only."
        if not _is_ours(headers.get("host", ""), self.hosts, any_address=self.token is not None):
            return 421, "This server does not answer under that name. Use its address, or localhost."
        origin = headers.get("origin")
        if origin is not None and origin.rpartition("//")[2].lower() != headers.get("host", "").lower():
            return 403, "A page of another site asked; this server answers its own page only."
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin") and not _opens_page(scope, headers):
            return 403, "A page of another site asked; this server answers its own page only."
        return None


def cookie_name(token: str) -> str:
    """Of the cookie that holds it. A browser sends cookies to all ports of a machine: each server has its own name."""
    return f"{COOKIE}-{hashlib.sha256(token.encode()).hexdigest()[:8]}"


def _opens_page(scope: Scope, headers: Mapping[str, str]) -> bool:
    """Whether a link elsewhere was followed to the page, in a window of its own: that shows nothing to anyone."""
    return (
        scope["path"] == "/"
        and headers.get("sec-fetch-mode") == "navigate"
        and headers.get("sec-fetch-dest") == "document"
    )


def _is_ours(host: str, hosts: frozenset[str], *, any_address: bool) -> bool:
    """Whether this is a name of this machine. No address can be rebound; without a token only loopback ones count."""
    name, _, port = host.rpartition(":") if not host.endswith("]") and ":" in host else (host, "", "0")
    name = name.lower().removesuffix(".")
    if not port.isdigit():
        return False
    if name == "localhost" or name in hosts:
        return True
    try:
        address = ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return any_address or address.is_loopback


def _knows(headers: Mapping[str, str], token: str) -> bool:
    if _same(headers.get("authorization", "").removeprefix("Bearer "), token):
        return True
    cookies = [pair.strip().partition("=") for pair in headers.get("cookie", "").split(";")]
    return any(name == cookie_name(token) and _same(value, token) for name, _, value in cookies)


def _same(given: str, token: str) -> bool:
    return hmac.compare_digest(given.encode(), token.encode())


def _without_token(scope: Scope) -> str:
    rest = {k: v for k, v in parse_qs(scope["query_string"].decode("latin-1")).items() if k != PARAMETER}
    return "/" + (f"?{urlencode(rest, doseq=True)}" if rest else "")


def _with_headers(send: Send) -> Send:
    async def guarded(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            given = [(name, value) for name, value in message.get("headers", []) if name.lower() != b"server"]
            known = {name.lower() for name, _ in given}
            ours = [(name.encode(), value.encode()) for name, value in _HEADERS.items() if name.encode() not in known]
            message = {**message, "headers": [*given, *ours]}
        await send(message)

    return guarded


async def _answer(send: Send, status: int, sentence: str, headers: Mapping[str, str] | None = None) -> None:
    body = json.dumps({"error": sentence}).encode() if sentence else b""
    fields = {"content-type": "application/json", "content-length": str(len(body)), "cache-control": "no-store"}
    sent = [(name.encode(), value.encode("latin-1")) for name, value in (fields | dict(headers or {})).items()]
    await send({"type": "http.response.start", "status": status, "headers": sent})
    await send({"type": "http.response.body", "body": body})
