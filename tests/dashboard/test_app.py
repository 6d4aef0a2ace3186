"""What the addresses answer."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from headwater.dashboard.shelf import Shelf
from headwater.dashboard.stream import mark
from headwater.errors import StoreError
from headwater.records import STATISTICS
from headwater.store import open_run
from headwater.store.rows import history, series
from tests.dashboard.served import FINDING, NASTY, client, made
from tests.store.rows.made import LAYERS


def test_runs_are_listed_the_newest_first(tmp_path: Path) -> None:
    made(tmp_path / "old")
    made(tmp_path / "new").update(started="2026-02-01T00:00:00+00:00")
    (tmp_path / "no-run").mkdir()
    told = client(tmp_path).get("/api/runs").json()
    assert told["root"] == str(tmp_path) and told["total"] == 2
    new, old = told["runs"]
    assert (new["id"], old["id"]) == ("new", "old")
    assert old["status"] == "finished" and not old["live"] and old["steps"] == 20 and old["ended"]
    assert old["verdict"]["tone"] == "bad" and "HW101" in old["verdict"]["headline"]
    assert old["models"] == [{"name": "model", "kind": "Net", "parameters": 9}] and old["optimizers"] == {"": "SGD"}


def test_search_and_pages_are_cut_by_the_server(tmp_path: Path) -> None:
    for i in range(5):
        made(tmp_path / f"run-{i}", name="alpha" if i % 2 else "beta")
    one = client(tmp_path)
    assert [run["id"] for run in one.get("/api/runs?search=ALPHA+sgd").json()["runs"]] == ["run-3", "run-1"]
    told = one.get("/api/runs?limit=2&offset=1").json()
    assert told["total"] == 5 and [run["id"] for run in told["runs"]] == ["run-3", "run-2"]
    assert one.get("/api/runs?search=no+such").json()["runs"] == []
    assert len(one.get("/api/runs?search=vanishing+beta").json()["runs"]) == 3  # a word of the verdict, one of the name
    assert one.get("/api/runs?limit=many").status_code == 400


def test_one_run_tells_what_the_page_needs(tmp_path: Path) -> None:
    made(tmp_path / "x")
    told = client(tmp_path).get("/api/runs/x").json()
    assert (told["id"], told["first_step"], told["last_step"], told["tracks"]) == ("x", 0, 19, [""])
    assert set(told["statistics"]) == set(STATISTICS) and told["mark"] == mark(tmp_path / "x")
    assert all(each["definition"] for each in told["statistics"].values())


def test_history_and_series_are_those_of_the_store(tmp_path: Path) -> None:
    made(tmp_path / "x")
    run, one = open_run(tmp_path / "x"), client(tmp_path)
    asked = "statistic=grad_norm&first=2&last=9&width=4&height=2"
    assert one.get(f"/api/runs/x/history?{asked}").json() == history(run, "grad_norm", "", 2, 9, 4, 2)
    asked = f"layer={LAYERS[1]}&statistics=grad_norm,signal&points=5"
    assert one.get(f"/api/runs/x/series?{asked}").json() == series(run, LAYERS[1], ["grad_norm", "signal"], points=5)


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("/api/runs/none", 404, "no run named"),
        ("/api/runs/x/history?statistic=none", 400, "No statistic"),
        ("/api/runs/x/history?first=a", 400, "whole number"),
        ("/api/runs/x/history?track=none", 400, "No optimizer"),
        ("/api/runs/none/stream", 404, "no run named"),
        ("/assets/none.js", 404, "no such file"),
        ("/elsewhere", 404, "nothing at this address"),
    ],
)
def test_errors_are_sentences(tmp_path: Path, path: str, status: int, says: str) -> None:
    made(tmp_path / "x")
    answer = client(tmp_path).get(path)
    assert answer.status_code == status and says in answer.json()["error"]


@pytest.mark.parametrize(
    "change",
    [
        {"schema_version": 99},
        {"name": 3},
        {"status": "unheard"},
        {"models": [[]]},
        None,
    ],
)
def test_a_run_that_cannot_be_read_is_listed_with_the_reason(tmp_path: Path, change: dict[str, Any] | None) -> None:
    made(tmp_path / "good")
    made(tmp_path / "bad")
    path = tmp_path / "bad" / "run.json"
    path.write_text("{" if change is None else json.dumps(json.loads(path.read_text()) | change))
    one = client(tmp_path)
    told = {run["id"]: run for run in one.get("/api/runs").json()["runs"]}
    assert told["good"]["status"] == "finished" and told["bad"]["status"] == "unreadable" and told["bad"]["notes"]
    answer = one.get("/api/runs/bad")
    assert answer.status_code == 422 and answer.json()["error"]
    if change == {"schema_version": 99}:
        assert "Update Headwater" in answer.json()["error"]


def test_a_run_that_is_deleted_while_it_is_shown_is_gone_and_nothing_else(tmp_path: Path) -> None:
    made(tmp_path / "x")
    made(tmp_path / "y")
    one = client(tmp_path)
    assert one.get("/api/runs/x").status_code == 200
    shutil.rmtree(tmp_path / "x" / "segments")
    assert one.get("/api/runs/x/history").json()["values"] == []
    shutil.rmtree(tmp_path / "x")
    assert one.get("/api/runs/x").status_code == one.get("/api/runs/x/history").status_code == 404
    assert [run["id"] for run in one.get("/api/runs").json()["runs"]] == ["y"]
    shutil.rmtree(tmp_path / "y")
    tmp_path.rmdir()
    assert one.get("/api/runs").json()["runs"] == []


def test_half_written_parts_are_left_out_and_said(tmp_path: Path) -> None:
    made(tmp_path / "x")
    (tmp_path / "x" / "report.json").write_text('{"schema": "headwater-re')
    (tmp_path / "x" / "findings.jsonl").write_bytes(b'{"event": "raised", "st')
    segment = next((tmp_path / "x" / "segments").iterdir())
    segment.write_bytes(segment.read_bytes()[:-50])
    one = client(tmp_path)
    told = one.get("/api/runs/x").json()
    assert told["last_step"] is None and len(told["notes"]) >= 2
    assert one.get("/api/runs").json()["runs"][0]["verdict"] is None


def test_a_run_under_way_says_so(tmp_path: Path) -> None:
    from tests.dashboard.test_stream import alive

    alive(tmp_path / "x")
    run = client(tmp_path).get("/api/runs").json()["runs"][0]
    assert (run["status"], run["live"], run["steps"]) == ("running", True, 20)
    made(tmp_path / "y", close=False).update(process=2**22 - 3, host=__import__("socket").gethostname())
    told = {run["id"]: run for run in client(tmp_path).get("/api/runs").json()["runs"]}
    assert (told["y"]["status"], told["y"]["live"]) == ("not closed", False)


def test_the_folder_of_one_run_shows_that_run(tmp_path: Path) -> None:
    made(tmp_path / "x")
    made(tmp_path / "y")
    assert [run["id"] for run in client(tmp_path / "x").get("/api/runs").json()["runs"]] == ["x"]
    with pytest.raises(StoreError, match="headwater run"):
        Shelf(tmp_path / "nowhere")


def test_strings_of_a_run_come_as_data_and_never_as_a_page(tmp_path: Path) -> None:
    finding = replace(FINDING, message=NASTY, where=replace(FINDING.where, module=NASTY, file=NASTY, line=1))
    made(tmp_path / "a<img src=x onerror=alert(1)>", name=NASTY, finding=finding).update(host=NASTY, command=(NASTY,))
    one = client(tmp_path)
    for path in ("/api/runs", f"/api/runs/{one.get('/api/runs').json()['runs'][0]['id']}"):
        answer = one.get(path)
        assert answer.status_code == 200 and answer.headers["content-type"] == "application/json"
    missing = one.get(f"/api/runs/{NASTY.replace('/', '')}")
    assert missing.status_code == 404 and missing.headers["content-type"] == "application/json"


def test_the_page_is_served_with_its_type_and_once(tmp_path: Path) -> None:
    one = client(tmp_path)
    page = one.get("/")
    assert page.status_code == 200 and page.headers["content-type"].startswith("text/html")
    again = one.get("/", headers={"if-none-match": page.headers["etag"]})
    assert again.status_code == 304 and again.content == b""
