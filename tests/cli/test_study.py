"""`headwater study`: what it prints, what it writes, and how it exits."""

from __future__ import annotations

import pytest

from headwater.study.experiments import registry
from tests.cli.test_app import run
from tests.study.small import Point, small

pytest.importorskip("matplotlib")


@pytest.fixture(autouse=True)
def only_a_small_one(monkeypatch, tmp_path):
    """In this process, so that no test waits for another one to start."""
    from headwater import trials
    from headwater.study import experiments
    from headwater.trials.engines import Inline

    made = (small(tmp_path / "log"),)
    monkeypatch.setattr(registry, "EXPERIMENTS", made)
    monkeypatch.setattr(experiments, "EXPERIMENTS", made)
    monkeypatch.setattr(trials, "executor", lambda *_: Inline())
    monkeypatch.chdir(tmp_path)


def points(monkeypatch, tmp_path, *places: int) -> None:
    from headwater.study import experiments

    made = (
        small(
            tmp_path / "log", points=lambda quick, seeds: [Point("bent", x, 0, str(tmp_path / "log")) for x in places]
        ),
    )
    monkeypatch.setattr(registry, "EXPERIMENTS", made)
    monkeypatch.setattr(experiments, "EXPERIMENTS", made)


def test_it_measures_says_and_writes(capsys, tmp_path):
    code, out, err = run(capsys, "study", "small", "--quick")
    assert code == 0
    assert "A small experiment: 1 of 1 statement holds" in out
    assert "✓ The bent one ends higher." in out
    assert "small: 8 of 8 points done" in err
    assert sorted(path.name for path in (tmp_path / "studies").iterdir()) == ["index.html", "points", "small.parquet"]


def test_all_is_every_experiment_and_the_folder_is_chosen(capsys, tmp_path):
    code, _, err = run(capsys, "study", "all", "--seeds", "2", "--out", "here/there")
    assert code == 0 and "32 of 32 points" in err
    assert (tmp_path / "here" / "there" / "index.html").exists()


def test_again_it_measures_nothing(capsys):
    run(capsys, "study", "small", "--quick")
    _, _, err = run(capsys, "study", "small", "--quick")
    assert err.count("8 of 8 points done") == 1


def test_a_point_that_fails_is_told_and_the_exit_code_says_so(capsys, monkeypatch, tmp_path):
    points(monkeypatch, tmp_path, 1, -1, 2)
    code, out, err = run(capsys, "study", "small", "--quick")
    assert code == 1
    assert "not measured: kind bent, x -1, seed 0" in err and "ValueError: the kiln is cold" in err
    assert "0 of 1 statement holds, 1 cannot be said" in out
    assert "1 point could not be measured" in (tmp_path / "studies" / "index.html").read_text()


def test_ctrl_c_leaves_what_is_finished_and_says_how_to_go_on(capsys, monkeypatch):
    from headwater.study import runner

    real = runner._one
    calls = iter(range(100))

    def interrupted(measure, point):
        if next(calls) == 3:
            raise KeyboardInterrupt
        return real(measure, point)

    monkeypatch.setattr(runner, "_one", interrupted)
    code, _, err = run(capsys, "study", "small", "--quick")
    assert code == 130 and "What was finished is kept in studies" in err
    monkeypatch.setattr(runner, "_one", real)
    assert run(capsys, "study", "small", "--quick")[0] == 0


def test_the_list_says_what_each_asks(capsys):
    code, out, _ = run(capsys, "study", "--list")
    assert (code, out) == (0, "small  Which ends higher?\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["study"], "error: Which experiment? One of small, or all."),
        (["study", "smal"], "error: There is no experiment called 'smal'. Did you mean small? Known: small, or all."),
        (["study", "small", "--seeds", "0"], "Invalid value for '--seeds'"),
    ],
)
def test_what_cannot_be_run_exits_with_2(capsys, arguments, said):
    code, _, err = run(capsys, *arguments)
    assert code == 2 and said in err.replace("\n", " ")


def test_the_help_teaches(capsys):
    _, out, _ = run(capsys, "study", "--help")
    for part in ("headwater study depth --quick", "index.html", "Ctrl-C loses nothing", "130 interrupted"):
        assert part in out
