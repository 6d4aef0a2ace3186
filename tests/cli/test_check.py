import json
import sys

import pytest

from tests.cli.test_app import run

SOURCE = """
import torch
from torch import nn


def data():
    return [(torch.randn(32, 16), torch.randint(4, (32,))) for _ in range(9)]


def deep():
    torch.manual_seed(0)
    hidden = [layer for _ in range(30) for layer in (nn.Linear(16, 16), nn.Sigmoid())]
    return nn.Sequential(*hidden, nn.Linear(16, 4)), data(), nn.CrossEntropyLoss()


def healthy():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 4))
    return model, data(), nn.CrossEntropyLoss(), torch.optim.Adam(model.parameters(), 1e-3)


def wrong_shape():
    return nn.Linear(3, 4), data(), nn.CrossEntropyLoss()
"""


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))


def test_an_error_found_exits_with_1(capsys):
    code, out, err = run(capsys, "check", "mine.py:deep")
    assert code == 1
    assert "HW101" in out
    assert "vanishing-gradient" in out
    assert err == ""


def test_a_healthy_network_exits_with_0(capsys):
    code, out, _ = run(capsys, "check", "mine.py:healthy", "--fail-on", "warning")
    assert code == 0
    assert out


def test_fail_on_never(capsys):
    assert run(capsys, "check", "mine.py:deep", "--fail-on", "never")[0] == 0


def test_lines_show_the_file_with_what_each_costs(capsys):
    out = run(capsys, "check", "mine.py:deep", "--lines")[1].partition("What each line costs")[2]
    row = next(line for line in out.splitlines() if "hidden = [layer for _" in line)
    assert row.startswith("  ██") and "99 %" in row and "12 " in row
    assert "mine.py" in out and "import torch" not in out  # far from all that costs something
    assert "What each line" not in run(capsys, "check", "mine.py:deep", "--lines", "--json")[1]


def test_json_alone_goes_to_stdout(capsys, tmp_path):
    code, out, err = run(capsys, "check", "mine.py:deep", "--json", "--html", "report.html")
    assert code == 1
    assert json.loads(out)["findings"][0]["code"] == "HW101"
    assert err == "written: report.html\n"
    assert "HW101" in (tmp_path / "report.html").read_text()


def test_the_lines_and_the_account_are_shown(capsys):
    hidden, head = (
        1 + SOURCE.splitlines().index(line)
        for line in SOURCE.splitlines()
        if "nn.Linear(16, 16)" in line or "nn.Linear(16, 4)" in line
    )
    _, out, _ = run(capsys, "check", "mine.py:deep")
    assert f"built at mine.py:{hidden}" in out
    assert f"sigmoid, mine.py:{hidden}" in out
    assert "measured  theory  share" in out
    finding = json.loads(run(capsys, "check", "mine.py:deep", "--json")[1])["findings"][0]
    assert finding["where"]["built"]["line"] == hidden
    account = finding["explanation"]
    assert account["predicted"] == pytest.approx(account["measured"], rel=0.05)
    assert {line["built"]["line"] for line in account["lines"]} <= {hidden, head}


def test_the_profile_is_drawn(capsys, tmp_path):
    pytest.importorskip("matplotlib")
    run(capsys, "check", "mine.py:deep", "--plot", "profile.png")
    assert (tmp_path / "profile.png").read_bytes().startswith(b"\x89PNG")


def test_the_range_test_is_drawn_and_its_rate_suggested(capsys, tmp_path):
    pytest.importorskip("matplotlib")
    code, _, err = run(capsys, "check", "mine.py:healthy", "--range-test", "range.png")
    assert code == 0
    assert "suggested rate" in err and "written: range.png" in err
    assert (tmp_path / "range.png").read_bytes().startswith(b"\x89PNG")
    assert run(capsys, "check", "mine.py:healthy", "--range-test", "range.txt")[0] == 2


def test_steps_are_taken(capsys):
    _, out, _ = run(capsys, "check", "mine.py:healthy", "--json", "--steps", "5")
    assert len(json.loads(out)["measurement"]["steps"]) == 5


def test_an_unusable_model_exits_with_2(capsys):
    code, out, err = run(capsys, "check", "mine.py:wrong_shape")
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
