"""Who is answered: this machine's own page, and nobody that another site sends."""

from __future__ import annotations

from pathlib import Path

import pytest

from headwater.dashboard.guard import cookie_name
from tests.dashboard.served import client, made

EVERYWHERE = ["/", "/api/runs", "/api/runs/x", "/api/runs/x/history", "/api/runs/x/series", "/nothing"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made(tmp_path / "x")
    return tmp_path


@pytest.mark.parametrize("path", EVERYWHERE)
def test_every_answer_says_how_it_may_be_used(root: Path, path: str) -> None:
    answer = client(root).get(path)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "script-src 'self'" in policy and "frame-ancestors 'none'" in policy
    assert "unsafe-inline" not in policy.partition("script-src")[2].partition(";")[0] and "unsafe-eval" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert not [name for name in answer.headers if name.startswith("access-control")]


HOSTS = {
    "127.0.0.1:8321": True, "localhost:9000": True, "LOCALHOST": True, "[::1]:8321": True, "127.0.0.5": True,
    "localhost.": True, "evil.example": False, "evil.example:8321": False, "127.0.0.1.evil.example": False,
    "192.168.1.7:8321": False, "": False, "localhost:evil": False, "localhost.evil.example": False, "[::1": False,
    "0x7f000001": False, "localhost@evil.example": False, "10.0.0.1": False,
}  # fmt: skip


@pytest.mark.parametrize("host", HOSTS)
def test_a_name_that_is_not_this_machine_s_is_refused(root: Path, host: str) -> None:
    answer = client(root).get("/api/runs", headers={"host": host})
    assert answer.status_code == (200 if HOSTS[host] else 421), host
    assert HOSTS[host] or "runs" not in answer.json()


@pytest.mark.parametrize("path", EVERYWHERE)
@pytest.mark.parametrize(
    "sent",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:9999"},
        {"origin": "http://127.0.0.1:8321.evil.example"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "script"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"},
    ],
)
def test_what_another_site_causes_is_refused(root: Path, path: str, sent: dict[str, str]) -> None:
    answer = client(root).get(path, headers=sent)
    assert answer.status_code == 403 and list(answer.json()) == ["error"]


def test_the_page_s_own_requests_and_a_followed_link_are_answered(root: Path) -> None:
    own = {"origin": "http://127.0.0.1:8321", "sec-fetch-site": "same-origin"}
    assert client(root).get("/api/runs", headers=own).status_code == 200
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    assert client(root).get("/", headers=link).status_code == 200
    assert client(root).get("/api/runs", headers=link).status_code == 403


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_it_only_reads(root: Path, method: str) -> None:
    assert client(root).request(method, "/api/runs/x").status_code == 405


@pytest.mark.parametrize("path", EVERYWHERE)
def test_without_the_token_nothing_is_told(root: Path, path: str) -> None:
    one = client(root, token="secret", hosts=["box"], base="http://box:8321")
    cookie = {"cookie": f"{cookie_name('secret')}=wrong"}
    for given in ({}, {"authorization": "Bearer wrong"}, cookie, {"authorization": "é"}):
        answer = one.get(path, headers={name: value.encode("utf-8") for name, value in given.items()})  # type: ignore[misc]
        assert answer.status_code == 401 and list(answer.json()) == ["error"]


def test_the_printed_address_lets_a_browser_in_and_the_token_leaves_the_address(root: Path) -> None:
    one = client(root, token="secret", hosts=["box"], base="http://box:8321")
    assert one.get("/?token=wrong").status_code == 401
    answer = one.get("/?token=secret&run=x")
    assert (answer.status_code, answer.headers["location"]) == (303, "/?run=x")
    assert "HttpOnly" in answer.headers["set-cookie"] and "SameSite=Strict" in answer.headers["set-cookie"]
    assert one.get("/api/runs").status_code == 200
    bearer = client(root, token="secret", hosts=["box"], base="http://box:8321")
    assert bearer.get("/api/runs", headers={"authorization": "Bearer secret"}).status_code == 200
    assert bearer.get("/api/runs?token=secret").status_code == 401  # it must not stay in addresses


def test_two_servers_of_one_machine_do_not_take_each_other_s_cookie(root: Path) -> None:
    first = client(root, token="one", base="http://127.0.0.1:8321")
    second = client(root, token="two", base="http://127.0.0.1:8322")
    for each, token in ((first, "one"), (second, "two")):
        each.cookies = first.cookies  # a browser has one set of them for all ports
        each.get(f"/?token={token}")
    assert first.get("/api/runs").status_code == second.get("/api/runs").status_code == 200


def test_with_a_token_addresses_of_the_machine_are_names_of_it(root: Path) -> None:
    one = client(root, token="secret", hosts=["box"], base="http://192.168.1.7:8321")
    known = {"authorization": "Bearer secret"}
    assert one.get("/api/runs", headers=known).status_code == 200
    assert one.get("/api/runs", headers=known | {"host": "rebound.example"}).status_code == 421
