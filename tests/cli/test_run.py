from pathlib import Path

import pytest

from headwater.cli import main


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--step", "5", "x.py"], "No such option: --step. Did you mean --steps?"),
        (["--budgett=5", "x.py"], "No such option: --budgett. Did you mean --budget?"),
        (["-m", "--no-recrod", "x"], "No such option: --no-recrod. Did you mean --no-record?"),
        (["--epochs", "x.py"], "No such option: --epochs. The script's own options stand behind the script."),
        (["x.py", "--step", "5"], "There is no script x.py."),
    ],
)
def test_an_option_before_the_script_must_be_ours(
    capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["run", *arguments])
    assert says in capsys.readouterr().err


def test_help_says_whose_steps_count(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["run", "--help"])
    words = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "those of all its optimizers counted together" in words


def test_options_behind_a_script_that_does_not_know_them_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("train.py").write_text("import sys\nprint(sys.argv[1:], '--steps is mine')\n")
    with pytest.raises(SystemExit):
        main(["run", "--no-record", "train.py", "--html=x.html", "--steps", "3"])
    captured = capsys.readouterr()
    assert "--html behind train.py goes to the script" in captured.err and "--steps behind" not in captured.err
    assert "['--html=x.html', '--steps', '3']" in captured.out


def test_to_keep_some_runs_and_to_record_none_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = tmp_path / "train.py"
    script.write_text("print('it ran')\n")
    with pytest.raises(SystemExit, match="2"):
        main(["run", "--keep", "2", "--no-record", str(script)])
    said = capsys.readouterr()
    assert "--no-record makes none" in said.err and "it ran" not in said.out
