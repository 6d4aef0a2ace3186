"""Server-sent events: one at once, then one for each change, and the mark that somebody looks on."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from headwater.dashboard import stream
from headwater.dashboard.shelf import Shelf
from headwater.dashboard.stream import changes
from headwater.store import RunWriter
from headwater.store.following import NAME, follow, is_followed
from tests.dashboard.served import FINDING, made
from tests.store.test_writer import rows


def alive(folder: Path) -> RunWriter:
    """A run of this process, which is under way."""
    one = made(folder, close=False)
    one.update(process=os.getpid(), host=socket.gethostname())
    return one


async def following(events: AsyncGenerator[str]) -> dict[str, Any]:
    """The data of the next event."""
    event = await asyncio.wait_for(anext(events), 20)
    while event.startswith(":"):
        event = await asyncio.wait_for(anext(events), 20)
    head, data = event.strip().split("\n")
    assert head == "event: changed"
    return json.loads(data.removeprefix("data: "))


def test_each_change_of_a_run_is_told(tmp_path: Path) -> None:
    one = alive(tmp_path / "x")

    async def look() -> None:
        events = changes(Shelf(tmp_path), "x")
        first = await following(events)
        assert first == {"last_step": 19, "status": "running", "rows": True, "report": True, "events": True}
        assert is_followed(str(tmp_path / "x" / NAME))
        one.append(rows(20, 5))
        one.flush()
        assert await following(events) == {
            "last_step": 24, "status": "running", "rows": True, "report": False, "events": False,
        }  # fmt: skip
        one.finding("healed", 24, "2026-01-01T00:00:00+00:00", FINDING)
        assert (await following(events))["events"]
        one.report("{}")
        assert (await following(events))["report"]
        one.close(steps=25)
        told = await following(events)
        while told["status"] == "running":
            told = await following(events)
        assert told["status"] == "finished" and told["last_step"] == 24
        shutil.rmtree(tmp_path / "x")
        assert (await following(events))["status"] == "deleted"
        with pytest.raises(StopAsyncIteration):
            await anext(events)

    asyncio.run(look())


def test_what_is_known_already_is_not_told(tmp_path: Path) -> None:
    one = alive(tmp_path / "x")
    known = stream.mark(tmp_path / "x")

    async def look() -> None:
        quiet = {"last_step": 19, "status": "running", "rows": False, "report": False, "events": False}
        assert await following(changes(Shelf(tmp_path), "x", known)) == quiet
        one.finding("healed", 19, "2026-01-01T00:00:00+00:00", FINDING)
        assert await following(changes(Shelf(tmp_path), "x", known)) == quiet | {"events": True}
        told = await following(changes(Shelf(tmp_path), "x", "nonsense"))
        assert told["rows"] and told["report"] and told["events"]

    asyncio.run(look())


def test_a_change_within_one_tick_of_the_clock_is_seen(tmp_path: Path) -> None:
    one = alive(tmp_path / "x")
    path = tmp_path / "x" / "findings.jsonl"
    known, before = stream.mark(tmp_path / "x"), path.stat().st_mtime_ns
    one.finding("healed", 19, "2026-01-01T00:00:00+00:00", FINDING)
    os.utime(path, ns=(before, before))
    assert stream.mark(tmp_path / "x") != known


def test_a_pipe_in_the_place_of_the_mark_keeps_nobody_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / NAME)
    follow(tmp_path)


def test_a_run_that_breaks_is_told_and_followed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "IDLE_POLL", 0.05)
    alive(tmp_path / "x")
    text = (tmp_path / "x" / "run.json").read_text()

    async def look() -> None:
        events = changes(Shelf(tmp_path), "x")
        await following(events)
        (tmp_path / "x" / "run.json").write_text(text[:20])
        assert (await following(events))["status"] == "unreadable"
        (tmp_path / "x" / "run.json").write_text(text)
        assert (await following(events))["status"] == "running"

    asyncio.run(look())


def test_something_is_sent_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "BEAT", 0.0)
    alive(tmp_path / "x")

    async def look() -> None:
        events = changes(Shelf(tmp_path), "x")
        await anext(events)
        assert (await anext(events)).startswith(":")

    asyncio.run(look())


def test_the_mark_follows_no_link_and_ages(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / NAME).symlink_to(tmp_path / "created-by-a-link")
    follow(tmp_path / "x")
    assert not (tmp_path / "created-by-a-link").exists()
    (tmp_path / "x" / NAME).unlink()
    follow(tmp_path / "x")
    assert is_followed(str(tmp_path / "x" / NAME))
    os.utime(tmp_path / "x" / NAME, (time.time() - 60, time.time() - 60))
    assert not is_followed(str(tmp_path / "x" / NAME))
    follow(tmp_path / "x")
    assert is_followed(str(tmp_path / "x" / NAME))
    follow(tmp_path / "nowhere")
    assert not is_followed(str(tmp_path / "nowhere" / NAME))
