"""Folders that lead elsewhere, and files that no run has."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest

from headwater.dashboard import shelf
from headwater.dashboard.shelf import NoSuchRunError, Shelf
from headwater.records import SourceLine
from tests.dashboard.served import client, made, report

SECRET = "the-secret-of-this-machine"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "secret.txt").write_text(SECRET)
    (tmp_path / "secret.py").write_text(f"# {SECRET}\n")
    made(tmp_path / "outside")
    made(tmp_path / "runs" / "x")
    return tmp_path / "runs"


PATHS = [
    "..", "../outside", "..\\outside", ".", "", "/etc", "x/../../outside", "x/segments", "%2e%2e/outside", "x\0", "~",
]  # fmt: skip


@pytest.mark.parametrize("name", PATHS)
def test_a_path_is_no_name_of_a_run(root: Path, name: str) -> None:
    with pytest.raises(NoSuchRunError):
        Shelf(root).folder(name)
    one = client(root)
    for prefix in ("/api/runs/", "/assets/"):
        for written in (quote(name, safe=""), quote(quote(name, safe=""), safe=""), name.replace("\0", "%00")):
            for rest in ("", "/history", "/stream", "/secret.txt"):
                answer = one.get(f"{prefix}{written}{rest}")
                shortened = answer.request.url.path in ("/", "/api/runs")  # by the client itself
                assert answer.status_code in (404, 307) or shortened, (prefix, written, rest)
                assert SECRET not in answer.text and '"id":"outside"' not in answer.text


@pytest.mark.parametrize(
    "link", ["x/report.json", "x/findings.jsonl", "x/sources/1-train.py", "x/segments/a", "x/trials", "x/reports", "y"]
)
def test_a_link_in_a_run_makes_it_no_run(root: Path, link: str) -> None:
    path = root / link
    path.unlink(missing_ok=True)
    path.symlink_to(root.parent / ("outside" if "." not in link else "secret.txt"))
    one, name = client(root), link.partition("/")[0]
    answer = one.get(f"/api/runs/{name}")
    assert answer.status_code == 422 and "link" in answer.json()["error"] and SECRET not in answer.text
    told = {run["id"]: run["status"] for run in one.get("/api/runs").json()["runs"]}
    assert told[name] == "unreadable"
    assert one.get(f"/api/runs/{name}/history").status_code == 422


def test_a_pipe_is_not_waited_for(root: Path) -> None:
    (root / "x" / "report.json").unlink()
    os.mkfifo(root / "x" / "report.json")
    assert client(root).get("/api/runs/x").status_code == 422


@pytest.mark.parametrize("name", ["run.json", "report.json", "findings.jsonl", "sources/1-train.py"])
def test_a_file_of_gigabytes_is_not_read(root: Path, name: str) -> None:
    with open(root / "x" / name, "r+b") as file:
        file.truncate(1 << 40)  # a hole: it takes no room
    answer = client(root).get("/api/runs/x")
    assert answer.status_code == 422 and "larger than any" in answer.json()["error"]


def test_a_folder_of_very_many_files_is_not_read(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf, "_MOST_FILES", 3)
    for i in range(6):
        (root / "x" / "segments" / f"{i}").write_text("")
    assert "more than 3 files" in client(root).get("/api/runs/x").json()["error"]


def test_a_report_makes_nobody_read_a_file_of_this_machine(root: Path) -> None:
    told = report()
    secret = str(root.parent / "secret.py")
    layers = tuple(replace(each, file=secret, line=1, built=SourceLine(secret, 1)) for each in told.layers)
    text = replace(told, measurement=replace(told.measurement, layers=layers)).to_json()
    (root / "x" / "report.json").write_text(text)
    answer = client(root).get("/api/runs/x")
    assert answer.status_code == 200 and SECRET not in answer.text


@pytest.mark.parametrize(
    "file", ["../../secret.txt", "../report.json", "/etc/hostname", "1-train.py/../../../secret.txt"]
)
def test_source_texts_lie_in_the_run(root: Path, file: str) -> None:
    (root / "x" / "sources" / "index.json").write_text(json.dumps({"train.py": file}))
    answer = client(root).get("/api/runs/x")
    assert answer.status_code == 200 and SECRET not in answer.text


def test_a_name_that_is_no_text_does_not_keep_the_others_from_being_listed(root: Path) -> None:
    os.rename(root / "x", os.fsencode(root) + b"/\xff")
    made(root / "y")
    assert [run["id"] for run in client(root).get("/api/runs").json()["runs"]] == ["y"]


def test_a_source_text_below_a_folder_of_its_own_is_not_read(root: Path) -> None:
    (root / "x" / "sources" / "deep").mkdir()
    (root / "x" / "sources" / "deep" / "train.py").symlink_to(root.parent / "secret.txt")
    (root / "x" / "sources" / "index.json").write_text(json.dumps({"train.py": "deep/train.py"}))
    answer = client(root).get("/api/runs/x")
    assert SECRET not in answer.text and "none of their files" in answer.text
