"""``headwater ui``: the server answers, whatever the browser does."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from headwater import dashboard
from headwater.cli import ui
from headwater.cli.app import main
from headwater.dashboard import Dashboard


def test_a_browser_that_keeps_its_caller_waiting_does_not_keep_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    opened, ended = threading.Event(), threading.Event()

    def slow(address: str) -> bool:
        assert address == "http://127.0.0.1:1/"
        opened.set()
        return ended.wait(60)

    monkeypatch.setattr(ui.webbrowser, "open", slow)
    served = Dashboard("http://127.0.0.1:1/", lambda ready: ready())
    monkeypatch.setattr(dashboard, "dashboard", lambda *_, **__: served)
    with pytest.raises(SystemExit) as end:
        main(["ui", str(tmp_path)])
    assert end.value.code == 0
    assert opened.wait(20) and not ended.is_set()
    ended.set()
    assert "The dashboard is at http://127.0.0.1:1/" in capsys.readouterr().err
